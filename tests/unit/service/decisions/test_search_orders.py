"""A search order learns from acts and seizures, and is made again from what was known then."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine import search_orders
from engine.queue.queue import list_decisions
from tests.support.running_service import World, arrival, decide_until
from tests.unit.service.reports.test_acts import act, find

CARRIER = "carrier-of-hidden-loads"
START = 90_000


def decide_red(world: World, start: int) -> dict[str, Any]:
    """Ask for decisions on vehicles of one carrier until one is red."""

    def make(number: int) -> dict[str, Any]:
        about = {"vehicle_class": "truck", "is_empty": False, "carrier_id": CARRIER}
        return arrival(number, **about, driver_ref=f"driver-{number}")

    return decide_until(world, "red", range(start, start + 500), make)


@pytest.fixture(scope="module")
def later_decision(world: World) -> dict[str, Any]:
    """Find something in one place, search others in vain, and ask for the next of its carrier."""
    first = decide_red(world, START)
    searched = ["cargo.among", "trailer.floor", "chassis.axle"]
    body = act(START, first["crossing_id"], places_searched=searched, outcome="seizure")
    assert world.post("/v1/inspections", body).status_code == 201
    seizure = {
        "seizure_id": "hidden-1",
        "inspection_id": f"i-{START}",
        "crossing_id": first["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
        "place": "chassis.axle",
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    return decide_red(world, START + 500)


def test_the_next_order_looks_where_something_was_found(later_decision: dict[str, Any]) -> None:
    first = later_decision["search_order"][0]
    assert first["place"] == "chassis.axle"
    assert first["why"].endswith(
        "; 1 of 1 search on trucks found something; once on vehicles of this carrier"
    )


def test_only_red_vehicles_have_an_order_and_what_it_stands_on(
    world: World, later_decision: dict[str, Any]
) -> None:
    find(world, "yellow", START + 1000)
    with world.runtime.store.read() as connection:
        for filed in list_decisions(connection, post=None, channel=None, since=0, most=1000):
            body = world.runtime.journal.body(connection, filed.seq)
            is_red = body["decision"]["channel"] == "red"
            assert bool(body["decision"]["search_order"]) == is_red
            assert (body["inputs"]["searches"] is not None) == is_red


def again(world: World) -> list[bool]:
    """Tell of every red decision whether it comes out the same."""
    with world.runtime.store.read() as connection:
        filed = list_decisions(connection, post=None, channel=3, since=0, most=1000)
        return [world.runtime.recompute.decision(connection, f.seq).is_identical for f in filed]


def test_an_order_is_made_again_whatever_was_found_since(
    world: World, later_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = again(world)
    assert len(same) >= 2 and all(same)
    monkeypatch.setattr(search_orders, "SEARCHED_FIRST", 5)
    assert not any(again(world)), "another way of making orders is noticed"
