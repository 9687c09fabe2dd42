"""The past on a decision's page: for who may know it, drawn from what the JSON route answers."""

from typing import Any

from api.auth.permissions import BOUND
from engine.domain.rights import Role
from tests.integration.service.decisions.test_decision_page import path, send
from tests.support.people import Desk, at_desk, user
from tests.support.running_service import OTHER, POST, World, arrival, decide_until
from tests.unit.service.reports.test_acts import act, find

START = 130_000


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
    alike = text.text.partition('id="alike"')[2].partition("</section>")[0]
    assert text.status_code == 200
    assert "Not known" in alike, "which is not the same as none"
