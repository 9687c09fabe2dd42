"""Search order of a vehicle sent to physical inspection, learnt from every place searched.

Places are in the order of the finds expected in a minute of search with the equipment that works at
the post. Each step states how many hours of such searches one find takes, so that an order never
contradicts its own words. A place that no working method reaches is in no order; a method that
stands in for a missing one takes longer, and its step names the one that suits.

The finds expected of a search follow from how often searches of the place found something: in all
vehicles, in vehicles of its class, in vehicles as laden or as empty. A place that was never
searched keeps the stated prior: not searched is no evidence of absence. The prior ranks the places
named in thirteen published finds of the region (among or disguised as goods 4, structural cavity or
double floor 3 to 4, outside or under the vehicle 2, fuel tank 1, luggage 1), spread over the
vehicle classes by judgement and turned into rates of a stated size, so that searches can outvote
it.

Finds on this vehicle and its parties (trailer, driver, carrier, consignee) raise their places as
far as parties keep to their ways, which is learnt too: from how often two finds on one party were
in one place. A search of a party in vain says that it carried nothing, not where it hides.

The equipment that a post's network file states holds until a roster says what works in the shift.
Equipment is a count by code; a code without a count is not known, and taken to be there. Hands and
papers are always there.

The order depends on the places and on earlier finds, never on the reason why the vehicle was
picked, so that a random check cannot be told from a scored pick by its search order. Each order
spreads over several groups of places: the least that a random check must do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

from engine.domain.records import PLACES, BodyType, Crossing, Method, VehicleClass

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

_HOW: Mapping[str, tuple[Method, str]] = MappingProxyType(
    {
        "cargo.among": ("xray", "most published finds of the region were among the goods"),
        "cargo.inside": ("xray", "goods are hollowed out: what is inside weighs and shades"),
        "cargo.disguised": ("physical", "loads were sold as goods: potatoes, shoe polish, cotton"),
        "cargo.packaging": ("canine", "packaging hides small amounts from an image"),
        "trailer.floor": ("physical", "double floors are among the most frequent structural finds"),
        "trailer.front_wall": ("xray", "a false front wall shows as a shortened load space"),
        "trailer.sides": ("xray", "cavities in side walls stand out in an image"),
        "trailer.roof": ("xray", "a thick roof shows in an image"),
        "trailer.doors": ("physical", "door leaves are hollow and quickly tapped"),
        "trailer.refrigeration": ("physical", "a cooling unit has room behind its panels"),
        "chassis.underbody": ("physical", "loads were fixed under trailers with magnets"),
        "chassis.frame": ("physical", "frame rails are open cavities within arm's reach"),
        "chassis.spare_wheel": ("physical", "a spare wheel is quickly filled and quickly checked"),
        "chassis.tyre": ("xray", "a filled tyre shows in an image"),
        "chassis.axle": ("xray", "axle tubes are closed to the hand"),
        "chassis.air_tank": ("physical", "an air tank that holds no air is quickly told"),
        "fuel.tank": ("xray", "a tank smaller inside than outside was found before"),
        "fuel.false_tank": ("physical", "a tank without a line to the engine is no tank"),
        "cab.bunk": ("canine", "the bunk is the driver's own space"),
        "cab.bags": ("canine", "luggage held finds, once inside a spare gearbox"),
        "cab.dash": ("canine", "panels come off without tools"),
        "cab.seat": ("physical", "seat shells are cavities within reach of everybody aboard"),
        "cab.roof": ("physical", "roof linings hide flat packages"),
        "engine.bay": ("physical", "heat and smell keep dogs off: look with a mirror"),
        "person": ("canine", "what is worn leaves the vehicle empty"),
    }
)
"""How each place is searched best, and why it is a place to think of."""
_OTHERWISE: tuple[Method, str] = ("physical", "something was found there before")


def how(place: str) -> tuple[Method, str]:
    """Return the method for a place, and what speaks for it before anything is learnt."""
    return _HOW.get(place, _OTHERWISE)


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
"""Finds per search of each place that a class has, likeliest by ``FIRST``."""


NEEDED: Mapping[Method, str] = {"xray": "xray", "canine": "canine", "weighing": "weighbridge"}
"""Code of the equipment that a method needs; the other methods need none."""
STAND_IN = 2.0
"""Times its own minutes that a method takes for the finds of the one that suits, by judgement."""


@dataclass(frozen=True, slots=True)
class PlaceMethod:
    """How a place is searched with what works at a post."""

    method: Method
    minutes: float
    """Minutes that a search takes for the finds that the method that suits would make."""
    wanted: Method | None = None
    """The method that suits, where it is not there."""


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


def choose_method(place: str, equipment: Mapping[str, int]) -> PlaceMethod | None:
    """Return the quickest method for a place; None where no method that is there reaches it."""
    wanted = how(place)[0]
    if is_working(wanted, equipment):
        return PlaceMethod(wanted, METHOD_MINUTES[wanted])
    others = [
        PlaceMethod(method, STAND_IN * METHOD_MINUTES[method], wanted)
        for method in STAND_INS.get(place, ())
        if is_working(method, equipment)
    ]
    return min(others, key=lambda other: other.minutes, default=None)


PLACES_VERSION = "learnt-1"
"""Changes whenever the prior, what is made of counts or the words change; kept with every order."""
SEARCHED_FIRST = 6
"""Places of a search order."""
FEWEST_GROUPS = 3
"""Groups of places (cab, chassis, cargo, ...) that a search order spreads over at least."""
FIRST_PLACES = 3
"""Head of an order: a place that would be in it if its equipment worked is named."""
PRIOR_FINDS = 3.0
"""Finds that broader knowledge counts as, against those in vehicles more alike."""
PER_MINUTES = 1_000
"""Minutes of search that the parameters of a step state finds for."""
KEPT = 0.3
"""How often a party is taken to hide where it did before, before its finds tell."""
PRIOR_PAIRS = 10.0
"""Pairs of finds on one party that ``KEPT`` counts as."""

ALL, CLASS, LOAD = "all", "class", "load"
SCOPES = (ALL, CLASS, LOAD)
"""From the broadest to the narrowest: all vehicles, those of its class, those as laden too."""
PARTIES: Mapping[str, str] = {
    "plate": "on this vehicle",
    "trailer": "with this trailer",
    "driver": "with this driver",
    "carrier": "on vehicles of this carrier",
    "consignee": "in loads for this consignee",
    "consignor": "in loads from this consignor",
}
"""Whose finds belong to a vehicle, as the sentence says it."""
AGAIN = "again"
"""Of each kind of party: pairs of finds on one and the same, and those of them in one place."""
_WANTED: Mapping[Method, str] = {
    "xray": "no scanner works here",
    "canine": "no dog works here",
}
_INSTEAD: Mapping[Method, str] = {
    "xray": "a scanner would be used if one worked here",
    "canine": "a dog would be used if one worked here",
}
_CLASSES: Mapping[VehicleClass, str] = {
    "car": "cars",
    "van": "vans",
    "bus": "buses",
    "truck": "trucks",
    "rail_wagon": "rail wagons",
    "other": "other vehicles",
}

Counts = Mapping[str, tuple[int, int]]
"""By place code: in how many vehicles it was searched, and in how many something was found there.

