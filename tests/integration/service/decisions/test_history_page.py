"""The past on a decision's page: for who may know it, drawn from what the JSON route answers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.auth.permissions import BOUND
from api.decisions.panels import (
    GRAPH_WIDTH,
    LEFT,
    LONGEST_NAME,
    NAME_WIDTH,
    RIGHT,
    SPANS,
    draw_ties,
    draw_timeline,
)
from engine.domain.rights import Role
from tests.integration.service.decisions.test_decision_page import path, send
from tests.support.page_session import Desk, at_desk, user
from tests.support.running_service import OTHER, POST, World, arrival, decide_until
from tests.unit.service.reports.test_acts import act, find

START = 130_000
UNTIL = datetime(2026, 3, 10, 12, tzinfo=UTC)


def cross_border(world: World, number: int, post: str = POST, **crossing: Any) -> dict[str, Any]:
    body = arrival(number, plate="01B777CC", driver_ref="d-past", carrier_id="k-past")
    body["crossing"] |= {"post": post} | crossing
    headers = {} if post == POST else {"Authorization": f"Bearer {world.other}"}
    found: dict[str, Any] = world.decide(body, **headers).json()
    assert "decision_id" in found, found
    return found


def test_the_route_tells_what_came_before_and_not_after(world: World) -> None:
    first = cross_border(world, START)
    result = act(START, first["crossing_id"], outcome="discrepancy", methods=["physical"])
    assert world.post("/v1/inspections", result).status_code == 201
    cross_border(world, START + 1, plate="01B888CC")  # another vehicle of its driver
    last = cross_border(world, START + 2)
    cross_border(world, START + 3)
    found = world.get(f"/v1{path(last)}/past").json()
    of = {one["whose"]: one for one in found["entities"]}
    assert of["plate"]["crossings_ever"] == 1 and of["driver"]["crossings_ever"] == 2
    assert of["plate"]["totals"] == {"find": 1} and of["plate"]["crossings_by_week"][-1] == 1
    assert [one["decision_id"] for one in found["crossings"]] == [first["decision_id"]]
    ties = {(one["via"], one["to"]): one for one in found["ties"]}
    assert [one["name"] for one in ties["driver", "plate"]["fellows"]] == ["01B888CC"]
    assert {(one["one"], one["other"]): one["crossings"] for one in found["together"]}[
        "plate", "driver"
    ] == 1
    page = at_desk(world, "past-boss").get(path(last)).text
    assert 'class="timeline"' in page and "01B888CC" in page
    assert f'href="{path(first)}"' in page


def test_who_is_blind_or_elsewhere_is_not_shown_it(world: World) -> None:
    own = {"plate": "01B999CC", "driver_ref": "d-else", "carrier_id": "k-else"}
    there = cross_border(world, START + 100, OTHER, **own)
    cross_border(world, START + 99, OTHER, **own | {"plate": "01B998CC"})  # another of its driver's
    numbers = range(START + 101, START + 500)
    here = decide_until(
        world, "red", numbers, lambda number: arrival(number, **own, crossing_id=f"x-{number}")
    )
    officer = at_desk(world, "past-officer", Role.CHECKPOINT)
    assert world.get(f"/v1{path(here)}/past", Role.CHECKPOINT).status_code == 403
    assert 'id="past"' not in officer.get(path(here)).text
    assert send(officer, here, "acts", outcome="clear", methods=["physical"]).status_code == 303
    assert world.get(f"/v1{path(here)}/past", Role.CHECKPOINT).status_code == 403
    every = world.get(f"/v1{path(here)}/past").json()
    assert OTHER in {one["post"] for one in every["crossings"]}
    assert there["decision_id"] not in officer.get(path(here)).text
    assert any(one["name"] for tie in every["ties"] for one in tie["fellows"])
    elsewhere = Desk(world)
    elsewhere.sign_in("past-elsewhere", user(world, "past-elsewhere", Role.CHECKPOINT, OTHER))
    assert elsewhere.get(path(here)).status_code == 404
    assert Role.CHECKPOINT in BOUND


def test_a_model_that_is_gone_leaves_the_rest_of_the_page(world: World) -> None:
    red = find(world, "red", START + 1000)
    world.models.broken = frozenset({"m1"})
    try:
        text = at_desk(world, "past-gone").get(path(red))
    finally:
        world.models.broken = frozenset()
    assert text.status_code == 200 and "No model that remembers seizures" in text.text


KINDS = st.sampled_from(["clear", "find", "seizure", "elsewhere", "passed"])
EVENTS = st.lists(st.tuples(st.integers(0, 364 * 24 - 1), KINDS), max_size=30)
WEEKS = st.lists(st.integers(0, 40), min_size=52, max_size=52)


@settings(max_examples=30)
@given(st.lists(st.tuples(WEEKS, EVENTS), max_size=6))
def test_every_week_is_drawn_inside_its_lane(lanes: list[Any]) -> None:
    entities = [
        {
            "whose": "plate",
            "name": "x" * 64,
            "crossings_by_week": weeks,
            "events": [
                {"known_at": (UNTIL - timedelta(hours=hours)).isoformat(), "kind": kind, "count": 1}
                for hours, kind in events
            ],
        }
        for weeks, events in lanes
    ]
    made = draw_timeline(entities, UNTIL)
    assert made.weeks in SPANS
    for lane, (weeks, events) in zip(made.lanes, lanes, strict=True):
        assert lane.bars.count("M") == sum(count > 0 for count in weeks)
        assert sum(sign.count for sign in lane.signs) == len(events)
        assert all(LEFT < sign.x < RIGHT for sign in lane.signs)
        assert len(lane.short) <= LONGEST_NAME
    assert all(LEFT <= month.x <= RIGHT for month in made.months)


def test_every_month_has_room_for_its_name_on_every_day_of_a_year() -> None:
    drawn = [draw_timeline([], UNTIL + timedelta(days=day)).months for day in range(366)]
    assert all(2 <= len(months) <= 4 for months in drawn)
    assert max(month.x for months in drawn for month in months) <= RIGHT - NAME_WIDTH


def test_the_graph_has_room_for_all_it_shows() -> None:
    whose = ("plate", "trailer", "driver", "carrier", "consignee", "declarant")
    fellow = {"name": None, "mark": "abcdef", "crossings": 1, "inspected": 1, "hits": 1}
    pairs = (("plate", "driver"), ("plate", "trailer"), ("carrier", "consignee"))
    found = {
        "entities": [{"whose": one, "name": "n"} for one in whose],
        "together": [{"one": a, "other": b, "crossings": 0} for a, b in pairs],
        "ties": [
            {"via": "driver", "to": to, "known": 9, "passed": 1, "fellows": [fellow] * 3}
            for to in ("plate", "carrier")
        ],
    }
    made = draw_ties(found)
    assert [one.whose for one in made.own] == list(whose) and len(made.joins) == 3
    middles = [other.y for group in made.groups for other in group.others]
    assert middles == sorted(middles) and len(middles) == 6
    assert all(b - a >= 20 for a, b in pairwise(middles))
    assert max(middles) < made.height and all(0 < one.x < GRAPH_WIDTH for one in made.joins)
