"""Smuggling circles, added to a lawful world.

A circle controls fronts (small carriers with vehicles and drivers of their own), a few key drivers
whom all its fronts share, and consignees for its cover loads. One front works at a time; after a
seizure the circle goes quiet, then comes back, often with another front on another road and
another way of hiding. A front is a carrier like others: vehicles of several classes, on two roads,
with lawful trips between its runs. Some fronts trade before their circle uses them. Shares and
preferences are assumed, see docs/synthetic.md.
"""

from dataclasses import dataclass, replace

import numpy as np

from experiments.synthetic.config import Config, Floats, Ints, join, pick, take
from experiments.synthetic.world import concealment, fleet, traders
from experiments.synthetic.world.network import BUS, CAR, PAIRS, TRUCK, VAN, WAGON, countries_of

FRONTS = 3
KEY_DRIVERS = 5
COVER_LANES = 3
ROADS = 2
"""Roads that a front works on, each with its own cover lanes."""
LOADS_A_YEAR = 75.0
CIRCLE_LOADS = 0.0078
"""Circle loads as a share of entries: far above life, so that 100,000 teach."""

LawfulWorld = tuple[fleet.Vehicles, fleet.Carriers, traders.Lanes]
CLASS_MIX = np.array([0.16, 0.18, 0.06, 0.60])
ONE_CLASS = 0.75
"""Vehicles of a circle that are of the class it works with."""
FEWEST = 4
TRIPS_A_YEAR = 30.0
VEHICLES = (5, 12)
"""Vehicles of a front: at least, and fewer than."""

SUBSTANCES = (
    ("opium", "narcotic", 1.0),
    ("heroin", "narcotic", 1.3),
    ("hashish", "narcotic", 2.2),
    ("cannabis", "narcotic", 0.8),
    ("methamphetamine", "psychotropic", 1.2),
    ("mephedrone", "psychotropic", 0.8),
    ("pregabalin", "psychotropic", 0.7),
    ("acetic_anhydride", "precursor", 0.5),
    ("unidentified", "other", 0.2),
)


@dataclass(frozen=True, slots=True)
class Circles:
    """Circles and their fronts; front ``f`` belongs to circle ``f // FRONTS``."""

    load_rate: Floats
    """Per circle: chance that a suitable trip of the working front is a run."""
    substance: Ints
    """Per front, as the next two."""
    quantity_g: Floats
    """Median of a load."""
    established: Ints
    """1 if it trades lawfully before the circle uses it."""
    vehicle_front: Ints
    """Per vehicle of the whole fleet, as the next three: its front, or -1."""
    vehicle_road: Ints
    """pair * 2 + direction of its runs, or -1."""
    vehicle_lane: Ints
    """Its first cover lane, COVER_LANES of them follow; or -1."""
    way_order: Ints
    """In which order each circle prefers its ways of hiding: ``hiding.order``."""

    @property
    def count(self) -> int:
        """How many circles there are."""
        return len(self.load_rate)


def substances(rng: np.random.Generator, count: int) -> Ints:
    """Draw substances, shape (count,)."""
    return pick(np.array([weight for _, _, weight in SUBSTANCES]), rng.random(count))


def enlist(config: Config, entries: float, world: LawfulWorld) -> tuple[Circles, LawfulWorld]:
    """Add circles to a lawful world: their fronts, vehicles and cover lanes come last."""
    vehicles, carriers, lanes = world
    rng = config.rng("circles")
    loads = entries * CIRCLE_LOADS
    each = LOADS_A_YEAR * config.years * 0.8
    count = max(FEWEST, round(loads / each))
    pace = min(1.0, loads / (count * each))  # a small world has small circles
    fronts = count * FRONTS
    front = np.repeat(np.arange(fronts), rng.integers(*VEHICLES, fronts))
    roads = _roads(rng, fronts)
    route = front * ROADS + (rng.random(len(front)) < 0.4)
    added = _vehicles(config, rng, (len(carriers.mess) + front, roads[route]), pace=pace)
    lawful = np.full(len(vehicles.carrier), -1)
    ring = Circles(
        load_rate=rng.beta(6, 4, count),
        substance=substances(rng, fronts),
        quantity_g=rng.lognormal(np.log(14_000), 1.0, fronts),
        established=(rng.random(fronts) < 0.25).astype(np.int64),
        vehicle_front=np.append(lawful, front),
        vehicle_road=np.append(lawful, roads[route]),
        vehicle_lane=np.append(lawful, len(lanes.group) + COVER_LANES * route),
        way_order=concealment.order(rng, count),
    )
    owners = _owners(rng, carriers, roads[::ROADS])
    covers = _cover_lanes(rng, lanes, roads)
    return ring, (join([vehicles, added]), owners, join([lanes, covers]))