A group's name with ``.*`` stands for any place of the group."""
_NONE = (0, 0)


@dataclass(frozen=True, slots=True)
class SearchCounts:
    """What earlier searches say about one vehicle, by scope or party; a record has it by value."""

    counts: Mapping[str, Counts]
    version: str = PLACES_VERSION
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work at the post, by code; what is not named is not known."""

    def of(self, scope: str) -> Counts:
        """Return the counts of one scope or party, none where nothing was ever searched."""
        return self.counts.get(scope, {})

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        found = {
            scope: {place: list(pair) for place, pair in sorted(places.items())}
            for scope, places in self.counts.items()
            if places
        }
        return {"version": self.version, "counts": found, "equipment": dict(self.equipment)}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` gave."""
        counts = {
            scope: {place: (searched, found) for place, (searched, found) in places.items()}
            for scope, places in said["counts"].items()
        }
        return cls(counts, said["version"], said["equipment"])


@dataclass(frozen=True, slots=True)
class SearchStep:
    """One step of a search order."""

    place: str
    method: Method
    why: str
    parameters: Mapping[str, Any]
    """The figures of ``why`` by name, as JSON values."""


def any_of(place: str) -> str:
    """Return the code under which a place's whole group is counted."""
    return f"{group(place)}.*"


def count_places(places: Iterable[str]) -> set[str]:
    """Return what the places of one vehicle are counted as: each for itself and for its group."""
    return {*places, *map(any_of, places)}


