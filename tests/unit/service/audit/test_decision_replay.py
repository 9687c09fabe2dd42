"""Stored decisions come out again from the journal alone, of every kind."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from api.cli.main import app
from api.decisions.answers import Recomputation
from engine.audit import decision_replay
from engine.audit.decision_replay import RecomputedDecision
from engine.decision.record_codec import decode_decision
from engine.domain.rights import Role
from engine.journal.kinds import DECISION
from engine.queue.queue import QueuedDecision, list_decisions
from tests.support.people import at_desk
from tests.support.running_service import World, arrival
from tests.support.sizes import PROOF
from tests.unit.service.decisions.test_decisions import amend, heavier
from tests.unit.service.reports.test_acts import act

DECISIONS = 1000 if PROOF else 60
START = 200_000
Body = dict[str, Any]


@pytest.fixture(scope="module")
def replayed_decisions(world: World) -> list[QueuedDecision]:
    """Decide, amend, search and roster, so that what decisions stand on is another each time."""
    bodies = [arrival(START + number) for number in range(DECISIONS)]
    for at in range(0, DECISIONS, 20):
        answers = [world.decide(body).json() for body in bodies[at : at + 20]]
        for body, first in list(zip(bodies[at:], answers, strict=False))[1::7]:
            if body["declaration"] is not None:
                assert amend(world, first, heavier(body, 3.0 * at + 1)).status_code == 201
        referred = [one for one in answers if one["channel"] in ("yellow", "red")]
        for one in referred[:2]:
            number = int(one["crossing_id"].removeprefix("c-"))
            searched = ["cargo.among", "chassis.axle"]
            filed = act(number, one["crossing_id"], places_searched=searched, minutes=30.0 + at)
            assert world.post("/v1/inspections", filed).status_code == 201
        roster: Body = {"minutes": {"physical": 200.0 + at, "documents": 60.0, "xray": 60.0}}
        if at % 40:
            roster["equipment"] = {"xray": 0, "canine": 1}
        put = world.client.put("/v1/posts/OYB/roster", json=roster, headers=supervisor(world))
        assert put.status_code in (200, 201), put.text
    with world.runtime.store.read() as connection:
        return list(
            list_decisions(connection, post=None, channel=None, since=0, most=2 * DECISIONS)
        )


def supervisor(world: World) -> dict[str, str]:
    return world.headers(Role.SUPERVISOR)


def recompute_filed(world: World, filed: list[QueuedDecision]) -> list[RecomputedDecision]:
    with world.runtime.store.read() as connection:
        return [world.runtime.recompute.decision(connection, one.seq) for one in filed]


def test_every_decision_comes_out_the_same(
    world: World, replayed_decisions: list[QueuedDecision]
) -> None:
    assert len(replayed_decisions) >= DECISIONS
    made = recompute_filed(world, replayed_decisions)
    assert [one.stored["crossing_id"] for one in made if not one.is_identical] == []
    kinds = Counter(one.stored["channel"] for one in made)
    assert {"green", "yellow", "red"} <= set(kinds)
    assert sum(one.amends is not None for one in replayed_decisions) >= DECISIONS // 20
    for name in ("channel", "risk", "reasons"):
        assert [one.stored[name] for one in made] == [one.again[name] for one in made]


def serve_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, change_body: Callable[[Body], Body]
) -> None:
    """Let the journal hand out every decision otherwise."""
    read = world.runtime.journal.body

    def body(connection: Any, seq: int, **_: object) -> Body:
        found = read(connection, seq)
        return change_body(found) if "inputs" in found else found

    monkeypatch.setattr(type(world.runtime.journal), "body", staticmethod(body))


def test_a_place_that_its_record_does_not_give_is_found(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the merits that a place was drawn among, changed in the record."""

    def change_body(body: Body) -> Body:
        inputs = body["inputs"] | {"peers": [one / 2 for one in body["inputs"]["peers"]]}
        return body | {"inputs": inputs}

    serve_changed(world, monkeypatch, change_body)
    made = recompute_filed(world, replayed_decisions)
    assert any(not one.same_place for one in made)
    assert all(one.stored == one.again for one in made)


