"""A decision: its shape, the same answer again, and who sees what of it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.decisions.answers import CheckpointView, SupervisorView
from engine.decision.role_views import BLIND
from engine.domain.rights import Role
from engine.queue.queue import list_decisions
from engine.selection import Channel
from tests.support.running_service import World, arrival
from tests.support.sizes import PROOF

MANY = 200 if PROOF else 60
CHECKPOINT = TypeAdapter(CheckpointView)
SUPERVISOR = TypeAdapter(SupervisorView)


@pytest.fixture(scope="module")
def decisions(world: World) -> list[dict[str, Any]]:
    """Ask for many decisions at once."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda n: world.decide(arrival(n)), range(1000, 1000 + MANY * 5))
        )
    assert {answer.status_code for answer in answers} == {201}
    return [answer.json() for answer in answers]


def test_a_decision_has_the_shape_it_promises(decisions: list[dict[str, Any]]) -> None:
    for one in decisions:
        CHECKPOINT.validate_python(one)
        assert set(one) == {*BLIND, "decided_at", "receipt"}
        assert one["advisory"] is True and one["mode"] == "model"
        assert 1 <= one["rank"]["position"] <= one["rank"]["of"]
        assert bool(one["search_order"]) == (one["channel"] == "red")
    assert {"green", "yellow", "red"} <= {one["channel"] for one in decisions}


def test_a_record_holds_the_name_of_the_opposite_post(world: World) -> None:
    """So that its reasons can be made again whatever the network file says later."""
    sequence = world.decide(arrival(9_011)).json()["receipt"]["sequence"]
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, sequence)
    assert body["inputs"]["opposite"] == "Fotehobod"


def test_asking_again_gets_the_same_answer(world: World, decisions: list[dict[str, Any]]) -> None:
    body = arrival(7)
    first = world.decide(body)
    assert world.decide(body).content == first.content
    assert world.decide(body, **{"Idempotency-Key": "x1"}).content == first.content


def test_a_key_names_a_request(world: World) -> None:
    body = arrival(8)
    first = world.decide(body, **{"Idempotency-Key": "y1"})
    assert world.decide(body, **{"Idempotency-Key": "y1"}).content == first.content
    other = world.decide(arrival(9), **{"Idempotency-Key": "y1"})
    assert other.status_code == 409


def test_other_content_under_the_same_id_conflicts(world: World) -> None:
    world.decide(arrival(10))
    assert world.decide(arrival(10, weighed_mass_kg=1.0)).status_code == 409
    assert world.post("/v1/crossings", arrival(10)).status_code == 409


def test_a_supervisor_sees_why(world: World, decisions: list[dict[str, Any]]) -> None:
    for one in decisions[:80]:
        seen = world.get(f"/v1/decisions/{one['decision_id']}").json()
        SUPERVISOR.validate_python(seen)
        assert {name: seen[name] for name in one} == one
        assert 0 < seen["propensity"] <= 1
        if one["channel"] in ("yellow", "red"):
            assert len(seen["reasons"]) >= 3


def test_stored_decisions_come_out_the_same(world: World, decisions: list[dict[str, Any]]) -> None:
    channels = set()
    with world.runtime.store.read() as connection:
        for filed in list_decisions(connection, post=None, channel=None, since=0, most=MANY):
            again = world.runtime.recompute.decision(connection, filed.seq)
            assert again.is_identical
            channels.add(again.again["channel"])
    assert len(channels) > 1


def test_a_changed_record_does_not_come_out_the_same(
    world: World, decisions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: one draw of one record is another number, and the recomputation notices."""
    read = world.runtime.journal.body

    def seeded_bug(connection: Any, seq: int, **_: object) -> dict[str, Any]:
        body = read(connection, seq)
        if "inputs" in body:
            body["inputs"]["draws"]["random"] = 0.0
        return body

    monkeypatch.setattr(type(world.runtime.journal), "body", staticmethod(seeded_bug))
    with world.runtime.store.read() as connection:
        green = list_decisions(connection, post=None, channel=int(Channel.GREEN), since=0, most=5)
        assert not any(
            world.runtime.recompute.decision(connection, g.seq).is_identical for g in green
        )


def test_a_list_is_filtered(world: World, decisions: list[dict[str, Any]]) -> None:
    reds = world.get("/v1/decisions?channel=red&post=OYB&limit=1000").json()["decisions"]
    known = {one["decision_id"] for one in decisions if one["channel"] == "red"}
    assert known and known <= {one["decision_id"] for one in reds}
    assert {one["channel"] for one in reds} == {"red"}
    newest = max(one["decided_at"] for one in reds)
    later = world.get(f"/v1/decisions?channel=red&since={newest.replace('+', '%2B')}").json()
    assert len(later["decisions"]) == 1


def test_a_list_is_read_on(world: World, decisions: list[dict[str, Any]]) -> None:
    whole = world.get("/v1/decisions?limit=5").json()["decisions"]
    read: list[dict[str, Any]] = []
    before = ""
    while len(read) < len(whole):
        found = world.get(f"/v1/decisions?limit=2{before}").json()
        read += found["decisions"]
        assert found["next_before"] == read[-1]["receipt"]["sequence"]
        before = f"&before={found['next_before']}"
    assert read[: len(whole)] == whole
    read, before = [], ""
    while before is not None:
        last = world.get(f"/v1/decisions?limit=1000{before}").json()
        read += last["decisions"]
        before = last["next_before"] and f"&before={last['next_before']}"
    numbers = [one["receipt"]["sequence"] for one in read]
    assert len(numbers) >= len(decisions) and numbers == sorted(set(numbers), reverse=True)


def test_features_and_explanation_are_read_again(
    world: World, decisions: list[dict[str, Any]]
) -> None:
    one = next(d for d in decisions if d["channel"] == "green")
    found = world.get(f"/v1/decisions/{one['decision_id']}/features").json()
    assert found["features"]["plate_crossings_365d"] == 0.0
    reasons = world.get(f"/v1/decisions/{one['decision_id']}/explanation").json()["reasons"]
    assert len(reasons) >= 3


def test_the_queue_is_ranked(world: World, decisions: list[dict[str, Any]]) -> None:
    queue = world.get("/v1/posts/OYB/queue", Role.CHECKPOINT).json()["waiting"]
    assert [one["rank"]["position"] for one in queue] == list(range(1, len(queue) + 1))
    levels = [Channel.of(one["channel"]) for one in queue]
    assert levels == sorted(levels, reverse=True) and set(levels) == {Channel.RED, Channel.YELLOW}
    assert set(queue[0]) == {*BLIND, "decided_at", "receipt"}


def test_what_stands_for_a_missing_value_is_a_gap_and_no_key(world: World) -> None:
    sent = arrival(501, plate="NULL", carrier_id="3.01E+08", driver_ref="-", vin="0")
    answer = world.decide(sent)
    assert answer.status_code == 201
    assert {"no_plate", "no_carrier", "no_driver_ref"} <= set(answer.json()["data_gaps"])
    refused = world.decide(arrival(502, crossing_id="N/A"))
    assert refused.status_code == 422
    assert [(one["at"], one["rule"]) for one in refused.json()["fields"]] == [
        ("crossing.crossing_id", "placeholder")
    ]


def test_an_unknown_post_is_refused(world: World) -> None:
    keys = world.headers(Role.SUPERVISOR)
    assert world.client.get("/v1/posts/NOPE/queue", headers=keys).status_code == 404