def search_order(crossing: Crossing, searches: SearchCounts) -> tuple[SearchStep, ...]:
    """Return the places to search first, in order, each with why."""
    rate = rates(crossing, searches)
    expected = _expect_finds(rate, searches)
    missing = _missing_places(rate, searches)
    first, *others = spread(_sort_places(expected))
    head = _step(crossing.vehicle_class, first, searches, expected=expected[first], missing=missing)
    return (
        head,
        *(_step(crossing.vehicle_class, p, searches, expected=expected[p]) for p in others),
    )


def expectations(crossing: Crossing, searches: SearchCounts) -> Mapping[str, float]:
    """Return the finds expected in a minute of search, by place: what orders are made by.

    Places that cannot be searched with what works at the post are not among them.
    """
    return _expect_finds(rates(crossing, searches), searches)


def _expect_finds(rate: Mapping[str, float], searches: SearchCounts) -> Mapping[str, float]:
    found = {place: choose_method(place, searches.equipment) for place in rate}
    return {place: rate[place] / by.minutes for place, by in found.items() if by is not None}


def _sort_places(expected: Mapping[str, float]) -> list[str]:
    return sorted(expected, key=lambda place: (-expected[place], place))


def _missing_places(rate: Mapping[str, float], searches: SearchCounts) -> dict[str, Method]:
    """Return the places that would be among the first if the equipment for them worked, with it."""
    if not searches.equipment:
        return {}
    whole = _expect_finds(rate, replace(searches, equipment={}))
    return {
        place: how(place)[0]
        for place in _sort_places(whole)[:FIRST_PLACES]
        if choose_method(place, searches.equipment) is None
    }


def rates(crossing: Crossing, searches: SearchCounts) -> Mapping[str, float]:
    """Return for each place the chance, as far as it is known, that searching it finds something.

    A find raises the place it was made in and the places of its group, a search that found nothing
    lowers them. An empty conveyance has no cargo. Up to a factor that all places share.
    """
    places = sorted(candidates(crossing, searches))
    usual = {place: _usual(crossing.vehicle_class, place, searches) for place in places}
    whole = math.fsum(usual.values())
    alike = _alike(crossing.vehicle_class)
    others = dict.fromkeys(places, 1.0)
    for party in PARTIES:
        if not (counts := searches.of(party)):
            continue
        found = {place: counts.get(place, _NONE)[1] for place in places}
        finds = sum(found.values())
        if finds:
            kept = keeps_its_ways(searches.of(AGAIN).get(party, _NONE), alike)
            others = {p: other * (1.0 - kept * found[p] / finds) for p, other in others.items()}
    return {place: usual[place] + whole * (1.0 - others[place]) for place in places}


def keeps_its_ways(pairs: tuple[int, int], alike: float) -> float:
    """Return how likely a party hides where it did before, from pairs of finds and those alike.

    ``alike`` is the share of pairs in one place of parties without a habit: what exceeds it is
    habit.
    """
    seen, same = pairs
    excess = same - seen * alike + PRIOR_PAIRS * KEPT * (1.0 - alike)
    return min(1.0, max(0.0, excess / ((seen + PRIOR_PAIRS) * (1.0 - alike))))


def candidates(crossing: Crossing, searches: SearchCounts) -> set[str]:
    """Return the places that the vehicle has, and those where it or its like held something."""
    likely = set(PRIOR[crossing.vehicle_class])
    if crossing.is_empty:
        likely = {place for place in likely if group(place) != "cargo"}
    likely |= _counted_places(searches.of(LOAD if crossing.is_empty else CLASS))
    for party in PARTIES:
        likely |= _counted_places(searches.of(party))
    return likely


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


