"""Search orders: what they learn from, what they read, and that they say what they stand on."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.records import PLACES, Arrival, BodyType, Crossing, Declaration, GoodsItem
from engine.search_orders import order, rates
from engine.search_orders.order import (
    FEWEST_GROUPS,
    METHOD_MINUTES,
    METHODS,
    SEARCHED_FIRST,
    SearchOrder,
    SearchStep,
    choose_method,
    join_equipment,
    search_order,
)
from engine.search_orders.rates import (
    ALL,
    BODY,
    CLASS,
    CORRIDOR,
    GOODS,
    LACKED_BY_BODY,
    LOAD,
    PRIOR,
    SCOPES,
    USUAL_PLACES,
    SearchCounts,
    Sign,
    any_of,
    count_places,
    find_signs,
    group,
    precautions,
    rate_places,
)

NOTHING = SearchCounts({})
scopes = st.sampled_from(SCOPES)
codes = st.sampled_from((*PLACES, "trailer.box", "trailer", "drone"))
pairs = st.tuples(st.integers(0, 5000), st.integers(0, 60)).map(lambda p: (sum(p), p[1]))
known = st.dictionaries(scopes, st.dictionaries(codes, pairs, max_size=8))
classes = st.sampled_from(tuple(USUAL_PLACES))
bodies = st.sampled_from((None, *get_args(BodyType)))
signs = st.lists(st.sampled_from(get_args(Sign)), unique=True).map(tuple)
equipment = st.dictionaries(st.sampled_from(("xray", "canine", "weighbridge")), st.integers(0, 2))


def vehicle(
    vehicle_class: Any = "truck",
    *,
    is_empty: bool | None = False,
    body: Any = None,
    hs_code: str | None = None,
    **seen: Any,
) -> Arrival:
    crossing = Crossing(
        crossing_id="c", post="p", direction="entry", arrived_at=datetime(2026, 3, 1, tzinfo=UTC),
        vehicle_class=vehicle_class, is_empty=is_empty, body_type=body, **seen,
    )  # fmt: skip
    if hs_code is None:
        return Arrival(crossing=crossing)
    item = GoodsItem(item_no=1, hs_code=hs_code, packages=400, gross_mass_kg=9000.0)
    declared = Declaration(declaration_id="d", procedure="import", items=(item,))
    return Arrival(crossing=crossing, declaration=declared)


def whole(counts: Mapping[str, Mapping[str, tuple[int, int]]], **more: Any) -> SearchCounts:
    """Return counts with those of the groups, as the projection keeps them."""
    out: dict[str, dict[str, tuple[int, int]]] = {}
    for scope, each in counts.items():
        out[scope] = dict(each)
        for place, (searched, found) in each.items():
            had = out[scope].get(any_of(place), (0, 0))
            out[scope][any_of(place)] = (had[0] + searched, had[1] + found)
    return SearchCounts(out, **more)


def after(before: SearchCounts, place: str, *, found: int) -> SearchCounts:
    """Return what is known after one more search of a vehicle that has all in common."""
    counts = {scope: dict(before.find_counts(scope)) for scope in SCOPES}
    for each in counts.values():
        for code in count_places([place]):
            searched, hits = each.get(code, (0, 0))
            each[code] = (searched + 1, hits + found)
    return SearchCounts(counts)


def search(of: Arrival, searches: SearchCounts = NOTHING) -> SearchOrder:
    return search_order(of, searches, is_physical=True)


def places(of: Arrival, searches: SearchCounts = NOTHING) -> list[str]:
    """Return the places of an order of a physical inspection, first to last."""
    return [step.place for step in search(of, searches).steps if step.place is not None]


def chances(of: Arrival, searches: SearchCounts) -> dict[str, float]:
    return {place: rate.chance for place, rate in rate_places(of, searches).items()}


def lowered_by_a_find(searches: SearchCounts, place: str, of: Arrival) -> bool:
    """Tell whether a find of one more place makes it less likely."""
    before, then = chances(of, searches), chances(of, after(searches, place, found=1))
    return place in then and then[place] < before.get(place, 0.0)


@given(known, codes, classes)
def test_a_find_never_lowers_its_place(counts: Any, place: str, vehicle_class: str) -> None:
    assert not lowered_by_a_find(whole(counts), place, vehicle(vehicle_class))


def test_a_find_that_lowers_its_place_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: a search counts as one in vain, whatever it found."""
    monkeypatch.setattr(rates, "_factor", lambda counts, *_: 1.0 / (1 + counts[0]))
    assert lowered_by_a_find(NOTHING, "trailer.floor", vehicle())


