"""A roster that a supervisor puts moves the cut of the very next arrivals."""

from typing import Any

import pytest

from engine.domain.rights import Role
from tests.support.page_session import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import find

PATH = f"/v1/posts/{POST}/roster"
QUEUE = f"/posts/{POST}/queue"


@pytest.fixture
def put(world: World) -> Any:
    """Put rosters, and take back the last one afterwards: the world is shared."""

    def put(minutes: Any, role: Role = Role.SUPERVISOR, path: str = PATH, **headers: str) -> Any:
        body = {"minutes": minutes}
        return world.client.put(path, json=body, headers=world.headers(role) | headers)

    yield put
    assert put({"canine": 60.0}).status_code == 201  # bounds no channel


def policies(world: World, numbers: range) -> list[dict[str, Any]]:
    """Decide on arrivals and return the policy that each was decided by."""
    found = []
    for number in numbers:
        decided = world.decide(arrival(number)).json()
        with world.runtime.store.read() as connection:
            seq = decided["receipt"]["sequence"]
            body = world.runtime.journal.body(connection, seq)
        found.append(body["inputs"]["policy"])
    return found


def test_without_minutes_the_score_picks_no_vehicle(world: World, put: Any) -> None:
    before = policies(world, range(60_000, 60_003))
    assert put({"physical": 0.0, "documents": 0.0}).status_code == 201
    after = policies(world, range(60_010, 60_013))
    assert all(policy["red_share"] > 0 < policy["yellow_share"] for policy in before)
    assert all(policy["red_share"] == 0 == policy["yellow_share"] for policy in after)
    assert all(policy["random_share"] == 0.03 for policy in before + after)


def test_where_the_shift_stands_can_be_read(world: World, put: Any) -> None:
    put({"physical": 5_000.0})
    policies(world, range(60_100, 60_110))
    stands = world.get(PATH).json()
    (red,) = stands["channels"]
    assert (red["channel"], red["minutes"], red["oversubscribed"]) == ("red", 5_000.0, False)
    assert red["left"] == pytest.approx(5_000.0 - red["picked"] - red["mandated"])
    assert world.get(PATH, Role.CHECKPOINT).json()["channels"][0]["minutes"] == 5_000.0


def test_the_minutes_do_not_tell_a_checkpoint_what_picked_a_vehicle(world: World, put: Any) -> None:
    put({"physical": 5_000.0, "documents": 5_000.0})
    policies(world, range(60_200, 60_205))
    seen, whole = (world.get(PATH, role).json() for role in (Role.CHECKPOINT, Role.SUPERVISOR))
    for blind, side in zip(seen["channels"], whole["channels"], strict=True):
        hidden = (blind["picked"], blind["mandated"], blind["oversubscribed"])
        assert hidden == (None, None, None) and side["oversubscribed"] is False
        assert blind["left"] == side["left"] == side["minutes"] - side["picked"] - side["mandated"]


def test_a_bad_roster_is_refused(world: World, put: Any) -> None:
    for minutes in ({}, {"physical": -1.0}, {"hammer": 10.0}, {"physical": 1e9}, None):
        assert put(minutes).status_code == 422
    assert put({"physical": 10.0}, path="/v1/posts/NOWHERE/roster").status_code in (404, 422)
    for role in Role:
        if role is not Role.SUPERVISOR:
            assert put({"physical": 10.0}, role=role).status_code == 403
    assert world.client.put(PATH, json={"minutes": {}}).status_code == 401


def test_the_same_key_puts_a_roster_once(world: World, put: Any) -> None:
    key = {"Idempotency-Key": "roster-1"}
    one, again = (put({"physical": 77.0}, **key).json() for _ in range(2))
    assert one == again
    assert put({"physical": 78.0}, **key).status_code == 409
    assert put({"physical": 77.0}, path=f"/v1/posts/{OTHER}/roster", **key).status_code == 201


def test_a_roster_says_what_works_and_an_order_uses_nothing_else(world: World) -> None:
    def put(**equipment: int) -> Any:
        body = {"minutes": {"canine": 60.0}} | ({"equipment": equipment} if equipment else {})
        return world.client.put(PATH, json=body, headers=world.headers(Role.SUPERVISOR))

    def methods_of_red(start: int) -> set[str]:
        return {step["method"] for step in find(world, "red", start)["search_order"]}

    assert {"xray", "canine"} & methods_of_red(61_000)
    assert put(xray=0, canine=0).status_code == 201
    assert world.get(PATH, Role.CHECKPOINT).json()["equipment"] == {"xray": 0, "canine": 0}
    assert methods_of_red(61_500) == {"physical"}
    green = find(world, "green", 62_000)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    path = f"/v1/decisions/{green['decision_id']}"
    assert world.post(f"{path}/reviews", override, Role.SUPERVISOR).status_code == 201
    order = world.get(path).json()["search_order"]
    assert order and {step["method"] for step in order} == {"physical"}, "an override's order too"
    assert "documents; no scanner works here" in at_desk(world, "unscanned").get(QUEUE).text
    for wrong in ({"xray": -1}, {"xray": 1.5}, {"X ray": 1}):
        assert put(**wrong).status_code == 422
    misspelt = put(scaner=1)
    assert misspelt.status_code == 422 and "unknown_equipment" in misspelt.text
    assert put().status_code == 201 and world.get(PATH).json()["equipment"] == {}
    assert "documents and scan" in at_desk(world, "scanning").get(QUEUE).text
