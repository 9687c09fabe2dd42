"""Search order of a vehicle: steps on its places, its goods and its papers.

An order is a function of what everybody at the post sees: class, body, load, goods, seals, carnet,
masses, and what the opposite post recorded otherwise. Scores, reasons, draws and finds on this
vehicle's own parties are no arguments of it, so a random check has the order that a scored pick
would have.

Steps that touch the vehicle stand in the order of the finds expected in a minute of search with the
equipment that works at the post. How often searches of a place find something follows from all
vehicles, then from those of its class, then from those as laden or as empty. Vehicles with the same
body, with goods of the same group, and on the same way through the same post correct that as far as
their searches say more: each the mean of a Gamma posterior. What the goods are like and what the
opposite post recorded otherwise raise places by judgement. A place that was never searched keeps
the stated prior: not searched is no evidence of absence. The prior ranks the places named in
thirteen published finds of the region (among or disguised as goods 4, structural cavity or double
floor 3 to 4, outside or under the vehicle 2, fuel tank 1, luggage 1), spread over the vehicle
classes by judgement and turned into rates of a stated size, so that searches can outvote it.

A place that no working method reaches is in no order; a method that stands in for a missing one
takes longer. The equipment that a post's network file states holds until a roster says what works
in the shift. Equipment is a count by code; a code without a count is not known, and taken to be
there. Hands and papers are always there.

The order of a physical inspection spreads over several groups of places: the least that a random
check must do. Documents and scan have an order of papers, of goods, and of what a scanner shows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, Self

from engine.domain.precursors import is_controlled
from engine.domain.records import PLACES, Arrival, BodyType, GoodsItem, Method, VehicleClass

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

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "cargo.among": "xray",
        "cargo.inside": "xray",
        "cargo.packaging": "canine",
        "trailer.front_wall": "xray",
        "trailer.sides": "xray",
        "trailer.roof": "xray",
        "chassis.tyre": "xray",
        "chassis.axle": "xray",
        "fuel.tank": "xray",
        "cab.bunk": "canine",
        "cab.bags": "canine",
        "cab.dash": "canine",
        "person": "canine",
    }
)
"""How each place is searched best; every other place by hand."""
STAND_INS: Mapping[str, tuple[Method, ...]] = MappingProxyType(
    {
        "cargo.among": ("canine", "physical"),
        "cargo.inside": ("canine",),
        "cargo.packaging": ("physical",),
        "trailer.front_wall": ("physical",),
        "trailer.sides": ("physical",),
        "trailer.roof": ("physical",),
        "chassis.tyre": ("canine",),
        "fuel.tank": ("physical",),
        "cab.bunk": ("physical",),
        "cab.bags": ("physical",),
        "cab.dash": ("physical",),
        "person": ("physical",),
    }
)
"""Methods that reach a place where the one that suits is not there, by judgement.