def _counted_places(counts: Counts) -> set[str]:
    return {place for place, (_, found) in counts.items() if found and not place.endswith("*")}


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


@lru_cache
def _alike(vehicle_class: VehicleClass) -> float:
    """Return how often two loads lie in one place by chance, as the prior has it."""
    prior = PRIOR[vehicle_class].values()
    return math.fsum(rate * rate for rate in prior) / math.fsum(prior) ** 2


def _least(vehicle_class: VehicleClass) -> float:
    return LIKELIEST * 2 / (len(USUAL_PLACES[vehicle_class]) + 2)


@lru_cache
def _usually(place: str) -> float:
    """Return the prior of a place over all classes that have it; of a group, that of its places."""
    if parts := [_usually(part) for part in PLACES if any_of(part) == place]:
        return math.fsum(parts)
    known = [prior[place] for prior in PRIOR.values() if place in prior]
    return math.fsum(known) / len(known) if known else min(map(_least, USUAL_PLACES))


def _step(
    vehicle_class: VehicleClass,
    place: str,
    searches: SearchCounts,
    *,
    expected: float,
    missing: Mapping[str, Method] = MappingProxyType({}),
) -> SearchStep:
    """Return one step; ``missing`` are places that need equipment which does not work here."""
    suits, otherwise = how(place)
    by = choose_method(place, searches.equipment) or PlaceMethod(suits, METHOD_MINUTES[suits])
    counts = searches.of(CLASS).get(place, _NONE)
    finds = {
        party: times for party in PARTIES if (times := searches.of(party).get(place, _NONE)[1])
    }
    parameters: dict[str, Any] = {
        "vehicle_class": vehicle_class,
        "finds_in_1000_minutes": _finds_in_minutes(expected),
        "searched": counts[0],
        "found": counts[1],
        "finds": finds,
        "hours_per_find": hours_per_find(PER_MINUTES * expected),
        **_equipment_figures(by, missing),
    }
    words = [
        _expectation(parameters["hours_per_find"]),
        *_words_of_method(by),
        _history(_CLASSES[vehicle_class], counts, otherwise),
        *(f"{_times(times)} {PARTIES[party]}" for party, times in finds.items()),
        *(f"not searched, because {_WANTED[of]}: {where}" for where, of in missing.items()),
    ]
    return SearchStep(place, by.method, "; ".join(words), parameters)


def _equipment_figures(by: PlaceMethod, missing: Mapping[str, Method]) -> dict[str, Any]:
    """Return the minutes behind an expectation, and what would be used if it worked here."""
    wanted = {} if by.wanted is None else {"wanted": by.wanted}
    return {"minutes": by.minutes, **wanted, **({"missing": dict(missing)} if missing else {})}


def _words_of_method(by: PlaceMethod) -> list[str]:
    taken = f"a search takes about {by.minutes:g} minutes"
    return [taken] if by.wanted is None else [taken, _INSTEAD[by.wanted]]


def _finds_in_minutes(expected: float) -> float:
    return round(PER_MINUTES * expected, 3)


def hours_per_find(finds_in_1000_minutes: float) -> float:
    """Return how long searches of a place take for one find, in hours with two figures.

    >>> hours_per_find(1.314), hours_per_find(0.0)
    (13.0, 33000.0)
    """
    return float(f"{PER_MINUTES / 60 / max(finds_in_1000_minutes, _LEAST_FINDS):.2g}")


_LEAST_FINDS = 0.0005
"""In 1,000 minutes; what a record states as 0.000 is less."""


def _expectation(hours: float) -> str:
    """Say the figure that an order is made by."""
    return f"one find expected in about {hours:,g} {'hour' if hours == 1 else 'hours'} of search"


def _history(where: str, counts: tuple[int, int], otherwise: str) -> str:
    searched, found = counts
    if not searched:
        return f"not searched on {where} before; {otherwise}"
    many = "search" if searched == 1 else "searches"
    return f"{found:,} of {searched:,} {many} on {where} found something"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