@given(known, st.sampled_from(PLACES), classes)
def test_a_search_in_vain_never_raises_its_place(
    counts: Any, place: str, vehicle_class: str
) -> None:
    of, before = vehicle(vehicle_class), whole(counts)
    was, now = chances(of, before), chances(of, after(before, place, found=0))
    assert set(was) == set(now)
    assert now.get(place, 0.0) <= was.get(place, 0.0) * (1 + 1e-9)


def contradictions(order: SearchOrder) -> list[str]:
    """Return the places that stand behind one where a find takes longer."""
    pairs = itertools.pairwise(order.figures)
    return [two.place for one, two in pairs if two.hours_per_find < one.hours_per_find]


def misleads(order: SearchOrder, searches: SearchCounts) -> list[str]:
    """Return the steps whose equipment does not work."""
    absent = {code for code, number in searches.equipment.items() if number == 0}
    needed = {"weighing": "weighbridge"}
    return [s.what for s in order.steps if needed.get(s.method, s.method) in absent]


@given(known, classes, bodies, st.sampled_from((True, False, None)), equipment, signs)
def test_every_order_is_thorough_by_what_works_and_follows_its_figures(
    counts: Any, vehicle_class: str, body: Any, is_empty: bool | None, works: Any, seen: Any
) -> None:
    of = vehicle(vehicle_class, is_empty=is_empty, body=body)
    searches = whole(counts, equipment=works, signs=seen)
    order, found = search(of, searches), places(of, searches)
    rated = rate_places(of, searches)
    reached = [p for p in rated if choose_method(p, works) or p == "cargo.inside"]
    assert len(found) == len(set(found)) >= min(SEARCHED_FIRST, len(reached) - 1)
    assert len(set(map(group, found))) >= min(FEWEST_GROUPS, len(set(map(group, reached))) - 1)
    assert [figures.place for figures in order.figures] == found
    assert not contradictions(order) and not misleads(order, searches)


def test_an_order_that_contradicts_its_figures_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: an order that the checklist makes, with figures that searches made."""
    searches = whole({CLASS: {"cargo.among": (881, 0), "fuel.tank": (785, 12)}})
    assert not contradictions(search(vehicle(), searches))
    monkeypatch.setattr(order, "spread", lambda _: list(USUAL_PLACES["truck"][:6]))
    assert contradictions(search(vehicle(), searches))


def test_an_order_to_scan_without_a_scanner_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: the method that suits a place is named, whatever works."""
    searches = replace(NOTHING, equipment={"xray": 0})
    assert not misleads(search(vehicle(), searches), searches)
    monkeypatch.setattr(order, "choose_method", lambda place, _: choose_method(place, {}))
    assert misleads(search(vehicle(), searches), searches)


@pytest.mark.parametrize("vehicle_class", USUAL_PLACES)
def test_where_nothing_is_known_the_checklist_stands(vehicle_class: Any) -> None:
    worth = {
        place: -rate / METHOD_MINUTES[METHODS.get(place, "physical")]
        for place, rate in PRIOR[vehicle_class].items()
    }
    first = sorted(worth, key=lambda place: (worth[place], place))[:3]
    assert places(vehicle(vehicle_class))[:3] == first
    assert {step.why for step in search(vehicle(vehicle_class)).steps} == {"usual"}


def test_a_place_that_only_a_scanner_reaches_is_named_and_not_searched_without_one() -> None:
    held = whole({scope: {"chassis.axle": (40, 12)} for scope in SCOPES})
    assert places(vehicle(), held)[0] == "chassis.axle"
    order = search(vehicle(), replace(held, equipment={"xray": 0, "canine": 1}))
    assert "chassis.axle" not in [step.place for step in order.steps]
    assert order.unreached == {"chassis.axle": "xray"}
    assert search(vehicle(), held).unreached == {}


