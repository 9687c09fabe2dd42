"""Smuggling circles, which are added to a lawful world, and the ways in which loads are hidden.

A circle controls fronts (small carriers with vehicles and drivers of their own), a few key drivers
whom all its fronts share, and consignees for its cover loads. One front works at a time; after a
seizure the circle goes quiet, then comes back, often with another front on another road and
another way of hiding. A front is a carrier like others: vehicles of several classes, on two roads,
with lawful trips between its runs. Some fronts trade before their circle uses them.

A journey allows some ways of hiding. A load among the goods needs a full vehicle whose cargo can be
reached; an empty vehicle hides a load in itself. A large load does not fit a spare wheel, a solid
one is told from goods that are not of its own kind, and only a carrier with a workshop builds a
floor. A circle has one order of preference in all its vehicles: it takes the first way that the
journey allows, and at times gives up a way that was found. Shares, rooms and preferences are
assumed, see docs/synthetic.md.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.domain.records import PLACES
from experiments.synthetic import fleet, trade
from experiments.synthetic.fleet import BODY_HAS
from experiments.synthetic.posts import (
    BUS,
    CAR,
    PAIRS,
    TRUCK,
    VAN,
    WAGON,
    Bools,
    Config,
    Floats,
    Ints,
    countries_of,
    join,
    pick,
    take,
)
from experiments.synthetic.trade import LINES

KEEPS = 0.9
"""Runs that hide in the first of their circle's ways that the journey allows."""
MOVES = 0.25
"""Finds after which a circle gives the way up that was found."""
UNBUILT = 0.05
"""Weight of a way that needs a workshop for a carrier without one."""
REACHED, REACHED_SEAL_CHANGED, REACHED_SEAL_INTACT = 0.85, 0.95, 0.6
"""Laden goods vehicles whose cargo can be got at: seal not known, changed, intact."""
SPLIT = 12.0
"""How many times the room of a place a load may be and still be cut down to fit."""
OWN_TRAILER = 0.4
"""Loads in the trailer itself where another trailer came than left."""


@dataclass(frozen=True, slots=True)
class ConcealmentMethod:
    """One way of hiding."""

    code: str
    place: str
    classes: str
    """First letters of the vehicle classes that have it."""
    weight: float
    """Thirteen public cases as a prior, each kind spread over the places that it may mean."""
    room_kg: float
    """In a truck."""
    is_built: bool = False
    """Whether it takes a workshop."""
    cover: str = ""
    """First letters of the families of goods it works with; empty outside the cargo."""


WAYS = (
    ConcealmentMethod("among_goods", "cargo.among", "TVW", 1.8, 800, cover="BSPC"),
    ConcealmentMethod("inside_goods", "cargo.inside", "TW", 1.0, 300, cover="SC"),
    ConcealmentMethod("disguised", "cargo.disguised", "TW", 1.2, 800, cover="BP"),
    ConcealmentMethod("packaging", "cargo.packaging", "TV", 0.8, 80, cover="PC"),
    ConcealmentMethod("double_floor", "trailer.floor", "T", 1.0, 250, is_built=True),
    ConcealmentMethod("false_wall", "trailer.front_wall", "T", 0.8, 400, is_built=True),
    ConcealmentMethod("side_cavity", "trailer.sides", "T", 0.7, 200, is_built=True),
    ConcealmentMethod("trailer_roof", "trailer.roof", "T", 0.5, 120, is_built=True),
    ConcealmentMethod("door_leaf", "trailer.doors", "T", 0.5, 40),
    ConcealmentMethod("refrigeration_unit", "trailer.refrigeration", "T", 0.5, 60),
    ConcealmentMethod("magnet", "chassis.underbody", "TVBCW", 1.4, 10),
    ConcealmentMethod("frame_cavity", "chassis.frame", "TVWC", 0.7, 60),
    ConcealmentMethod("spare_wheel", "chassis.spare_wheel", "TVC", 0.7, 35),
    ConcealmentMethod("tyre", "chassis.tyre", "TVC", 0.6, 40),
    ConcealmentMethod("air_tank", "chassis.air_tank", "TB", 0.5, 25),
    ConcealmentMethod("axle", "chassis.axle", "TW", 0.4, 25),
    ConcealmentMethod("false_tank", "fuel.false_tank", "TB", 0.6, 150, is_built=True),
    ConcealmentMethod("fuel_tank", "fuel.tank", "TVCB", 0.8, 90),
    ConcealmentMethod("cab_cavity", "cab.roof", "TVB", 0.6, 30),
    ConcealmentMethod("bunk", "cab.bunk", "T", 0.4, 40),
    ConcealmentMethod("dashboard", "cab.dash", "CVB", 0.7, 8),
    ConcealmentMethod("seat", "cab.seat", "CBV", 0.7, 20),
    ConcealmentMethod("luggage", "cab.bags", "CBV", 1.0, 40),
    ConcealmentMethod("engine_bay", "engine.bay", "CVB", 0.5, 8),
    ConcealmentMethod("body", "person", "BC", 0.6, 2),
)
BULK, SOLID, POWDER, CARTONS = range(4)
"""Families of goods: sacks and heaps; solid things; powders and liquids; what comes packed."""
HIDING_PLACE = np.array([PLACES.index(way.place) for way in WAYS])