def test_an_order_by_equipment_that_its_record_does_not_give_is_found(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: what worked at the post, changed in the record."""

    def change_body(body: Body) -> Body:
        if body["inputs"]["searches"] is None:
            return body
        searches = body["inputs"]["searches"] | {"equipment": {"xray": 0, "canine": 0}}
        return body | {"inputs": body["inputs"] | {"searches": searches}}

    known = [
        one for one in recompute_filed(world, replayed_decisions) if one.stored["search_order"]
    ]
    methods = {step["method"] for one in known for step in one.stored["search_order"]}
    assert {"canine", "physical"} <= methods and all(one.is_identical for one in known)
    serve_changed(world, monkeypatch, change_body)
    assert not any(
        one.is_identical
        for one in recompute_filed(world, replayed_decisions)
        if one.stored["channel"] == "red"
    )


@pytest.mark.parametrize("name", ["propensity", "contribution"])
def test_a_number_that_was_changed_is_found(
    world: World,
    replayed_decisions: list[QueuedDecision],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Negative control."""

    def change_body(body: Body) -> Body:
        where = body["decision"] if name == "propensity" else body["decision"]["reasons"][0]
        where[name] += 1e-6 * (1.0 + abs(where[name]))
        return body

    explained = [
        known
        for known, one in zip(
            replayed_decisions, recompute_filed(world, replayed_decisions), strict=True
        )
        if one.stored["reasons"]
    ][:20]
    serve_changed(world, monkeypatch, change_body)
    assert explained and not any(one.is_identical for one in recompute_filed(world, explained))


def test_whoever_doubts_a_decision_recomputes_it(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By route and page; a decision that was made to differ is named with both values."""
    one = replayed_decisions[0]
    path = f"/v1/decisions/{one.decision_id}/recomputation"
    found = TypeAdapter(Recomputation).validate_python(world.get(path).json())
    assert (found.identical, found.why, found.differences) == (True, "", [])
    assert found.sequence == one.seq
    desk = at_desk(world, "doubting")
    page = desk.get(f"/decisions/{one.decision_id}/recomputation")
    assert "the decision is the same" in page.text and one.decision_id in page.text
    for role, status in ((Role.CHECKPOINT, 403), (Role.ANALYST, 200), (Role.ADMINISTRATOR, 403)):
        assert world.get(path, role).status_code == status, role
    assert world.get("/v1/decisions/none/recomputation").status_code == 404

    def change_body(body: Body) -> Body:
        body["decision"]["propensity"] += 0.001
        return body

    with monkeypatch.context() as patched:
        why = (None, decision_replay.HISTORY_CHANGED)
        patched.setattr(decision_replay.DecisionReplay, "attempt", lambda *_: why)
        page = desk.get(f"/decisions/{one.decision_id}/recomputation")
    assert "what was known then cannot be read again" in page.text, "in the reader's language"
    assert "below, can still be checked" in page.text
    serve_changed(world, monkeypatch, change_body)
    differs = world.get(path).json()
    (named,) = differs["differences"]
    assert not differs["identical"] and named["field"] == "propensity"
    assert named["stored"] == pytest.approx(named["again"] + 0.001)
    page = desk.get(f"/decisions/{one.decision_id}/recomputation")
    assert "the decision differs" in page.text and "<code>propensity</code>" in page.text


def test_the_command_makes_every_decision_again_and_names_one_that_differs(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.service.model_watch.HomeModels", lambda _home: world.models)

    def run(*words: str) -> tuple[int, Body]:
        made = CliRunner().invoke(
            app, ["recompute", *words, "--home", str(world.home.root), "--json"]
        )
        return made.exit_code, json.loads(made.stdout)

    status, found = run("--newest", str(DECISIONS))
    assert (status, found["same"], len(found["decisions"])) == (0, DECISIONS, DECISIONS)
    one = replayed_decisions[7].decision_id

    def change_body(body: Body) -> Body:
        if body["decision"]["decision_id"] == one:
            body["decision"]["risk"]["p_seizure"] += 1e-6
        return body

    serve_changed(world, monkeypatch, change_body)
    status, found = run("--newest", str(DECISIONS))
    (differs,) = (row for row in found["decisions"] if not row["identical"])
    assert (status, found["same"]) == (1, DECISIONS - 1)
    assert (differs["decision_id"], differs["differences"]) == (one, ["risk"])
    assert run(one)[0] == 1 and run(replayed_decisions[8].decision_id)[0] == 0
    monkeypatch.setattr(world.models, "broken", frozenset({"m1"}))
    status, found = run(replayed_decisions[8].decision_id)
    assert status == 1 and "m1" in found["decisions"][0]["why"]


def test_what_cannot_be_made_again_says_why(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/decisions/{replayed_decisions[0].decision_id}/recomputation"
    monkeypatch.setattr(world.models, "broken", frozenset({"m1"}))
    found = world.get(path).json()
    assert not found["identical"] and found["differences"] == [] and "m1" in found["why"]


@pytest.mark.parametrize(
    "name", ["amends", "matches", "minutes", "peers", "placement", "rules", "searches", "sentences"]
)
def test_no_default_stands_in_for_what_a_record_lacks(
    world: World,
    replayed_decisions: list[QueuedDecision],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    def change_body(body: Body) -> Body:
        return body | {"inputs": {key: of for key, of in body["inputs"].items() if key != name}}

    serve_changed(world, monkeypatch, change_body)
    with pytest.raises(KeyError), world.runtime.store.read() as connection:
        decode_decision(
            world.runtime.journal.body(connection, replayed_decisions[0].seq, of=DECISION)
        )
