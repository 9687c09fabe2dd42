"""A supervisor upholds or overrides; the queue follows, the decision stays."""

from typing import Any

from api.roles import Role
from engine.filing import read_back
from engine.queue import filed
from engine.ranking import place_of
from engine.selection import Channel
from tests.service.test_acts import act, find
from tests.service.world import POST, World

START = 80_000
OVERRIDE = {"verdict": "override", "reason_code": "officer_observation", "reason": "Fresh paint."}


def said(world: World, decision: Any, body: Any, role: Role = Role.SUPERVISOR) -> Any:
    return world.post(f"/v1/decisions/{decision['decision_id']}/reviews", body, role)


def queued(world: World) -> list[str]:
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return [one["crossing_id"] for one in waiting]


def test_an_override_moves_the_queue_and_not_the_decision(world: World) -> None:
    green = find(world, "green", START)
    assert said(world, green, OVERRIDE | {"channel": "red"}).status_code == 201
    assert green["crossing_id"] in queued(world)
    seen = world.get(f"/v1/decisions/{green['decision_id']}").json()
    assert seen["channel"] == "green"
    (review,) = seen["reviews"]
    assert (review["verdict"], review["channel"]) == ("override", "red")
    assert said(world, green, OVERRIDE | {"channel": "green"}).status_code == 201
    assert green["crossing_id"] not in queued(world)


def test_an_override_takes_a_drawn_place(world: World) -> None:
    """Its own place, far below any red one, would tell a checkpoint how low its risk was."""
    green = find(world, "green", START + 3000)
    assert said(world, green, OVERRIDE | {"channel": "red"}).status_code == 201
    with world.runtime.store.read() as connection:
        now = filed(connection, green["decision_id"])
        found = read_back(world.runtime.journal.body(connection, now.seq)).inputs
    lowest = 1 - 1.25 * found.policy.red_share  # the lowest risk of this model that it picks
    assert now.channel is Channel.RED
    assert now.place >= place_of(Channel.RED, lowest, minutes=found.minutes)


def test_upheld_is_said_and_changes_nothing(world: World) -> None:
    red = find(world, "red", START + 500)
    before = queued(world)
    upheld = said(world, red, {"verdict": "uphold", "reason_code": "agreed"})
    assert upheld.status_code == 201
    assert upheld.json()["receipt"]["sequence"] > red["receipt"]["sequence"]
    assert queued(world) == before


def test_a_searched_vehicle_does_not_wait_again(world: World) -> None:
    red = find(world, "red", START + 1000)
    assert world.post("/v1/inspections", act(90_001, red["crossing_id"])).status_code == 201
    assert said(world, red, OVERRIDE | {"channel": "yellow"}).status_code == 201
    assert red["crossing_id"] not in queued(world)


def test_a_key_that_named_one_decision_does_not_stand_for_another(world: World) -> None:
    one, other = find(world, "green", START + 2000), find(world, "green", START + 2500)
    body = {"verdict": "uphold", "reason_code": "agreed"}
    paths = [f"/v1/decisions/{decision['decision_id']}/reviews" for decision in (one, other)]
    first = world.post(paths[0], body, Role.SUPERVISOR, key="r-1")
    assert first.status_code == 201
    assert world.post(paths[0], body, Role.SUPERVISOR, key="r-1").content == first.content
    assert world.post(paths[1], body, Role.SUPERVISOR, key="r-1").status_code == 409


def test_a_bad_review_is_refused(world: World) -> None:
    green = find(world, "green", START + 1500)
    for at, wrong in (
        ("channel", {"verdict": "override", "reason_code": "x", "reason": "why"}),
        ("reason", {"verdict": "override", "reason_code": "x", "channel": "red"}),
        ("reason", {"verdict": "override", "reason_code": "x", "channel": "red", "reason": "  "}),
        ("verdict", {"verdict": "perhaps", "reason_code": "x"}),
        ("reason_code", {"verdict": "uphold"}),
    ):
        refused = said(world, green, wrong)
        assert refused.status_code == 422 and refused.json()["fields"][0]["at"] == at
    assert (
        said(world, {"decision_id": "dec-none"}, OVERRIDE | {"channel": "red"}).status_code == 404
    )
    for role in Role:
        if role is not Role.SUPERVISOR:
            assert said(world, green, OVERRIDE | {"channel": "red"}, role).status_code == 403
