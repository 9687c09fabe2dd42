"""Search order of a vehicle: steps on its places, its goods and its papers.

An order is a function of what everybody at the post sees: class, body, load, goods, seals, carnet,
masses, and what the opposite post recorded otherwise. Scores, reasons, draws and finds on this
vehicle's own parties are no arguments of it, so a random check has the order that a scored pick
would have.

Steps that touch the vehicle stand in the order of the finds expected in a minute of search
(:mod:`engine.search_orders.rates`) with the equipment that works at the post.

A place that no working method reaches is in no order; a method that stands in for a missing one
takes longer. The equipment that a post's network file states holds until a roster says what works
in the shift. Equipment is a count by code; a code without a count is not known, and taken to be
there. Hands and papers are always there.

The order of a physical inspection spreads over several groups of places: the least that a random
check must do. Documents and scan have an order of papers, of goods, and of what a scanner shows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engine.domain.records import Arrival, Method
from engine.search_orders.rates import (
    CLASS,
    NO_COUNT,
    RAISED,
    RatedPlace,
    SearchCounts,
    Why,
    declares_precursor,
    form_of,
    group,
    items_of,
    main_item,
    rate_places,
)

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


SEARCHED_FIRST = 6
"""Steps on places and goods of a search order, the sampling of a precursor apart."""
FEWEST_GROUPS = 3
"""Groups of places (cab, chassis, cargo, ...) that a search order spreads over at least."""
FIRST_PLACES = 3
"""Head of an order: papers come after it, and a place that no method reaches is named."""
PAPERS_OF_SEARCH = 3
"""Steps on papers of a physical inspection."""
PER_MINUTES = 1_000
"""Minutes of search that figures state finds for."""

StepKind = Literal["place", "goods", "papers"]
Action = Literal[
    "search", "look_among", "check_packaging", "open_goods", "open_packages", "dip_tank",
    "measure_density", "sample_test", "count_packages", "compare_seals", "weigh", "compare_mass",
    "compare_route", "compare_invoice", "check_permit", "compare_vehicle",
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
    rated: Mapping[str, RatedPlace],
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
        is_tested = form == "powder" or declares_precursor(arrival)
        return "sample_test" if is_tested else "open_packages"
    return "check_packaging" if place == "cargo.packaging" else "look_among"


def _sampled(arrival: Arrival) -> int | None:
    """Return how many packages are opened: ten, of more than a hundred the square root.

    The arbitrary sampling of UNODC's guidelines on representative drug sampling (2009).
    """
    known = [item.packages for item in items_of(arrival) if item.packages]
    whole = sum(known)
    return min(whole, max(10, math.isqrt(whole))) or None


def _papers_steps(arrival: Arrival, searches: SearchCounts) -> list[SearchStep]:
    """Return what is compared on paper and on the weighbridge, what differs first."""
    crossing, declaration, signs = arrival.crossing, arrival.declaration, searches.signs
    is_weighed = crossing.weighed_mass_kg is not None
    can_weigh = not is_weighed and is_working("weighing", searches.equipment)
    states_mass = any(item.gross_mass_kg or item.net_mass_kg for item in items_of(arrival))
    mass: Why = next((sign for sign in _OF_MASS if sign in signs), "usual")
    carried = _carried(arrival)
    seals: Why = "seals_differ" if "seals_differ" in signs else carried
    trailer: Why = "trailer_differs" if "trailer_differs" in signs else "usual"
    asked: list[tuple[object, Action, Why]] = [
        (mass != "usual" or (is_weighed and states_mass), "compare_mass", mass),
        (crossing.seal_numbers or seals != "usual", "compare_seals", seals),
        (declares_precursor(arrival), "check_permit", "precursor"),
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
    items = items_of(arrival)
    packages = sum(item.packages or 0 for item in items)
    found = []
    if declares_precursor(arrival):
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
    searched, found = searches.find_counts(CLASS).get(place, NO_COUNT)
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