def test_what_a_roster_says_goes_before_what_the_network_file_states() -> None:
    assert join_equipment({}, {}) == {}, "nothing is known"
    whole_post = join_equipment({"canine": 1}, {})
    assert whole_post == {"xray": 0, "canine": 1, "weighbridge": 0}, "a file states all there is"
    assert join_equipment({"xray": 1}, {"xray": 0})["xray"] == 0, "it is broken tonight"
    assert join_equipment({}, {"xray": 0}) == {"xray": 0}, "of dogs nothing is known"


def test_a_place_never_searched_keeps_its_prior() -> None:
    searched = {"cargo.among": (3000, 0)}
    rate = chances(vehicle(), whole({ALL: searched, CLASS: searched, LOAD: searched}))
    alone = chances(vehicle(), NOTHING)
    assert rate["trailer.floor"] == alone["trailer.floor"]
    assert rate["cargo.among"] < 0.5 * alone["cargo.among"] < rate["trailer.floor"]


def test_what_is_found_is_learnt_in_every_scope_and_said() -> None:
    often = {"chassis.axle": (1000, 60)}
    said = {BODY: "body", GOODS: "goods", CORRIDOR: "corridor"}
    for scope in SCOPES:
        first = search(vehicle(), whole({scope: often})).steps[0]
        assert (first.place, first.why) == ("chassis.axle", said.get(scope, "usual"))
    vans = chances(vehicle("van"), whole({ALL: often}))
    assert vans["chassis.axle"] > chances(vehicle("van"), NOTHING)["chassis.axle"]


def test_an_empty_vehicle_has_no_cargo_unless_there_was_some() -> None:
    empty = vehicle(is_empty=True)
    assert not [place for place in places(empty) if group(place) == "cargo"]
    held = whole({LOAD: {"cargo.among": (50, 3)}, CLASS: {"cargo.among": (50, 3)}})
    assert places(empty, held)[0] == "cargo.among"


def test_a_find_in_an_unlisted_place_is_looked_for_again_and_counts_for_its_group() -> None:
    held = whole({scope: {"trailer.box": (20, 10)} for scope in (ALL, CLASS)})
    first = search(vehicle(), held).steps[0]
    assert (first.place, first.method) == ("trailer.box", "physical")
    alone = chances(vehicle(), NOTHING)
    assert chances(vehicle(), held)["trailer.doors"] > alone["trailer.doors"]


@pytest.mark.parametrize("body", get_args(BodyType))
def test_a_cooling_unit_is_searched_on_what_has_one(body: BodyType) -> None:
    found = whole({CLASS: {"trailer.refrigeration": (50, 20)}})
    has_one = not "trailer.refrigeration".startswith(LACKED_BY_BODY[body])
    assert ("trailer.refrigeration" in places(vehicle(body=body), found)) is has_one
    assert has_one == (body in ("reefer", "bus", "van", "car", "other"))


def actions(of: Arrival, *, is_physical: bool = True, **more: Any) -> list[str]:
    steps = search_order(of, whole({}, **more), is_physical=is_physical).steps
    return [step.what for step in steps]


def test_goods_ask_for_steps_of_their_own() -> None:
    tanker = vehicle(body="tank", hs_code="271012")
    assert {"dip_tank", "measure_density"} <= set(actions(tanker))
    assert "look_among" not in actions(tanker)
    sacks, axle = vehicle(hs_code="110100"), vehicle(hs_code="940360")
    assert "sample_test" in actions(sacks) and "sample_test" not in actions(axle)
    opened = next(step for step in search(sacks).steps if step.what == "sample_test")
    assert (opened.kind, opened.place, opened.packages) == ("goods", "cargo.disguised", 20)
    acid = search(vehicle(hs_code="291521", body="container"))
    assert {"check_permit", "measure_density"} <= {step.what for step in acid.steps[:5]}
    assert {step.why for step in acid.steps if step.what == "check_permit"} == {"precursor"}


