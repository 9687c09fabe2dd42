"""Histories of two administrations whose posts face each other, with canaries in every field.

Texts of each side begin with its mark, so that what crossed the line can be found. A few vehicles
carry again and again, in both directions: what one side finds helps the other.
"""

import random
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from engine.domain.network import BorderPost, Network
from engine.domain.records import Crossing, Declaration, GoodsItem, Inspection, Seizure
from engine.domain.time_units import DAY, HOUR, MINUTE, moment
from features.history.tables import Tables
from tests.unit.features.random_histories import START, History, tables

WEST, EAST = "WEST", "EAST"
MARKS = {"W1": "CANARY-W", "W2": "CANARY-W", "E1": "CANARY-E", "E2": "CANARY-E"}
PAIRS = {"W1": "E1", "E1": "W1", "W2": "E2", "E2": "W2"}
NETWORK = Network(
    MappingProxyType(
        {
            code: BorderPost(
                code=code,
                name=code,
                country="UZ" if code[0] == "W" else "TJ",
                pair=pair,
                administration=WEST if code[0] == "W" else EAST,
            )
            for code, pair in PAIRS.items()
        }
    ),
    identifiers=MappingProxyType({"carrier_id": "TIR"}),
)
"""Carriers have one domain; drivers and consignees are each side's own."""


NETWORK_FILE = '[identifiers]\ncarrier_id = "TIR"\n' + "".join(
    f'[[posts]]\ncode = "{code}"\nname = "{code}"\ncountry = "{post.country}"\n'
    f'pair = "{post.pair}"\nadministration = "{post.administration}"\n'
    for code, post in NETWORK.posts.items()
)
"""The same as a file."""


def facing_history(seed: int, trips: int, **shape: Any) -> Tables:
    """Draw the trips of :func:`draw_records` as tables."""
    return replace(tables(draw_records(seed, trips, **shape)), network=NETWORK)


def draw_records(
    seed: int, trips: int, *, vehicles: int = 60, days: int = 300, searched: float = 0.35
) -> History:
    """Draw trips of a few vehicles between two administrations, there and back by turns."""
    rng = random.Random(seed)
    carries = [rng.random() < 0.2 for _ in range(vehicles)]
    sides = [rng.random() < 0.5 for _ in range(vehicles)]
    found = _HistoryBuilder(rng)
    for number in range(trips):
        vehicle = rng.randrange(vehicles)
        sides[vehicle] = not sides[vehicle]
        at = START + number * days * DAY // trips
        pair = rng.choice((("W1", "E1"), ("W2", "E2")))
        leaving, entering = pair if sides[vehicle] else pair[::-1]
        is_laden = rng.random() < (0.6 if carries[vehicle] else 0.02)
        found.add_trip(number, vehicle, (leaving, entering), at=at, is_laden=is_laden)
        if rng.random() < searched:
            found.add_act(number, entering, is_laden=is_laden)
        elif is_laden and rng.random() < 0.1:
            found.add_late_find(number)
    return found.to_history()


class _HistoryBuilder:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._crossings: list[tuple[int, Crossing, Declaration | None]] = []
        self._acts: list[tuple[int, Inspection]] = []
        self._finds: list[tuple[int, Seizure, str | None]] = []
        self._known: dict[str, int] = {}

    def add_trip(
        self, number: int, vehicle: int, posts: tuple[str, str], *, at: int, is_laden: bool
    ) -> None:
        """Draw both crossings of a trip; the exit is missing or late now and then."""
        gap = self._rng.randrange(2, 9) * HOUR + self._rng.randrange(60) * MINUTE
        if self._rng.random() < 0.9:
            late = self._rng.choice((0,) * 9 + (20 * HOUR,))
            self._add(f"x{number}", vehicle, posts[0], "exit", at=at, late=late, mass=18_000.0)
        mass = 18_000.0 + (self._rng.randrange(20, 60) if is_laden else self._rng.randrange(5))
        self._add(f"n{number}", vehicle, posts[1], "entry", at=at + gap, late=0, mass=mass)

    def _add(
        self, name: str, vehicle: int, post: str, way: Any, *, at: int, late: int, mass: float
    ) -> None:
        mark = MARKS[post]
        crossing = Crossing(
            crossing_id=f"{mark}-{name}",
            post=post,
            direction=way,
            arrived_at=moment(at),
            recorded_at=moment(at + late),
            vehicle_class="truck",
            plate=f"01A{vehicle:03}BC" if post[0] == "W" else f"01 A {vehicle:03} BC",
            plate_country="UZ",
            driver_ref=f"{mark}-driver-{vehicle}",
            carrier_id=f"c-{vehicle % 9}",
            weighed_mass_kg=mass,
            is_empty=False,
            declaration_id=f"{mark}-d-{name}",
        )
        item = GoodsItem(
            item_no=1,
            hs_code="080610",
            description=f"{mark} grapes",
            origin_country="XW" if post[0] == "W" else "XE",
            net_mass_kg=16_000.0,
            gross_mass_kg=17_000.0 + vehicle,
            customs_value_usd=9_000.0 + vehicle,
            preference_code=f"{mark}-pref",
        )
        declaration = Declaration(
            declaration_id=f"{mark}-d-{name}",
            procedure=f"{mark}-import",
            declarant_id=f"{mark}-declarant",
            consignor_id=f"{mark}-consignor",
            consignee_id=f"{mark}-consignee-{vehicle % 11}",
            payment_type=f"{mark}-pay",
            items=(item,),
        )
        self._known[crossing.crossing_id] = at + late
        self._crossings.append((at + late, crossing, declaration))

    def add_act(self, number: int, post: str, *, is_laden: bool) -> None:
        """Draw an act on the entry of a trip, mostly recorded an hour later."""
        mark = MARKS[post]
        crossing = f"{mark}-n{number}"
        at = self._known[crossing] + self._rng.choice((HOUR,) * 8 + (5 * DAY,))
        act = Inspection(
            inspection_id=f"{mark}-i{number}",
            crossing_id=crossing,
            basis="officer",
            recorded_at=moment(at),
            methods=("physical",),
            places_searched=("cab.seat",),
            agency="canary",
            outcome="seizure" if is_laden else "clear",
        )
        self._acts.append((at, act))
        if is_laden:
            find = Seizure(
                seizure_id=f"{mark}-z{number}",
                inspection_id=act.inspection_id,
                crossing_id=crossing,
                recorded_at=moment(at + 2 * HOUR),
                substance_class="narcotic",
                substance=f"{mark}-substance",
                quantity_g=777.0,
            )
            self._finds.append((at + 2 * HOUR, find, crossing))

    def add_late_find(self, number: int) -> None:
        """Draw a find inland, weeks after the entry of a trip."""
        crossing = next(c for c in self._known if c.endswith(f"-n{number}"))
        at = self._known[crossing] + 14 * DAY
        find = Seizure(
            seizure_id=f"{crossing}-z",
            crossing_id=crossing,
            recorded_at=moment(at),
            substance_class="narcotic",
            concealment=f"{crossing}-magnet",
        )
        self._finds.append((at, find, crossing))

    def to_history(self) -> History:
        """Return what was drawn in the order of knowledge."""
        self._crossings.sort(key=lambda row: (row[0], row[1].crossing_id))
        self._acts.sort(key=lambda row: (row[0], row[1].inspection_id))
        self._finds.sort(key=lambda row: (row[0], row[1].seizure_id))
        return History(self._crossings, self._acts, self._finds)