A place that is not named is searched by its own method or not at all: an axle tube by a scanner.
"""

METHOD_MINUTES: Mapping[Method, float] = MappingProxyType(
    {"documents": 2.0, "weighing": 3.0, "canine": 5.0, "xray": 6.0, "physical": 8.0}
)
"""Minutes that searching one place takes by its method, by judgement: acts give only their sum."""


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


NEEDED: Mapping[Method, str] = {"xray": "xray", "canine": "canine", "weighing": "weighbridge"}
"""Code of the equipment that a method needs; the other methods need none."""
STAND_IN = 2.0
"""Times its own minutes that a method takes for the finds of the one that suits, by judgement."""


def join_equipment(stated: Mapping[str, int], tonight: Mapping[str, int]) -> Mapping[str, int]:
    """Return what works in a shift: as its roster says, else as the network file states.

    A file that states some of a post's equipment states all of it: what it does not name is not
    there. A roster speaks for what it names.
    """
    unnamed = dict.fromkeys(NEEDED.values(), 0) if stated else {}
    return {**unnamed, **stated, **tonight}


def is_working(method: Method, equipment: Mapping[str, int]) -> bool:
    """Tell whether a method can be used with what works at a post."""
    return equipment.get(NEEDED.get(method, ""), 1) > 0


def choose_method(place: str, equipment: Mapping[str, int]) -> tuple[Method, float] | None:
    """Return the quickest method for a place, with its minutes; None where none reaches it."""
    wanted = METHODS.get(place, "physical")
    if is_working(wanted, equipment):
        return wanted, METHOD_MINUTES[wanted]
    others = [
        (method, STAND_IN * METHOD_MINUTES[method])
        for method in STAND_INS.get(place, ())
        if is_working(method, equipment)
    ]
    return min(others, key=lambda other: other[1], default=None)


# What goods are like, by HS code.

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


def goods_group(chapter: int) -> str:
    """Return the group of goods under which searches are counted, of an HS chapter.

    >>> goods_group(7), goods_group(29), goods_group(87)
    ('produce', 'chemical', 'vehicle')
    """
    return next((name for last, name in _SECTIONS if chapter <= last), "other")


def main_item(arrival: Arrival) -> GoodsItem | None:
    """Return the most valuable goods item, of equals the heaviest; None without a declaration."""
    if arrival.declaration is None:
        return None
    items = arrival.declaration.items
    return max(
        items,
        key=lambda one: (one.customs_value_usd or 0.0, one.net_mass_kg or 0.0, -one.item_no),
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
    items = arrival.declaration.items if arrival.declaration else ()
    found: list[Precaution] = []
    if any(item.un_number for item in items):
        found.append("dangerous_goods")
    if any(item.hs_code.startswith(("28", "29")) for item in items):
        found.append("chemicals")
    return tuple(found)


# What the opposite post recorded otherwise.

Sign = Literal["came_laden", "heavier", "lighter", "trailer_differs", "seals_differ", "same_seals"]
OF_OPPOSITE = (
    "mirror_was_empty", "mirror_mass_ratio", "mirror_mass_gap", "mirror_trailer_differs",
    "mirror_seals_differ",
)  # fmt: skip
"""Features that signs are made of: what the opposite post's record of the vehicle says."""
MASS_SHARE, MASS_KG = 0.03, 300.0
"""By what a mass differs more than two weighbridges do: both are exceeded."""
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


def find_signs(arrival: Arrival, features: Mapping[str, float]) -> tuple[Sign, ...]:
    """Return what the opposite post recorded otherwise, the gravest first."""
    seen = {name: features.get(name, math.nan) for name in OF_OPPOSITE}
    ratio, gap = seen["mirror_mass_ratio"], seen["mirror_mass_gap"]
    differs = abs(ratio - 1.0) > MASS_SHARE and abs(gap) > MASS_KG
    found: dict[Sign, bool] = {
        "came_laden": seen["mirror_was_empty"] == 1.0 and arrival.crossing.is_empty is False,
        "heavier": differs and gap > 0.0,
        "lighter": differs and gap < 0.0,
        "trailer_differs": seen["mirror_trailer_differs"] == 1.0,
        "seals_differ": seen["mirror_seals_differ"] == 1.0,
        "same_seals": seen["mirror_seals_differ"] == 0.0 and bool(arrival.crossing.seal_numbers),
    }
    return tuple(sign for sign, is_there in found.items() if is_there)


# What earlier searches say.

PLACES_VERSION = "steps-1"
"""Changes whenever the prior, what is made of counts or the steps change; kept with every order."""
SEARCHED_FIRST = 6
"""Steps on places and goods of a search order, the sampling of a precursor apart."""
FEWEST_GROUPS = 3
"""Groups of places (cab, chassis, cargo, ...) that a search order spreads over at least."""
FIRST_PLACES = 3
"""Head of an order: papers come after it, and a place that no method reaches is named."""
PAPERS_OF_SEARCH = 3
"""Steps on papers of a physical inspection."""
PRIOR_FINDS = 3.0
"""Finds that broader knowledge counts as, against those in vehicles more alike."""
PER_MINUTES = 1_000
"""Minutes of search that figures state finds for."""
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
_NONE = (0, 0)


