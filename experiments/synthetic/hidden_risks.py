"""Trips of a small network, and the mechanism that makes a trip carry or its papers be wrong.

Trips run between paired posts. Tails are heavy everywhere: gamma activity of vehicles, Zipf sizes
of carriers and traders. All numbers are assumed; nothing follows a real post.

*latent*: every party, goods and route has a log-normal propensity of its own; they add up, and
goods have seasons. *rings*: circles of vehicles, drivers and consignees whose members act together,
begin late, work in campaigns and let a car drive ahead. *signs*: parties hardly matter, the journey
shows it. *repeat*: a few drivers and consignees do it again and again, most at harvest, and rest
after a find. *circles*: cars without a carrier whose drivers change cars within a circle; only the
ties between them say which circle carries.

Five more are of groups that carry again and again, half of them never caught before the last
quarter. *plates*: plates and carriers change every few weeks, drivers and consignees stay.
*drivers*: drivers come and go, carrier and vehicles stay. *importer*: all goods go to one big
lawful importer. *newcomers*: firms live for weeks, and the drivers go over to the next ones.
*fronts*: several firms share trailers, and a car drives ahead. In each kind lawful groups do the
same and carry nothing, and one lawful importer has a sixth of the laden trucks; in all but
*importer* three loads of others are found among the goods of that importer. A group that is never
caught has a known member with it now and then: in one trip of eight it takes a driver of a group
that may be caught (*fronts*: a trailer).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.posts import Bools, Config, Floats, Ints, pick, pick_within

POSTS = (
    ("M1-A", "UZ"), ("M1-B", "KZ"), ("M2-A", "UZ"), ("M2-B", "TJ"),
    ("M3-A", "KG"), ("M3-B", "KZ"), ("M4-A", "TJ"), ("M4-B", "KG"),
)  # fmt: skip
"""Code and country; posts 2k and 2k + 1 face each other."""
PAIRS = len(POSTS) // 2
CAR, TRUCK = 0, 1
CLASSES = ("car", "truck")
GOODS, ORIGINS, LANES = 90, 12, 4
CROSSINGS_A_TRIP = 1.72
"""An entry, and its exit where that is recorded."""
_TRIPS_A_VEHICLE = 9.0
_TRUCKS = 0.5
_MIRRORED = 0.72


@dataclass(slots=True)
class Trips:
    """One value a trip, shape (n,), ordered by entry; -1 where there is no such party."""

    vehicle: Ints
    driver: Ints
    trailer: Ints
    carrier: Ints
    consignee: Ints
    consignor: Ints
    declarant: Ints
    goods: Ints
    origin: Ints
    pair: Ints
    way: Ints
    """0 from the first post of the pair to the second, 1 back."""
    exit_at: Ints
    entry_at: Ints
    is_truck: Bools
    is_mirrored: Bools
    """Whether the exit was recorded."""

    @property
    def line(self) -> Ints:
        """Number of the pair and the way, shape (n,)."""
        return self.pair * 2 + self.way


def draw_trips(config: Config) -> Trips:
    """Draw the trips of a network, in the order of their entries."""
    rng = config.rng("traffic")
    count = max(60, round(config.crossings / CROSSINGS_A_TRIP))
    vehicles = max(20, round(count / _TRIPS_A_VEHICLE))
    carriers = max(4, vehicles // 12)
    is_truck = rng.random(vehicles) < _TRUCKS
    carrier_of = np.where(is_truck, pick(_zipf(carriers), rng.random(vehicles)), -1)
    vehicle = pick(rng.gamma(0.6, 1.0, vehicles) + 0.02, rng.random(count))
    entry = _entry_times(rng, config, count)
    carrier = carrier_of[vehicle]
    transit = rng.lognormal(np.log(3.0), 0.45, count) * np.where(is_truck[vehicle], 1.0, 0.5)
    home = rng.integers(0, PAIRS, vehicles)
    pair = np.where(rng.random(count) < 0.9, home[vehicle], rng.integers(0, PAIRS, count))
    lane = _draw_lanes(rng, carriers, np.where(rng.random(count) < 0.72, carrier, -1))
    return Trips(
        vehicle=vehicle,
        driver=_swap(rng, vehicle, carrier_of, share=0.12),
        trailer=np.where(carrier >= 0, _swap(rng, vehicle, carrier_of, share=0.1), -1),
        carrier=carrier,
        **lane,
        pair=pair,
        way=_alternate(vehicle, rng.integers(0, 2, vehicles)),
        exit_at=entry - (transit * HOUR).astype(np.int64),
        entry_at=entry,
        is_truck=is_truck[vehicle],
        is_mirrored=rng.random(count) < _MIRRORED,
    )


def _zipf(count: int) -> Floats:
    return np.asarray(1.0 / (np.arange(count) + 3.0) ** 0.9, np.float64)


def _entry_times(rng: np.random.Generator, config: Config, count: int) -> Ints:
    """Draw times of entry, ascending: fewer at night, and a busy autumn."""
    season = 1.0 + 0.25 * np.sin(2 * np.pi * (np.arange(config.days) / 365.0 - 0.6))
    day = pick(season, rng.random(count))
    hour = pick(np.where(np.arange(24) < 6, 0.35, 1.0), rng.random(count)) + rng.random(count)
    return np.sort(config.first_midnight + day * DAY + (hour * HOUR).astype(np.int64))


def _alternate(vehicle: Ints, first: Ints) -> Ints:
    """Let each vehicle go there and back by turns."""
    order = np.argsort(vehicle, kind="stable")
    starts = np.searchsorted(vehicle[order], np.arange(len(first)))
    turn = np.empty(len(vehicle), np.int64)
    turn[order] = np.arange(len(vehicle)) - starts[vehicle[order]]
    return np.asarray((turn + first[vehicle]) % 2, np.int64)


def _swap(rng: np.random.Generator, vehicle: Ints, carrier_of: Ints, *, share: float) -> Ints:
    """Return each trip's driver or trailer: the vehicle's own, or another of the same carrier."""
    order = np.argsort(carrier_of, kind="stable")
    other = pick_within(
        np.ones(len(order)),
        carrier_of[order],
        group=carrier_of[vehicle],
        u=rng.random(len(vehicle)),
    )
    swapped = (carrier_of[vehicle] >= 0) & (rng.random(len(vehicle)) < share)
    return np.asarray(np.where(swapped, order[other], vehicle), np.int64)


def _draw_lanes(rng: np.random.Generator, carriers: int, carrier: Ints) -> dict[str, Ints]:
    """Draw one of each carrier's trade relations a trip; -1 everywhere where a vehicle is empty."""
    lanes = carriers * LANES
    traders = max(6, lanes // 3)
    table = {
        "consignee": pick(_zipf(traders), rng.random(lanes)),
        "consignor": pick(_zipf(traders), rng.random(lanes)),
        "declarant": pick(_zipf(max(5, traders // 8)), rng.random(lanes)),
        "goods": pick(_zipf(GOODS), rng.random(lanes)),
        "origin": pick(_zipf(ORIGINS), rng.random(lanes)),
    }
    lane = carrier * LANES + pick(np.array([0.5, 0.25, 0.15, 0.1]), rng.random(len(carrier)))
    return {
        name: np.where(carrier >= 0, values[np.maximum(lane, 0)], -1)
        for name, values in table.items()
    }


QUARTER = 91 * DAY
"""What is judged: the last days of a year, before which half of the groups are never caught."""
STRAYS, _STRAYS_WITHIN = 3, 120 * DAY
"""Loads of others that are found among the big importer's goods so long before the quarter."""
GroupKind = Literal["plates", "drivers", "importer", "newcomers", "fronts"]
KINDS: tuple[GroupKind, ...] = get_args(GroupKind)
CARRYING, NEVER_CAUGHT, LAWFUL = 8, 4, 6
"""Groups that carry, those of them that are never caught before the last quarter, and others."""
SHARE = 0.045
"""Of all trips, those of groups."""
_BORROWED, _AT_HOME = 1 / 8, 0.8
_BIGGEST = 5
"""Consignees that are one big importer."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Whose trip it is, shape (n,): the group's number, -1 for none.

    Groups below ``NEVER_CAUGHT`` carry and are not caught, those below ``CARRYING`` carry.
    """

    number: Ints


@dataclass(frozen=True, slots=True)
class _Members:
    """Draws the parties of one group's trips; each call gives new ones."""

    trips: Trips
    rows: Ints
    rng: np.random.Generator

    def add(self, party: str, which: Ints) -> Ints:
        """Give each trip one of the group's own parties, by its number among them; return it."""
        column = getattr(self.trips, party)
        column[self.rows] = int(column.max()) + 1 + which
        return which

    def draw(self, count: int) -> Ints:
        """Return a number below ``count`` for each trip."""
        return self.rng.integers(0, count, len(self.rows))

    def stage(self, days: float) -> Ints:
        """Return how many spans of so many days have gone by at each trip, from a start of its own.

        Assumes that trips are ordered by entry.
        """
        since = self.trips.entry_at[self.rows] - self.trips.entry_at[self.rows[0]]
        return np.asarray(since / (days * DAY) + self.rng.random(), np.float64).astype(np.int64)


def _plates(group: _Members) -> None:
    vehicle = group.add("vehicle", 3 * group.stage(45) + group.draw(3))
    firms = group.rng.permutation(int(group.trips.carrier.max()) + 1)
    group.trips.carrier[group.rows] = firms[vehicle % len(firms)]
    group.add("trailer", vehicle)
    group.add("driver", group.draw(4))
    group.add("consignee", group.draw(2))


def _drivers(group: _Members) -> None:
    vehicle = group.add("vehicle", group.draw(4))
    group.add("trailer", vehicle)
    group.add("carrier", np.zeros_like(vehicle))
    group.add("driver", 3 * group.stage(10) + group.draw(3))
    lane = group.trips.consignee[group.rows]
    own = group.add("consignee", group.draw(2))
    is_lane = group.rng.random(len(own)) < 0.6
    group.trips.consignee[group.rows[is_lane]] = lane[is_lane]


def _importer(group: _Members) -> None:
    vehicle = group.add("vehicle", group.draw(5))
    group.add("trailer", vehicle)
    group.add("carrier", np.zeros_like(vehicle))
    group.add("driver", (vehicle + (group.draw(5) == 0)) % 5)
    group.add("consignor", np.zeros_like(vehicle))
    group.trips.consignee[group.rows] = np.bincount(
        group.trips.consignee[group.trips.consignee >= 0]
    ).argmax()


def _newcomers(group: _Members) -> None:
    firm = group.stage(50)
    vehicle = group.add("vehicle", 2 * firm + group.draw(2))
    group.add("trailer", vehicle)
    for party in ("carrier", "consignee", "declarant"):
        group.add(party, firm)
    group.add("driver", group.draw(3))


def _fronts(group: _Members) -> None:
    front = group.draw(3)
    group.add("carrier", front)
    vehicle = group.add("vehicle", 2 * front + group.draw(2))
    group.add("driver", (vehicle + (group.draw(6) == 0)) % 6)
    group.add("consignee", group.draw(4))
    group.add("trailer", group.draw(2))


_FORMS: Mapping[GroupKind, Callable[[_Members], None]] = {
    "plates": _plates,
    "drivers": _drivers,
    "importer": _importer,
    "newcomers": _newcomers,
    "fronts": _fronts,
}


def form_groups(kind: GroupKind, trips: Trips, config: Config) -> Groups:
    """Give some laden trucks' trips to groups; parties and pairs of ``trips`` change."""
    rng = config.rng(f"groups by {kind}")
    laden = np.flatnonzero(trips.is_truck & (trips.consignee >= 0))
    biggest = np.argsort(-np.bincount(trips.consignee[laden]), kind="stable")[:_BIGGEST]
    trips.consignee[np.isin(trips.consignee, biggest)] = biggest[0]
    count = CARRYING + LAWFUL
    number = np.full(len(trips.vehicle), -1)
    taken = rng.permutation(laden)[: round(SHARE * len(number))]
    number[taken] = np.arange(len(taken)) % count
    for group in range(count):
        rows = np.flatnonzero(number == group)
        if len(rows):
            _FORMS[kind](_Members(trips, rows, rng))
            is_home = rng.random(len(rows)) < _AT_HOME
            trips.pair[rows[is_home]] = rng.integers(0, PAIRS)
    _borrow("trailer" if kind == "fronts" else "driver", trips, number, rng=rng)
    return Groups(number)


def draw_strays(trips: Trips, config: Config) -> Ints:
    """Return the trips, shape (n,), in which a load of others is found with the big importer."""
    rng = config.rng("strays")
    importer = np.bincount(trips.consignee[trips.consignee >= 0]).argmax()
    before = config.end - QUARTER - trips.entry_at
    late = (trips.consignee == importer) & (before > 7 * DAY) & (before < _STRAYS_WITHIN)
    return np.sort(rng.permutation(np.flatnonzero(late))[:STRAYS])


def _borrow(party: str, trips: Trips, number: Ints, *, rng: np.random.Generator) -> None:
    """Let groups have a driver or trailer of another in one trip of eight.

    Who is never caught has one of who may be; a lawful group that of another lawful one.
    """
    column = getattr(trips, party)
    before = column.copy()
    pairs = [(group, NEVER_CAUGHT + group) for group in range(NEVER_CAUGHT)]
    pairs += [
        (group, CARRYING + (group + 1) % LAWFUL) for group in range(CARRYING, CARRYING + LAWFUL)
    ]
    for group, other in pairs:
        rows, theirs = np.flatnonzero(number == group), np.flatnonzero(number == other)
        taken = rows[rng.random(len(rows)) < _BORROWED]
        if len(theirs):
            column[taken] = before[rng.choice(theirs, len(taken))]


Mechanism = Literal[GroupKind, "latent", "rings", "signs", "repeat", "circles"]
CIRCLE = 14
"""Cars, and as many drivers, of a circle."""
_CERTAIN = 30.0
"""Log-odds."""

LOAD_SIGNS = ("late", "seals", "driver", "trailer", "heavy", "night", "ahead")
PAPER_SIGNS = ("value", "mass", "dispatch")


@dataclass(frozen=True, slots=True)
class HiddenRisks:
    """What decides, before anything is seen: log-odds up to a constant, shape (n,) each."""

    load: Floats
    papers: Floats
    load_signs: float
    """Log-odds by which each sign of the journey is likelier with a load than without."""
    paper_signs: float
    leads: float
    """The same of a car that drives ahead; 0 where there are no such cars."""
    rests_days: float = 0.0
    """How long a driver or consignee rests after a find."""
    loads: float = 0.008
    """Mean chance of an entry to carry."""
    group: Ints | None = None
    """Number of the group whose trip it is, -1 for none; None where there are no groups."""
    is_spared: Bools | None = None
    """Trips of which a search that would find the load is not made."""
    is_reported: Bools | None = None
    """Trips whose load officers get a report of, so that they find it."""


def draw_risks(mechanism: Mechanism, trips: Trips, config: Config) -> HiddenRisks:
    """Draw the hidden risks of all trips by one mechanism; in *circles* drivers change cars."""
    return _MECHANISMS[mechanism](trips, config, config.rng(f"risks of {mechanism}"))


def _effects(rng: np.random.Generator, party: Ints, spread: float) -> Floats:
    """Draw a normal effect for each party; 0 where a trip has none."""
    effect = rng.normal(0.0, spread, int(party.max(initial=0)) + 1)
    return np.asarray(np.where(party >= 0, effect[np.maximum(party, 0)], 0.0), np.float64)


def _season(trips: Trips, phase: Floats) -> Floats:
    """Return a wave of a year, shape (n,), whose phase (in years) goods decide."""
    year = trips.entry_at / (365.0 * DAY)
    return np.asarray(np.sin(2 * np.pi * (year + phase[trips.goods])), np.float64)


def _latent(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    kinds = trips.goods * 64 + trips.origin
    load = _effects(rng, trips.vehicle, 0.8) + _effects(rng, trips.driver, 0.9)
    load += _effects(rng, trips.carrier, 1.0) + _effects(rng, trips.consignee, 0.8)
    load += _effects(rng, trips.goods, 0.5) + _effects(rng, trips.line, 0.6)
    papers = _effects(rng, trips.consignee, 1.0) + _effects(rng, trips.declarant, 0.8)
    papers += _effects(rng, trips.carrier, 0.5)
    papers += _effects(rng, np.where(trips.goods >= 0, kinds, -1), 0.8)
    wave = _season(trips, rng.random(int(trips.goods.max()) + 2))
    return HiddenRisks(load + 0.6 * wave, papers + 0.6 * wave, 0.7, 0.9, 0.0)


def _rings(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    count = max(3, len(trips.vehicle) // 2_500)
    begins = config.first_midnight + rng.uniform(-0.3, 0.95, count) * config.days * DAY
    ends = begins + rng.exponential(170.0, count) * DAY
    parties = trips.vehicle, trips.driver, trips.consignee
    members = [_draw_members(rng, party, count) for party in parties]
    same = np.stack(members)  # each kind of party's ring, -1 for none
    ring = same.max(axis=0)
    together = ((same == ring) & (ring >= 0)).sum(axis=0)
    active = (ring >= 0) & (trips.entry_at >= begins[ring]) & (trips.entry_at < ends[ring])
    week = (trips.entry_at - config.first_midnight) // (14 * DAY)
    campaign = rng.random((count, int(week.max()) + 1)) < 0.35
    load = np.array([0.0, 3.0, 5.0, 6.0])[np.minimum(together, 3)] * active
    load += np.where(active, np.where(campaign[ring, week], 1.2, -0.8), 0.0)
    load += _effects(rng, trips.line, 0.4)
    frauds = _draw_members(rng, trips.consignee, 4 * count) >= 0
    helped = _draw_members(rng, trips.declarant, max(2, count // 2)) >= 0
    starts = rng.uniform(-0.5, 0.9, int(trips.consignee.max()) + 2) * config.days * DAY
    is_begun = trips.entry_at > config.first_midnight + starts[trips.consignee]
    papers = 2.4 * (frauds & is_begun) + 1.0 * helped + 0.8 * active
    return HiddenRisks(load, papers + _effects(rng, trips.goods, 0.5), 1.2, 1.2, 3.5)


def _draw_members(rng: np.random.Generator, party: Ints, rings: int) -> Ints:
    """Put four parties of a kind into each ring; return each trip's ring, -1 for none."""
    total = int(party.max(initial=0)) + 1
    ring_of = np.full(total, -1)
    drawn = rng.permutation(np.unique(party[party >= 0]))[: LANES * rings]
    ring_of[drawn] = np.arange(len(drawn)) % rings
    return np.where(party >= 0, ring_of[np.maximum(party, 0)], -1)


def _signs(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    load = _effects(rng, trips.line, 0.5) + 0.4 * trips.is_truck + _effects(rng, trips.driver, 0.3)
    papers = _effects(rng, trips.goods, 0.6) + _effects(rng, trips.consignee, 0.5)
    return HiddenRisks(load, papers, 2.0, 2.2, 1.5)


def _repeat(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    driver = rng.random(int(trips.driver.max()) + 1) < 0.03
    trader = rng.random(int(trips.consignee.max()) + 2) < 0.1
    month = (trips.entry_at // DAY // 30) % 12
    harvest = np.isin(month, (7, 8, 9))
    load = 3.6 * driver[trips.driver] + 0.8 * harvest + _effects(rng, trips.line, 0.5)
    has_trader: Bools = trips.consignee >= 0
    papers = 2.4 * (trader[trips.consignee] & has_trader) + _effects(rng, trips.goods, 0.6)
    return HiddenRisks(load, papers + 0.5 * harvest, 0.9, 1.0, 2.5, rests_days=14.0)


def _circles(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    cars = rng.permutation(np.unique(trips.vehicle[~trips.is_truck]))
    count = len(cars) // 2 // CIRCLE
    circle_of = np.full(int(trips.vehicle.max()) + 1, -1)
    members = cars[: count * CIRCLE].reshape(count, CIRCLE)
    circle_of[members] = np.arange(count)[:, None]
    circle = circle_of[trips.vehicle]
    changed = np.flatnonzero((circle >= 0) & (rng.random(len(circle)) < 0.6))
    # Drivers have the numbers of their own cars.
    trips.driver[changed] = members[circle[changed], rng.integers(0, CIRCLE, len(changed))]
    carries = (circle >= 0) & (circle % 5 == 0)
    papers = _effects(rng, trips.consignee, 1.0) + _effects(rng, trips.goods, 0.5)
    return HiddenRisks(4.0 * carries, papers, 0.7, 0.9, 0.0, loads=0.02)


def _groups(
    trips: Trips, config: Config, rng: np.random.Generator, *, kind: GroupKind
) -> HiddenRisks:
    number = form_groups(kind, trips, config).number
    carries = (number >= 0) & (number < CARRYING)
    month = (trips.entry_at - config.first_midnight) // (28 * DAY)
    campaign = rng.random((CARRYING, int(month.max()) + 1)) < 0.6
    load = _effects(rng, trips.line, 0.4) + _effects(rng, trips.driver, 0.5) * ~carries
    load += np.where(carries, 4.2 + np.where(campaign[number * carries, month], 0.5, -0.7), 0.0)
    papers = _effects(rng, trips.consignee, 0.8) + _effects(rng, trips.goods, 0.5)
    is_reported = np.zeros(len(number), np.bool_)
    if kind != "importer":
        is_reported[draw_strays(trips, config)] = True
        load += np.where(is_reported, _CERTAIN, 0.0)
    never = (number >= 0) & (number < NEVER_CAUGHT)
    leads = 3.5 if kind == "fronts" else 0.0
    return HiddenRisks(
        load,
        papers,
        0.5,
        1.0,
        leads,
        loads=0.02,
        group=number,
        is_spared=never & (trips.entry_at < config.end - QUARTER),
        is_reported=is_reported,
    )


_MECHANISMS: Mapping[Mechanism, Callable[[Trips, Config, np.random.Generator], HiddenRisks]] = {
    "latent": _latent,
    "rings": _rings,
    "signs": _signs,
    "repeat": _repeat,
    "circles": _circles,
    **{kind: partial(_groups, kind=kind) for kind in KINDS},
}