def test_every_laden_vehicle_has_steps_on_papers_and_goods_and_what_differs_goes_first() -> None:
    lorry = vehicle(hs_code="940360", seal_numbers=("S1",), tir_carnet="XB1", weighed_mass_kg=2e4)
    usual = search(lorry).steps
    assert {step.kind for step in usual} == {"place", "goods", "papers"}
    assert next(step for step in usual if step.what == "compare_seals").why == "tir"
    assert all(step.kind != "papers" for step in usual[:3])
    for seen, what in (
        ("seals_differ", "compare_seals"),
        ("trailer_differs", "compare_vehicle"),
        ("came_laden", "compare_mass"),
        ("lighter", "compare_mass"),
    ):
        first = search(lorry, whole({}, signs=(seen,))).steps[0]
        assert (first.kind, first.what, first.why) == ("papers", what, seen)
    moved = search(lorry, whole({}, signs=("trailer_differs",))).steps
    assert {s.why for s in moved if (s.place or "").startswith("trailer.")} == {"trailer_differs"}


def test_documents_and_scan_have_an_order_of_papers_goods_and_what_a_scanner_shows() -> None:
    lorry = vehicle(hs_code="940360", body="box")
    steps = search_order(lorry, NOTHING, is_physical=False).steps
    assert {step.method for step in steps} <= {"documents", "weighing", "xray"}
    assert {"compare_invoice", "count_packages", "weigh"} <= {step.what for step in steps}
    assert [step.kind for step in steps] == sorted(
        (step.kind for step in steps), key=("papers", "goods", "place").index
    ) or any(step.what == "look_among" for step in steps)
    unscanned = actions(lorry, is_physical=False, equipment={"xray": 0, "weighbridge": 0})
    assert "look_among" not in unscanned and "weigh" not in unscanned


def signs_of(arrival: Arrival, **seen: float) -> tuple[Sign, ...]:
    """Return the signs of what the opposite post recorded, under tolerances of 1,500 and 500 kg."""
    features = {f"mirror_{name}": value for name, value in seen.items()}
    return find_signs(arrival, features, load_kg=1500.0, mass_kg=500.0)


def test_signs_are_what_the_opposite_post_recorded_otherwise() -> None:
    lorry = vehicle(seal_numbers=("S1",))
    assert signs_of(lorry, was_empty=1.0, mass_gap=13_600.0, seals_differ=1.0) == (
        "came_laden", "heavier", "seals_differ",
    )  # fmt: skip
    assert signs_of(lorry, seals_differ=0.0) == ("same_seals",)
    assert signs_of(vehicle(is_empty=True), was_empty=1.0) == ()
    assert signs_of(lorry) == ()


def test_masses_differ_beyond_the_tolerance_of_the_scales_alone() -> None:
    lorry = vehicle()
    assert signs_of(lorry, mass_gap=500.0) == signs_of(lorry, mass_gap=-500.0) == ()
    assert signs_of(lorry, mass_gap=501.0) == ("heavier",)
    assert signs_of(lorry, mass_gap=-501.0) == ("lighter",)
    assert signs_of(lorry, was_empty=1.0, mass_gap=400.0) == (), "it gained no load"
    assert signs_of(lorry, was_empty=1.0) == ("came_laden",), "it was not weighed"


def test_chemicals_and_dangerous_goods_ask_for_care() -> None:
    assert precautions(vehicle(hs_code="291521")) == ("chemicals",)
    acid = vehicle(hs_code="291521")
    assert acid.declaration is not None
    item = acid.declaration.items[0].model_copy(update={"un_number": "2789"})
    marked = acid.declaration.model_copy(update={"items": (item,)})
    found = precautions(acid.model_copy(update={"declaration": marked}))
    assert found == ("dangerous_goods", "chemicals")
    assert precautions(vehicle()) == precautions(vehicle(hs_code="940360")) == ()


def names(steps: Sequence[SearchStep]) -> list[str]:
    return [step.place or step.what for step in steps]


def test_different_lorries_begin_differently() -> None:
    lorries = [
        vehicle(body="tank", hs_code="271012"),
        vehicle(body="reefer", hs_code="080610"),
        vehicle(body="flat", hs_code="721420"),
        vehicle(body="tilt", hs_code="520100", is_empty=False),
        vehicle(body="tilt", is_empty=True),
    ]
    assert len({tuple(names(search(one).steps)) for one in lorries}) == len(lorries)