@dataclass(frozen=True, slots=True)
class SearchCounts:
    """What earlier searches and the opposite post say about one vehicle; a record has it whole."""

    counts: Mapping[str, Counts]
    version: str = PLACES_VERSION
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work at the post, by code; what is not named is not known."""
    signs: tuple[Sign, ...] = ()

    def of(self, scope: str) -> Counts:
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


StepKind = Literal["place", "goods", "papers"]
Action = Literal[
    "search", "look_among", "check_packaging", "open_goods", "open_packages", "dip_tank",
    "measure_density", "sample_test", "count_packages", "compare_seals", "weigh", "compare_mass",
    "compare_route", "compare_invoice", "check_permit", "compare_vehicle",
]  # fmt: skip
Why = Literal[
    "usual", "body", "goods", "corridor", "came_laden", "heavier", "lighter", "trailer_differs",
    "seals_differ", "tir", "transit", "precursor",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchStep:
    """One step of a search order."""

    kind: StepKind
    what: Action
    place: str | None
    method: Method
    minutes: float
    why: Why
    """``usual`` in such vehicles, or what moves it up in this one."""
    packages: int | None = None
    """How many packages are opened or counted."""


@dataclass(frozen=True, slots=True)
class StepFigures:
    """What a place of an order stands on; for supervisors."""

    place: str
    searched: int
    """Vehicles of the class in which it was searched, and in which something was found."""
    found: int
    finds_in_1000_minutes: float
    hours_per_find: float
    times_usual: float
    """How many times likelier than in such vehicles."""


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """Steps, and what they stand on."""

    steps: tuple[SearchStep, ...]
    figures: tuple[StepFigures, ...]
    """Of the steps that have a place, in their order."""
    unreached: Mapping[str, Method]
    """Places that would be among the first if the equipment for them worked here."""


NO_ORDER = SearchOrder((), (), MappingProxyType({}))


def any_of(place: str) -> str:
    """Return the code under which a place's whole group is counted."""
    return f"{group(place)}.*"


def count_places(places: Iterable[str]) -> set[str]:
    """Return what the places of one vehicle are counted as: each for itself and for its group."""
    return {*places, *map(any_of, places)}


def search_order(arrival: Arrival, searches: SearchCounts, *, is_physical: bool) -> SearchOrder:
    """Return the steps to take first, in order, of a physical inspection or of documents and scan.

    Nothing but what is seen of the arrival at the post, and what was found in other vehicles,
    is read.
    """
    rated = rate_places(arrival, searches)
    steps = {
        place: step
        for place, rate in rated.items()
        if (step := _place_step(place, rate, arrival, searches.equipment)) is not None
    }
    expected = {place: rated[place].chance / step.minutes for place, step in steps.items()}
    ranked = _sort_places(expected)
    papers, counted = _papers_steps(arrival, searches), _goods_steps(arrival)
    if is_physical:
        chosen = [steps[place] for place in spread(ranked)]
        order = _mix(chosen, papers, counted)
        unreached = _unreached_places(rated, steps, arrival, searches)
    else:
        shown = [steps[place] for place in ranked if steps[place].method == "xray"]
        order, unreached = [*papers, *counted, *shown[:FIRST_PLACES]], {}
    figures = (
        _figures(step.place, expected[step.place], rated[step.place], searches)
        for step in order
        if step.place is not None
    )
    return SearchOrder(tuple(order), tuple(figures), unreached)


def _mix(
    chosen: Sequence[SearchStep], papers: Sequence[SearchStep], counted: Sequence[SearchStep]
) -> list[SearchStep]:
    """Put papers after the first places; one that shows what differs goes before all."""
    first = [step for step in papers if step.why in RAISED][:1]
    others = [step for step in papers if step not in first][: PAPERS_OF_SEARCH - len(first)]
    has_sample = {step.what for step in chosen} & {"sample_test", "measure_density"}
    samples = [step for step in counted if step.what == "sample_test" and not has_sample]
    return [*first, *chosen[:FIRST_PLACES], *samples, *others, *chosen[FIRST_PLACES:]]


def _sort_places(expected: Mapping[str, float]) -> list[str]:
    return sorted(expected, key=lambda place: (-expected[place], place))