_HAS = np.array([[letter in way.classes for way in WAYS] for letter in "CVBTW"])
_WORKS = np.array([[letter in way.cover for way in WAYS] for letter in "BSPC"])
_WEIGHT = np.array([way.weight for way in WAYS])
_IN_GOODS = np.array([bool(way.cover) for way in WAYS])
_IS_BUILT = np.array([way.is_built for way in WAYS])
_IN_TRAILER = np.array([way.place.startswith("trailer.") for way in WAYS])
_SCALED = np.array([way.place.startswith(("fuel.", "chassis.")) for way in WAYS])
_SCALE = np.array([0.5, 0.7, 1.0, 1.0, 1.0])  # tanks, wheels and frames of a car and a van
_ROOM = np.array([way.room_kg for way in WAYS], np.float64) * np.where(
    _SCALED, _SCALE[:, None], 1.0
)


def _family(hs6: str) -> int:
    """Return what goods are like to hide in, by their HS chapter."""
    chapter = int(hs6[:2])
    if chapter <= 15:
        return BULK
    if chapter <= 24 or 41 <= chapter <= 67:
        return CARTONS
    return POWDER if chapter <= 39 else SOLID


FAMILY = np.array([_family(line.hs6) for line in LINES])


@dataclass(frozen=True, slots=True)
class Journey:
    """What bears on where a load is hidden; one entry a load."""

    vehicle_class: Ints
    body: Ints
    family: Ints
    """Of the goods; means something where there are any."""
    laden: Bools
    seal_seen: Bools
    """Whether both posts saw a seal."""
    seal_changed: Bools
    swapped: Bools
    """Whether another trailer came than left."""
    kg: Floats
    has_workshop: Bools


def draw_way_order(rng: np.random.Generator, circles: int) -> Ints:
    """Draw in which order each circle prefers its ways, shape (circles, ways): places, 0 first."""
    taste = np.log(_WEIGHT) + rng.gumbel(size=(circles, len(WAYS)))
    return np.asarray(np.argsort(np.argsort(-taste, axis=1), axis=1), dtype=np.int64)


def draw_allowed(rng: np.random.Generator, journey: Journey) -> Bools:
    """Draw which ways each journey allows, shape (loads, ways); at least one."""
    kind, n = journey.vehicle_class, len(journey.kg)
    share = np.where(journey.seal_changed, REACHED_SEAL_CHANGED, REACHED_SEAL_INTACT)
    share = np.where(journey.seal_seen, share, REACHED)
    goods = journey.laden & np.isin(kind, (VAN, TRUCK, WAGON)) & (rng.random(n) < share)
    has = _HAS[kind] & BODY_HAS[journey.body][:, HIDING_PLACE]
    has &= ~_IN_GOODS | (goods[:, None] & _WORKS[journey.family])
    built = (kind == TRUCK) & journey.swapped & (rng.random(n) < OWN_TRAILER)
    built &= (has & _IN_TRAILER).any(axis=1)
    has &= _IN_TRAILER | ~built[:, None]
    fits = has & (journey.kg[:, None] <= SPLIT * _ROOM[kind])
    roomiest = np.where(has, _ROOM[kind], 0.0)
    roomiest = roomiest == roomiest.max(axis=1, keepdims=True)
    return np.asarray(np.where(fits.any(axis=1, keepdims=True), fits, has & roomiest))


