"""How likely searching each place of a vehicle finds something, as far as earlier searches tell.

How often searches of a place find something follows from all vehicles, then from those of its
class, then from those as laden or as empty. Vehicles with the same body, with goods of the same
group, and on the same way through the same post correct that as far as their searches say more:
each the mean of a Gamma posterior. What the goods are like and what the opposite post recorded
otherwise raise places by judgement. A place that was never searched keeps the stated prior: not
searched is no evidence of absence. The prior ranks the places named in thirteen published finds of
the region (among or disguised as goods 4, structural cavity or double floor 3 to 4, outside or
under the vehicle 2, fuel tank 1, luggage 1), spread over the vehicle classes by judgement and
turned into rates of a stated size, so that searches can outvote it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, Self

from engine.domain.goods import is_controlled
from engine.domain.records import PLACES, Arrival, BodyType, GoodsItem, VehicleClass

_LIQUIDS = (
    "15", "2009", "22", "2707", "2709", "2710", "2711", "2806", "2807", "2902", "2905", "2909",
    "2914", "2915", "3814", "3826",
)  # fmt: skip
_POWDERS = ("09", "10", "11", "12", "17", "25", "28", "29", "31", "32", "34", "38", "39")
_SOLIDS = ("27", "40", "44", "68", "69", "70", "72", "73", "74", "76", "84", "85", "87")
_SECTIONS: tuple[tuple[int, str], ...] = (
    (14, "produce"), (24, "food"), (27, "mineral"), (38, "chemical"), (40, "plastic"),
    (49, "wood"), (67, "textile"), (71, "stone"), (83, "metal"), (85, "machine"),
    (89, "vehicle"), (99, "other"),
)  # fmt: skip
Form = Literal["liquid", "powder", "solid", "produce", "packed"]


def goods_group(chapter: int) -> str:
    """Return the group of goods under which searches are counted, of an HS chapter.

    >>> goods_group(7), goods_group(29), goods_group(87)
    ('produce', 'chemical', 'vehicle')
    """
    return next((name for last, name in _SECTIONS if chapter <= last), "other")


def items_of(arrival: Arrival) -> Sequence[GoodsItem]:
    """Return the goods items that are declared."""
    return arrival.declaration.items if arrival.declaration else ()


def main_item(arrival: Arrival) -> GoodsItem | None:
    """Return the most valuable goods item, of equals the heaviest; None without a declaration."""
    return max(
        items_of(arrival),
        key=lambda one: (one.customs_value_usd or 0.0, one.net_mass_kg or 0.0, -one.item_no),
        default=None,
    )


def form_of(hs_code: str) -> Form:
    """Return what goods are like to hide in.

    >>> form_of("291521"), form_of("070190"), form_of("8703")
    ('liquid', 'produce', 'solid')
    """
    if hs_code.startswith(_LIQUIDS):
        return "liquid"
    if hs_code.startswith(_POWDERS):
        return "powder"
    if hs_code.startswith(_SOLIDS):
        return "solid"
    return "produce" if hs_code[:2] <= "08" else "packed"


Precaution = Literal["chemicals", "dangerous_goods"]


def precautions(arrival: Arrival) -> tuple[Precaution, ...]:
    """Return what officers protect themselves from, by the goods that are declared."""
    items = items_of(arrival)
    found: list[Precaution] = []
    if any(item.un_number for item in items):
        found.append("dangerous_goods")
    if any(item.hs_code.startswith(("28", "29")) for item in items):
        found.append("chemicals")
    return tuple(found)


def declares_precursor(arrival: Arrival) -> bool:
    """Tell whether a precursor is among the goods, by their HS codes."""
    return any(is_controlled(item.hs_code) for item in items_of(arrival))


Sign = Literal["came_laden", "heavier", "lighter", "trailer_differs", "seals_differ", "same_seals"]
OF_OPPOSITE = (
    "mirror_was_empty", "mirror_mass_gap", "mirror_trailer_differs", "mirror_seals_differ",
)  # fmt: skip
"""Features that signs are made of: what the opposite post's record of the vehicle says."""