def _unreached_places(
    rated: Mapping[str, "RatedPlace"],
    steps: Mapping[str, SearchStep],
    arrival: Arrival,
    searches: SearchCounts,
) -> Mapping[str, Method]:
    """Return the places that would be among the first if the equipment for them worked, with it."""
    if len(steps) == len(rated):
        return {}
    whole = {
        place: rate.chance / step.minutes
        for place, rate in rated.items()
        if (step := _place_step(place, rate, arrival, {})) is not None
    }
    first = _sort_places(whole)[:FIRST_PLACES]
    return {place: METHODS[place] for place in first if place not in steps}


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
    is_precursor = _declares_precursor(arrival)
    rated = {}
    for place in sorted(candidates(arrival, searches)):
        usual = _usual(crossing.vehicle_class, place, searches)
        raised: dict[Why, float] = {
            "body": _factor(searches.of(BODY).get(place, _NONE), usual, of_body.get(place, 1.0)),
            "goods": _factor(searches.of(GOODS).get(place, _NONE), usual, fits.get(place, 1.0)),
            "corridor": _factor(searches.of(CORRIDOR).get(place, _NONE), usual, 1.0),
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
        why = max(raised, key=lambda reason: raised[reason])
        is_raised = chance > NOTABLE * usual and raised[why] > NOTABLE
        rated[place] = RatedPlace(chance, usual, why if is_raised else "usual")
    return rated


PRECURSOR = 6.0
"""How many times likelier a declared precursor, or what is used beside one, is not what it says."""


def _times_raised(place: str, raised: Mapping[str, float]) -> float:
    return max((times for which, times in raised.items() if place.startswith(which)), default=1.0)


def _items(arrival: Arrival) -> Sequence[GoodsItem]:
    return arrival.declaration.items if arrival.declaration else ()


def _declares_precursor(arrival: Arrival) -> bool:
    return any(is_controlled(item.hs_code) for item in _items(arrival))


def candidates(arrival: Arrival, searches: SearchCounts) -> set[str]:
    """Return the places that the vehicle has, and those where one like it held something."""
    crossing = arrival.crossing
    likely = set(PRIOR[crossing.vehicle_class])
    if crossing.is_empty:
        likely = {place for place in likely if group(place) != "cargo"}
    likely |= _found_places(searches.of(LOAD if crossing.is_empty else CLASS))
    if crossing.body_type is None:
        return likely
    lacked, held = LACKED_BY_BODY[crossing.body_type], _found_places(searches.of(BODY))
    return {place for place in likely if place in held or not place.startswith(lacked)}


def _found_places(counts: Counts) -> set[str]:
    return {place for place, (_, found) in counts.items() if found and not place.endswith("*")}


def spread(ranked: Sequence[str]) -> list[str]:
    """Return the first places, the last of them from other groups where too few are among them."""
    chosen: list[str] = []
    left = list(ranked)
    groups = len({group(place) for place in ranked})
    while left and len(chosen) < SEARCHED_FIRST:
        had = {group(place) for place in chosen}
        missing = min(FEWEST_GROUPS, groups) - len(had)
        is_last_chance = missing >= SEARCHED_FIRST - len(chosen)
        place = next(p for p in left if not is_last_chance or group(p) not in had)
        left.remove(place)
        chosen.append(place)
    return chosen


def _usual(vehicle_class: VehicleClass, place: str, searches: SearchCounts) -> float:
    """Return the odds of a find in such a vehicle: the prior, corrected from broad to narrow."""
    whole, counts = any_of(place), searches.of(ALL)
    prior = PRIOR[vehicle_class].get(place, _least(vehicle_class))
    factor = _factor(counts.get(whole, _NONE), _usually(whole), 1.0)
    factor = _factor(counts.get(place, _NONE), _usually(place), factor)
    odds = prior * factor
    for scope in (CLASS, LOAD):
        odds *= _factor(searches.of(scope).get(place, _NONE), odds, 1.0)
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


def _place_step(
    place: str, rate: RatedPlace, arrival: Arrival, equipment: Mapping[str, int]
) -> SearchStep | None:
    """Return how a place is searched in this vehicle; None where nothing that works reaches it."""
    what = _choose_action(place, arrival)
    by = choose_method(place, equipment)
    if what in _BY_HAND:
        by = "physical", METHOD_MINUTES["physical"]
    if by is None:
        return None
    packages = _sampled(arrival) if place == "cargo.disguised" else None
    kind: StepKind = "place" if what == "search" else "goods"
    return SearchStep(kind, what, place, *by, rate.why, packages)


_BY_HAND: frozenset[Action] = frozenset(
    {"dip_tank", "measure_density", "sample_test", "open_packages"}
)


def _choose_action(place: str, arrival: Arrival) -> Action:
    """Return what is done at a place: with goods what their form asks for."""
    if group(place) != "cargo":
        return "search"
    item = main_item(arrival)
    form = None if item is None else form_of(item.hs_code)
    if place == "cargo.inside":
        return "dip_tank" if form == "liquid" else "open_goods"
    if place == "cargo.disguised" and form == "liquid":
        return "measure_density"
    if place == "cargo.disguised":
        is_tested = form == "powder" or _declares_precursor(arrival)
        return "sample_test" if is_tested else "open_packages"
    return "check_packaging" if place == "cargo.packaging" else "look_among"


def _sampled(arrival: Arrival) -> int | None:
    """Return how many packages are opened: ten, of more than a hundred the square root.

    The arbitrary sampling of UNODC's guidelines on representative drug sampling (2009).
    """
    known = [item.packages for item in _items(arrival) if item.packages]
    whole = sum(known)
    return min(whole, max(10, math.isqrt(whole))) or None


def _papers_steps(arrival: Arrival, searches: SearchCounts) -> list[SearchStep]:
    """Return what is compared on paper and on the weighbridge, what differs first."""
    crossing, declaration, signs = arrival.crossing, arrival.declaration, searches.signs
    is_weighed = crossing.weighed_mass_kg is not None
    can_weigh = not is_weighed and is_working("weighing", searches.equipment)
    states_mass = any(item.gross_mass_kg or item.net_mass_kg for item in _items(arrival))
    mass: Why = next((sign for sign in _OF_MASS if sign in signs), "usual")
    carried = _carried(arrival)
    seals: Why = "seals_differ" if "seals_differ" in signs else carried
    trailer: Why = "trailer_differs" if "trailer_differs" in signs else "usual"
    asked: list[tuple[object, Action, Why]] = [
        (mass != "usual" or (is_weighed and states_mass), "compare_mass", mass),
        (crossing.seal_numbers or seals != "usual", "compare_seals", seals),
        (_declares_precursor(arrival), "check_permit", "precursor"),
        (can_weigh and states_mass, "weigh", "usual"),
        (declaration, "compare_invoice", "usual"),
        (carried != "usual" or (declaration and declaration.route_countries), "compare_route",
         carried),
        (True, "compare_vehicle", trailer),
    ]  # fmt: skip
    steps = []
    for is_asked, what, why in asked:
        method: Method = "weighing" if what == "weigh" else "documents"
        if is_asked:
            steps.append(SearchStep("papers", what, None, method, PAPERS_MINUTES[what], why))
    return sorted(steps, key=lambda step: step.why not in RAISED)


_OF_MASS: tuple[Literal["came_laden", "heavier", "lighter"], ...] = (
    "came_laden", "heavier", "lighter",
)  # fmt: skip
PAPERS_MINUTES: Mapping[Action, float] = {
    "compare_mass": 2.0, "compare_seals": 2.0, "check_permit": 3.0, "weigh": 3.0,
    "compare_invoice": 4.0, "compare_route": 2.0, "compare_vehicle": 2.0,
}  # fmt: skip
"""Minutes that steps on papers take, by judgement."""


def _carried(arrival: Arrival) -> Why:
    """Return under which customs seals the vehicle travels; ``usual`` under none."""
    declaration = arrival.declaration
    if arrival.crossing.tir_carnet or (declaration and declaration.tir_carnet):
        return "tir"
    is_transit = declaration is not None and declaration.procedure in ("transit", "tir")
    return "transit" if is_transit else "usual"


def _goods_steps(arrival: Arrival) -> list[SearchStep]:
    """Return what is done with goods that no place stands for: count them, sample precursors."""
    items = _items(arrival)
    packages = sum(item.packages or 0 for item in items)
    found = []
    if _declares_precursor(arrival):
        found.append(
            SearchStep(
                "goods", "sample_test", None, "physical", METHOD_MINUTES["physical"],
                "precursor", _sampled(arrival),
            )
        )  # fmt: skip
    if packages:
        found.append(
            SearchStep("goods", "count_packages", None, "documents", 6.0, "usual", packages)
        )
    return found


def _figures(place: str, expected: float, rate: RatedPlace, searches: SearchCounts) -> StepFigures:
    searched, found = searches.of(CLASS).get(place, _NONE)
    finds = round(PER_MINUTES * expected, 3)
    return StepFigures(
        place,
        searched,
        found,
        finds,
        hours_per_find(finds),
        round(rate.chance / rate.usual, 2),
    )


def hours_per_find(finds_in_1000_minutes: float) -> float:
    """Return how long searches of a place take for one find, in hours with two figures.

    >>> hours_per_find(1.314), hours_per_find(0.0)
    (13.0, 33000.0)
    """
    return float(f"{PER_MINUTES / 60 / max(finds_in_1000_minutes, _LEAST_FINDS):.2g}")


_LEAST_FINDS = 0.0005
"""In 1,000 minutes; what a record states as 0.000 is less."""