def draw_method(rng: np.random.Generator, journey: Journey, may: Bools) -> Ints:
    """Draw one of the ways allowed, shape (n,), where none is preferred."""
    worth = np.minimum(1.0, 25.0 * journey.kg[:, None] / _ROOM[journey.vehicle_class])
    # A false floor is not built for a pouch.
    built = np.where(journey.has_workshop[:, None], worth, UNBUILT)
    total = np.cumsum(may * _WEIGHT * np.where(_IS_BUILT, built, 1.0), axis=1)
    u = rng.random(len(total)) * total[:, -1]
    return np.asarray((total <= u[:, None]).sum(axis=1), dtype=np.int64)


def rank_methods(places: Ints, may: Bools, *, first: Ints) -> NDArray[np.int8]:
    """Return the ways allowed in each circle's order, shape (n, ways), -1 after the last.

    ``first`` goes before all; it is -1 where the circle keeps to its order.
    """
    n = np.arange(len(places))
    place = np.where(may, places, len(WAYS) + places)
    other = first >= 0
    place[n[other], first[other]] = -1
    ways = np.argsort(place, axis=1)
    counts = may.sum(axis=1)
    return np.where(np.arange(len(WAYS)) < counts[:, None], ways, -1).astype(np.int8)


def fit_quantity(kg: Floats, vehicle_class: Ints, way: Ints) -> Floats:
    """Return how much of each load travels, shape (n,): what its place holds."""
    return np.asarray(np.minimum(kg, _ROOM[vehicle_class, way]))


FRONTS = 3
KEY_DRIVERS = 5
COVER_LANES = 3
ROADS = 2
"""Roads that a front works on, each with its own cover lanes."""
LOADS_A_YEAR = 75.0
CIRCLE_LOADS = 0.0078
"""Circle loads as a share of entries: far above life, so that 100,000 teach."""

LawfulWorld = tuple[fleet.Vehicles, fleet.Carriers, trade.Lanes]
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


def draw_substances(rng: np.random.Generator, count: int) -> Ints:
    """Draw substances, shape (count,)."""
    return pick(np.array([weight for _, _, weight in SUBSTANCES]), rng.random(count))


def add_circles(config: Config, entries: float, world: LawfulWorld) -> tuple[Circles, LawfulWorld]:
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
        substance=draw_substances(rng, fronts),
        quantity_g=rng.lognormal(np.log(14_000), 1.0, fronts),
        established=(rng.random(fronts) < 0.25).astype(np.int64),
        vehicle_front=np.append(lawful, front),
        vehicle_road=np.append(lawful, roads[route]),
        vehicle_lane=np.append(lawful, len(lanes.group) + COVER_LANES * route),
        way_order=draw_way_order(rng, count),
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


def _cover_lanes(rng: np.random.Generator, lanes: trade.Lanes, roads: Ints) -> trade.Lanes:
    """Give each road of a front lanes to the circle's consignees, with goods that hide a load."""
    road = np.repeat(roads, COVER_LANES)
    n = len(road)
    circle = np.arange(n) // (COVER_LANES * ROADS * FRONTS)
    like = rng.integers(0, len(lanes.group), n)
    base = take(lanes, like)
    ends = _ends(road)
    own = int(lanes.consignee.max()) + 1 + 2 * circle + rng.integers(0, 2, n)
    hired = rng.random(n) < 0.25  # a lawful consignee's name is borrowed
    line = np.concatenate([trade.draw_cover_lines(rng, int(r), COVER_LANES) for r in roads])
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