def find_signs(
    arrival: Arrival, features: Mapping[str, float], *, load_kg: float, mass_kg: float
) -> tuple[Sign, ...]:
    """Return what the opposite post recorded otherwise, the gravest first.

    The masses of both posts differ if the scales of the two cannot: by more than ``mass_kg``. A
    vehicle that left empty came laden unless they say that it gained ``load_kg`` at most.
    """
    seen = {name: features.get(name, math.nan) for name in OF_OPPOSITE}
    gap = seen["mirror_mass_gap"]
    came_laden = seen["mirror_was_empty"] == 1.0 and arrival.crossing.is_empty is False
    found: dict[Sign, bool] = {
        "came_laden": came_laden and not gap <= load_kg,
        "heavier": gap > mass_kg,
        "lighter": gap < -mass_kg,
        "trailer_differs": seen["mirror_trailer_differs"] == 1.0,
        "seals_differ": seen["mirror_seals_differ"] == 1.0,
        "same_seals": seen["mirror_seals_differ"] == 0.0 and bool(arrival.crossing.seal_numbers),
    }
    return tuple(sign for sign, is_there in found.items() if is_there)


LIKELIEST = 0.002
"""Finds per search of the likeliest place of a class: one in 500, by judgement."""

USUAL_PLACES: Mapping[VehicleClass, tuple[str, ...]] = MappingProxyType(
    {
        "truck": (
            "cargo.among",
            "trailer.floor",
            "chassis.underbody",
            "fuel.tank",
            "trailer.front_wall",
            "cargo.disguised",
            "chassis.spare_wheel",
            "cab.bunk",
        ),
        "van": ("cargo.among", "cab.bags", "trailer.sides", "chassis.underbody", "cab.dash"),
        "bus": ("cab.bags", "cab.roof", "cab.seat", "chassis.underbody", "fuel.tank"),
        "car": (
            "cab.bags",
            "cab.dash",
            "chassis.spare_wheel",
            "cab.seat",
            "fuel.tank",
            "engine.bay",
        ),
        "rail_wagon": (
            "cargo.among",
            "chassis.frame",
            "cargo.disguised",
            "trailer.floor",
            "cargo.packaging",
        ),
        "other": (
            "cargo.among",
            "chassis.underbody",
            "cargo.packaging",
            "cab.bags",
            "chassis.frame",
            "trailer.floor",
        ),
    }
)
"""The checklist of each class, likeliest first; every other place that it has comes after these."""

_LACKS: Mapping[VehicleClass, tuple[str, ...]] = MappingProxyType(
    {
        "truck": (),
        "van": ("cab.bunk", "trailer.refrigeration"),
        "bus": ("cargo.", "trailer.", "cab.bunk"),
        "car": ("cargo.", "trailer.", "cab.bunk", "chassis.air_tank"),
        "rail_wagon": ("cab.", "engine.", "fuel.", "chassis.spare_wheel", "chassis.tyre", "person"),
        "other": (),
    }
)
"""Places, or whole groups with a dot, that no vehicle of a class has: searched only after a find.

A van's load space counts as its trailer.
"""

_NO_WALLS = ("trailer.refrigeration", "trailer.roof", "trailer.doors", "trailer.sides")
LACKED_BY_BODY: Mapping[BodyType, tuple[str, ...]] = MappingProxyType(
    {
        "tilt": ("trailer.refrigeration", "trailer.roof", "trailer.sides"),
        "box": ("trailer.refrigeration",),
        "reefer": (),
        "tank": ("trailer.", "cargo.among", "cargo.packaging"),
        "container": ("trailer.refrigeration",),
        "flat": _NO_WALLS,
        "car_carrier": (*_NO_WALLS, "trailer.front_wall", "cargo.packaging"),
        "timber": _NO_WALLS,
        "livestock": (
            "trailer.refrigeration", "cargo.packaging", "cargo.inside", "cargo.disguised"
        ),
        "bus": (),
        "van": (),
        "car": (),
        "other": (),
    }
)  # fmt: skip
"""Places that no vehicle with a body has, or whole groups with a dot; its class lacks more."""