def _owners(rng: np.random.Generator, carriers: fleet.Carriers, road: Ints) -> fleet.Carriers:
    return fleet.Carriers(
        country=np.append(carriers.country, _ends(road)[:, 0]),
        mess=np.append(carriers.mess, rng.beta(1.4, 5.0, len(road))),
        second_pair=np.append(carriers.second_pair, road // 2),
    )


def _roads(rng: np.random.Generator, fronts: int) -> Ints:
    """Draw the roads of each front: where the pull is, and where there is traffic to hide in."""
    pull = np.array([pull for pair in PAIRS for pull in pair.threat])
    volume = np.repeat([pair.volume for pair in PAIRS], 2)
    rail = np.repeat([pair.is_rail for pair in PAIRS], 2)
    pull = np.where(rail, 0.2 * pull, pull)
    pull[-2:] = 0.0  # nothing is known of the far side of a post without a pair
    return pick(pull**0.5 * volume**0.9, rng.random(fronts * ROADS))


def _ends(road: Ints) -> Ints:
    table = np.array([countries_of(r // 2, r % 2) for r in range(2 * len(PAIRS))])
    return np.asarray(table[road], dtype=np.int64)


def _vehicles(
    config: Config, rng: np.random.Generator, given: tuple[Ints, Ints], *, pace: float
) -> fleet.Vehicles:
    carrier, road = given
    n = len(carrier)
    rail = np.array([pair.is_rail for pair in PAIRS])[road // 2]
    circle = (carrier - carrier.min()) // FRONTS
    main = pick(CLASS_MIX, rng.random(int(circle.max()) + 1))[circle]
    mixed = np.where(rng.random(n) < ONE_CLASS, main, pick(CLASS_MIX, rng.random(n)))
    kind = np.array([CAR, VAN, BUS, TRUCK])[mixed]
    kind = np.where(rail, WAGON, kind)
    ends = _ends(road)
    return fleet.Vehicles(
        carrier=carrier,
        vehicle_class=kind,
        country=np.where(rng.random(n) < 0.65, ends[:, 0], ends[:, 1]),
        pair=road // 2,
        yearly_trips=pace * TRIPS_A_YEAR * rng.lognormal(-0.12, 0.5, n),
        born=np.where(rng.random(n) < 0.35, rng.random(n) * config.days, -1.0),
        retired=np.full(n, np.inf),
        new_driver_from=np.full(n, np.inf),
        new_plate_from=np.where(rng.random(n) < 0.2, rng.random(n) * config.days, np.inf),
        tare_kg=fleet.TARE_KG[kind] * np.exp(rng.normal(0, 0.07, n)),
        is_company=kind != CAR,
    )


def _cover_lanes(rng: np.random.Generator, lanes: traders.Lanes, roads: Ints) -> traders.Lanes:
    """Give each road of a front lanes to the circle's consignees, with goods that hide a load."""
    road = np.repeat(roads, COVER_LANES)
    n = len(road)
    circle = np.arange(n) // (COVER_LANES * ROADS * FRONTS)
    like = rng.integers(0, len(lanes.group), n)
    base = take(lanes, like)
    ends = _ends(road)
    own = int(lanes.consignee.max()) + 1 + 2 * circle + rng.integers(0, 2, n)
    hired = rng.random(n) < 0.25  # a lawful consignee's name is borrowed
    line = np.concatenate([traders.cover_lines(rng, int(r), COVER_LANES) for r in roads])
    return replace(
        base,
        group=road,
        weight=np.zeros(n),
        line=line,
        origin=ends[:, 0],
        dispatch=ends[:, 0],
        destination=ends[:, 1],
        consignee=np.where(hired, base.consignee, own),
        consignor=np.where(hired, base.consignor, int(lanes.consignor.max()) + 1 + circle),
        level=rng.normal(-0.12, 0.3, n),
    )
