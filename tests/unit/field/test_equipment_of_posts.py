"""Statements about the field: a search order asks for what is there, and says what is not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from engine.domain.network import read_network
from engine.domain.records import Arrival, Crossing, VehicleClass
from engine.search_orders import order as search_order_module
from engine.search_orders.order import SearchOrder, choose_method, join_equipment, search_order
from engine.search_orders.rates import SCOPES, SearchCounts, any_of
from experiments.synthetic.posts import POSTS
from tests.unit.field.broken_statements import list_broken

FILE = """
[[posts]]
code = "AYR"
name = "Ayritom"
country = "UZ"
[posts.equipment]
xray = 1
canine = 1
[[posts]]
code = "HAI"
name = "Hairatan"
country = "AF"
[posts.equipment]
canine = 1
[[posts]]
code = "DUS"
name = "Dusti"
country = "TJ"
"""
NETWORK = read_network(Path("network.toml"), text=FILE)
CLASSES: tuple[VehicleClass, ...] = get_args(VehicleClass)
AXLES = dict.fromkeys(("chassis.axle", any_of("chassis.axle")), (40, 12))
LEARNT = SearchCounts(dict.fromkeys(SCOPES, AXLES))
"""Much was found in axle tubes, which only a scanner reaches."""


def order(
    post: str,
    vehicle_class: VehicleClass = "truck",
    *,
    known: SearchCounts = LEARNT,
    tonight: Mapping[str, int] | None = None,
) -> SearchOrder:
    """Return the order at a post with what its file and its roster say."""
    works = join_equipment(NETWORK.post(post).equipment, tonight or {})
    known = replace(known, equipment=works)
    return search_order(vehicle(post, vehicle_class), known, is_physical=True)


def vehicle(post: str, vehicle_class: VehicleClass) -> Arrival:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    crossing = Crossing(
        crossing_id="c", post=post, direction="entry", arrived_at=at, vehicle_class=vehicle_class
    )
    return Arrival(crossing=crossing)


def methods_of(order: SearchOrder) -> set[str]:
    """Return how the vehicle itself is searched."""
    return {step.method for step in order.steps if step.kind != "papers"}


def test_a_post_without_a_scanner_is_never_asked_to_scan() -> None:
    for vehicle_class in CLASSES:
        methods = methods_of(order("HAI", vehicle_class))
        assert methods <= {"physical", "canine"}, vehicle_class
    assert "xray" in methods_of(order("AYR"))


def test_a_file_that_states_a_dog_alone_states_that_there_is_no_scanner() -> None:
    works = join_equipment(NETWORK.post("HAI").equipment, {})
    assert works == {"xray": 0, "canine": 1, "weighbridge": 0}


def test_a_file_without_equipment_leaves_it_unknown() -> None:
    assert join_equipment(NETWORK.post("DUS").equipment, {}) == {}
    assert "xray" in methods_of(order("DUS"))


def test_a_scanner_that_failed_tonight_is_not_asked_for() -> None:
    methods = methods_of(order("AYR", tonight={"xray": 0}))
    assert "xray" not in methods and methods <= {"physical", "canine"}


def test_a_place_for_a_scanner_alone_is_first_with_one_and_absent_without() -> None:
    assert (order("AYR").steps[0].place, order("AYR").steps[0].method) == ("chassis.axle", "xray")
    assert "chassis.axle" not in [step.place for step in order("HAI").steps]


def test_what_cannot_be_searched_is_named() -> None:
    assert order("HAI").unreached == {"chassis.axle": "xray"}


def test_the_first_place_has_the_best_stated_expectation() -> None:
    for post in NETWORK.posts:
        for vehicle_class in CLASSES:
            made = order(post, vehicle_class)
            figures = [one.finds_in_1000_minutes for one in made.figures]
            assert figures == sorted(figures, reverse=True)
            assert [one.place for one in made.figures] == [s.place for s in made.steps if s.place]


def test_another_method_takes_longer_for_the_same_finds() -> None:
    without = join_equipment({}, {"xray": 0, "canine": 0})
    suits, other = choose_method("fuel.tank", {}), choose_method("fuel.tank", without)
    assert suits is not None and other is not None
    assert (suits[0], other[0]) == ("xray", "physical")
    assert other[1] > suits[1]


def test_a_rail_wagon_has_no_cab_to_search() -> None:
    steps = order("AYR", "rail_wagon", known=SearchCounts({})).steps
    places = [step.place for step in steps if step.place]
    assert places and not [place for place in places if place.startswith(("cab.", "engine."))]


def test_most_posts_of_the_synthetic_network_have_no_scanner() -> None:
    without = [post.name for post in POSTS if not post.has_scanner]
    assert {"Fotehobod", "Hairatan", "Dostuk"} <= set(without)
    assert len(without) > len(POSTS) / 2


def test_a_scanner_at_every_post_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: places are searched by what suits them, whatever is there."""
    statements = (
        test_a_post_without_a_scanner_is_never_asked_to_scan,
        test_a_scanner_that_failed_tonight_is_not_asked_for,
        test_a_place_for_a_scanner_alone_is_first_with_one_and_absent_without,
        test_what_cannot_be_searched_is_named,
    )
    assert list_broken(*statements) == []
    monkeypatch.setattr(
        search_order_module, "choose_method", lambda place, _: choose_method(place, {})
    )
    assert len(list_broken(*statements)) == len(statements)


def test_an_order_of_a_checklist_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: places in the order of their names, with figures that searches made."""
    statement = test_the_first_place_has_the_best_stated_expectation
    monkeypatch.setattr(search_order_module, "_sort_places", sorted)
    monkeypatch.setattr(search_order_module, "spread", lambda _: ["cab.bags", "chassis.axle"])
    assert list_broken(statement) == [statement.__name__]