BODY_FITS: Mapping[BodyType, Mapping[str, float]] = MappingProxyType(
    {
        "tilt": {"trailer.floor": 1.5, "trailer.front_wall": 0.7},
        "box": {"trailer.doors": 2.0, "trailer.sides": 1.5, "trailer.front_wall": 1.5},
        "reefer": {"trailer.refrigeration": 5.0, "trailer.sides": 1.5, "trailer.front_wall": 1.5},
        "tank": {"cargo.inside": 2.0, "chassis.frame": 2.0},
        "container": {"trailer.doors": 3.0, "trailer.front_wall": 2.0},
        "flat": {"chassis.frame": 2.5, "cargo.inside": 2.0},
        "car_carrier": {"cargo.inside": 4.0, "chassis.frame": 2.0},
        "timber": {"cargo.inside": 4.0, "chassis.frame": 2.0},
        "livestock": {"trailer.floor": 2.0},
    }
)
"""How many times likelier than in other vehicles of its class a body hides a load, by judgement."""
FITS: Mapping[Form, Mapping[str, float]] = MappingProxyType(
    {
        "liquid": {"cargo.among": 0.5, "cargo.inside": 4.0, "cargo.disguised": 3.0},
        "powder": {"cargo.inside": 0.3, "cargo.packaging": 1.5, "cargo.disguised": 2.0},
        "solid": {"cargo.inside": 2.0, "cargo.packaging": 0.5, "cargo.disguised": 0.5},
        "produce": {"cargo.among": 1.5, "cargo.inside": 0.5, "cargo.disguised": 1.5},
        "packed": {"cargo.packaging": 1.5, "cargo.disguised": 0.5},
    }
)
"""How much better or worse than other goods each form hides a load, by judgement."""
RAISED: Mapping[Sign, Mapping[str, float]] = MappingProxyType(
    {
        "came_laden": {"cargo.": 4.0},
        "heavier": {"cargo.": 2.0, "trailer.": 1.5},
        "lighter": {},
        "trailer_differs": {"trailer.": 3.0},
        "seals_differ": {"cargo.": 1.5, "trailer.doors": 2.0},
        "same_seals": {"cargo.": 0.7},
    }
)
"""How many times likelier a sign makes places, or groups with a dot, by judgement."""
PRECURSOR = 6.0
"""How many times likelier a declared precursor, or what is used beside one, is not what it says."""


def group(place: str) -> str:
    """Return the group of a place code."""
    return place.partition(".")[0]


def _prior(vehicle_class: VehicleClass) -> Mapping[str, float]:
    """Turn an order into rates: the k-th place gets 2/(k + 1) of the first, the rest alike less."""
    first = USUAL_PLACES[vehicle_class]
    last = LIKELIEST * 2 / (len(first) + 2)
    ranked = {place: LIKELIEST * 2 / (at + 2) for at, place in enumerate(first)}
    lacked = _LACKS[vehicle_class]
    others = {place: last for place in PLACES if not place.startswith(lacked)}
    return MappingProxyType(others | ranked)


PRIOR: Mapping[VehicleClass, Mapping[str, float]] = MappingProxyType(
    {vehicle_class: _prior(vehicle_class) for vehicle_class in USUAL_PLACES}
)
"""Finds per search of each place that a class has, likeliest by ``USUAL_PLACES``."""

PLACES_VERSION = "steps-1"
"""Changes whenever the prior, what is made of counts or the steps change; kept with every order."""
PRIOR_FINDS = 3.0
"""Finds that broader knowledge counts as, against those in vehicles more alike."""
NOTABLE = 1.25
"""How many times likelier than in such lorries a place is that an order says was moved up."""

ALL, CLASS, LOAD = "all", "class", "load"
BODY, GOODS, CORRIDOR = "body", "goods", "corridor"
SCOPES = (ALL, CLASS, LOAD, BODY, GOODS, CORRIDOR)
"""All vehicles, those of its class, those as laden too; of its class those with such a body, with
goods of such a group, and on the same way through the same post."""

Counts = Mapping[str, tuple[int, int]]
"""By place code: in how many vehicles it was searched, and in how many something was found there.

A group's name with ``.*`` stands for any place of the group."""
NO_COUNT = (0, 0)


@dataclass(frozen=True, slots=True)
class SearchCounts:
    """What earlier searches and the opposite post say about one vehicle; a record has it whole."""

    counts: Mapping[str, Counts]
    version: str = PLACES_VERSION
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work at the post, by code; what is not named is not known."""
    signs: tuple[Sign, ...] = ()

    def find_counts(self, scope: str) -> Counts:
        """Return the counts of one scope, none where nothing was ever searched."""
        return self.counts.get(scope, {})

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        found = {
            scope: {place: list(pair) for place, pair in sorted(places.items())}
            for scope, places in self.counts.items()
            if places
        }
        return {
            "version": self.version,
            "counts": found,
            "equipment": dict(self.equipment),
            "signs": list(self.signs),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` gave."""
        counts = {
            scope: {place: (searched, found) for place, (searched, found) in places.items()}
            for scope, places in said["counts"].items()
        }
        return cls(counts, said["version"], said["equipment"], tuple(said["signs"]))


def any_of(place: str) -> str:
    """Return the code under which a place's whole group is counted."""
    return f"{group(place)}.*"


def count_places(places: Iterable[str]) -> set[str]:
    """Return what the places of one vehicle are counted as: each for itself and for its group."""
    return {*places, *map(any_of, places)}


