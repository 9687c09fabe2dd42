"""A decision: its shape, the same answer again; and a new one for a changed declaration."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.decisions.answers import CheckpointView, SupervisorView
from engine.criteria.indicator_rules import RULES_VERSION
from engine.decision.role_views import BLIND
from engine.domain.rights import Role
from engine.selection import Channel
from tests.support.running_service import OTHER, POST, World, arrival
from tests.support.sizes import PROOF
from tests.unit.service.reports.test_acts import find

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
        assert bool(one["search_order"]) == (one["channel"] in ("red", "yellow"))
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


def decide_arrival(world: World, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    body = arrival(number)
    return body, world.decide(body).json()


def amend(world: World, decision: Any, body: Any, role: Role = Role.CHECKPOINT) -> Any:
    return world.post(f"/v1/decisions/{decision['decision_id']}/amendments", body, role)


def heavier(body: dict[str, Any], kg: float, **crossing: Any) -> dict[str, Any]:
    changed = deepcopy(body)
    changed["declaration"]["items"][0]["net_mass_kg"] = kg
    changed["crossing"] |= crossing
    return changed


def inputs(world: World, decision: dict[str, Any]) -> dict[str, Any]:
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, decision["receipt"]["sequence"])
    found: dict[str, Any] = body["inputs"]
    return found


def test_an_amendment_draws_the_same_numbers_from_the_same_past(world: World) -> None:
    body, first = decide_arrival(world, 85_000)
    changed = heavier(body, 9_999.0, plate="99Z999ZZ")
    second = amend(world, first, changed).json()
    third = amend(world, second, heavier(body, 1.0)).json()
    assert len({one["decision_id"] for one in (first, second, third)}) == 3
    once, twice, thrice = (inputs(world, one) for one in (first, second, third))
    assert once["draws"] == twice["draws"] == thrice["draws"]
    assert once["rules"] == RULES_VERSION
    assert once["as_of"] == twice["as_of"] == thrice["as_of"]
    assert (twice["amends"], thrice["amends"]) == (first["decision_id"],) * 2
    assert [one["amendment"] for one in (once, twice, thrice)] == [0, 1, 2]
    assert "amends" not in first and second["amends"] == third["amends"] == first["decision_id"]
    assert world.get(f"/v1/decisions/{third['decision_id']}").json()["amends"] == second["amends"]
    assert "amended" in [fact["code"] for fact in second["facts"]]
    assert amend(world, first, changed).json() == second
    with world.runtime.store.read() as connection:
        for one in (first, second, third):
            seq = one["receipt"]["sequence"]
            assert world.runtime.recompute.decision(connection, seq).is_identical


def test_three_times_is_enough(world: World) -> None:
    body, first = decide_arrival(world, 85_001)
    answers = [amend(world, first, heavier(body, 10.0 + n)).status_code for n in range(5)]
    assert answers == [201, 201, 201, 429, 429]
    assert amend(world, first, heavier(body, 10.0)).status_code == 201, "asked before"


def test_only_the_last_decision_of_a_vehicle_waits(world: World) -> None:
    red = find(world, "red", 86_000)
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, red["receipt"]["sequence"])["arrival"]
    again = amend(world, red, body | {"crossing": body["crossing"] | {"weighed_mass_kg": 1.0}})
    assert again.status_code == 201
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    ids = [one["decision_id"] for one in waiting if one["crossing_id"] == red["crossing_id"]]
    assert red["decision_id"] not in ids
    assert len(ids) == (again.json()["channel"] in ("yellow", "red"))


def test_another_movement_is_no_amendment(world: World) -> None:
    body, first = decide_arrival(world, 85_004)
    for wrong in ({"crossing_id": "other"}, {"direction": "exit"}):
        assert amend(world, first, heavier(body, 5.0, **wrong)).status_code == 422
    assert amend(world, first, heavier(body, 5.0, post=OTHER)).status_code == 403
    assert amend(world, {"decision_id": "dec-none"}, heavier(body, 5.0)).status_code == 404
