"""Concealment of a load: the places its journey allows, and the habits of its circle.

Who can get at the cargo of a full vehicle may hide among the goods, an empty one hides in itself.
What is large does not fit a spare wheel, what is solid cannot be told from goods of its own kind
alone, and only who keeps a workshop builds floors. A circle has its ways in an order of its own,
the same in all its vehicles: it takes the first that the journey allows, and gives up one that was
found now and then. Shares and rooms are assumed, see docs/synthetic.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.world.goods import LINES
from experiments.synthetic.world.network import TRUCK, VAN, WAGON

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


def order(rng: np.random.Generator, circles: int) -> Ints:
    """Draw in which order each circle prefers its ways, shape (circles, ways): places, 0 first."""
    taste = np.log(_WEIGHT) + rng.gumbel(size=(circles, len(WAYS)))
    return np.asarray(np.argsort(np.argsort(-taste, axis=1), axis=1), dtype=np.int64)


def draw_allowed(rng: np.random.Generator, journey: Journey) -> Bools:
    """Draw which ways each journey allows, shape (loads, ways); at least one."""
    kind, n = journey.vehicle_class, len(journey.kg)
    share = np.where(journey.seal_changed, REACHED_SEAL_CHANGED, REACHED_SEAL_INTACT)
    share = np.where(journey.seal_seen, share, REACHED)
    goods = journey.laden & np.isin(kind, (VAN, TRUCK, WAGON)) & (rng.random(n) < share)
    has = _HAS[kind] & (~_IN_GOODS | (goods[:, None] & _WORKS[journey.family]))
    built = (kind == TRUCK) & journey.swapped & (rng.random(n) < OWN_TRAILER)
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