Why = Literal[
    "usual", "body", "goods", "corridor", "came_laden", "heavier", "lighter", "trailer_differs",
    "seals_differ", "tir", "transit", "precursor",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RatedPlace:
    """How likely searching a place finds something."""

    chance: float
    """Up to a factor that all places share."""
    usual: float
    """The same in vehicles of its class, as laden or as empty."""
    why: Why = "usual"
    """What raises it most, where it is notably raised."""


def rate_places(arrival: Arrival, searches: SearchCounts) -> Mapping[str, RatedPlace]:
    """Return how likely searching each place finds something, as far as it is known.

    A find raises the place it was made in and the places of its group, a search that found nothing
    lowers them. An empty conveyance has no cargo, a body no places that it lacks.
    """
    crossing, item = arrival.crossing, main_item(arrival)
    fits = FITS[form_of(item.hs_code)] if item is not None else {}
    of_body = BODY_FITS.get(crossing.body_type, {}) if crossing.body_type else {}
    bodies, goods, corridor = map(searches.find_counts, (BODY, GOODS, CORRIDOR))
    is_precursor = declares_precursor(arrival)
    rated = {}
    for place in sorted(candidates(arrival, searches)):
        usual = _usual(crossing.vehicle_class, place, searches)
        raised: dict[Why, float] = {
            "body": _factor(bodies.get(place, NO_COUNT), usual, of_body.get(place, 1.0)),
            "goods": _factor(goods.get(place, NO_COUNT), usual, fits.get(place, 1.0)),
            "corridor": _factor(corridor.get(place, NO_COUNT), usual, 1.0),
        }
        if is_precursor and place == "cargo.disguised":
            raised["precursor"] = PRECURSOR
        fixed = 1.0
        for sign in searches.signs:
            times = _times_raised(place, RAISED[sign])
            if sign == "same_seals":
                fixed *= times
            else:
                raised[sign] = times
        chance = usual * fixed * math.prod(raised.values())
        why = max(raised, key=raised.__getitem__)
        is_raised = chance > NOTABLE * usual and raised[why] > NOTABLE
        rated[place] = RatedPlace(chance, usual, why if is_raised else "usual")
    return rated


def _times_raised(place: str, raised: Mapping[str, float]) -> float:
    return max((times for which, times in raised.items() if place.startswith(which)), default=1.0)


def candidates(arrival: Arrival, searches: SearchCounts) -> set[str]:
    """Return the places that the vehicle has, and those where one like it held something."""
    crossing = arrival.crossing
    likely = set(PRIOR[crossing.vehicle_class])
    if crossing.is_empty:
        likely = {place for place in likely if group(place) != "cargo"}
    likely |= _found_places(searches.find_counts(LOAD if crossing.is_empty else CLASS))
    if crossing.body_type is None:
        return likely
    lacked, held = LACKED_BY_BODY[crossing.body_type], _found_places(searches.find_counts(BODY))
    return {place for place in likely if place in held or not place.startswith(lacked)}


def _found_places(counts: Counts) -> set[str]:
    return {place for place, (_, found) in counts.items() if found and not place.endswith("*")}


def _usual(vehicle_class: VehicleClass, place: str, searches: SearchCounts) -> float:
    """Return the odds of a find in such a vehicle: the prior, corrected from broad to narrow."""
    whole, counts = any_of(place), searches.find_counts(ALL)
    prior = PRIOR[vehicle_class].get(place, _least(vehicle_class))
    factor = _factor(counts.get(whole, NO_COUNT), _usually(whole), 1.0)
    factor = _factor(counts.get(place, NO_COUNT), _usually(place), factor)
    odds = prior * factor
    for scope in (CLASS, LOAD):
        odds *= _factor(searches.find_counts(scope).get(place, NO_COUNT), odds, 1.0)
    return odds


def _factor(counts: tuple[int, int], expected: float, known: float) -> float:
    """Return by what finds exceed what was expected of these searches; ``known`` is the prior.

    The mean of a Gamma posterior whose prior weighs ``PRIOR_FINDS`` finds. Searches that found
    something stand above the line alone, so that no find can ever lower a place.
    """
    searched, found = counts
    return (found + PRIOR_FINDS) / ((searched - found) * expected + PRIOR_FINDS / known)


def _least(vehicle_class: VehicleClass) -> float:
    return LIKELIEST * 2 / (len(USUAL_PLACES[vehicle_class]) + 2)


@lru_cache
def _usually(place: str) -> float:
    """Return the prior of a place over all classes that have it; of a group, that of its places."""
    if parts := [_usually(part) for part in PLACES if any_of(part) == place]:
        return math.fsum(parts)
    known = [prior[place] for prior in PRIOR.values() if place in prior]
    return math.fsum(known) / len(known) if known else min(map(_least, USUAL_PLACES))
