"""Stored decisions come out again from the journal alone: of every kind, and of older engines."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from engine.audit.decision_replay import RecomputedDecision
from engine.decision.record_codec import decode_decision
from engine.domain.rights import Role
from engine.journal.kinds import DECISION
from engine.queue.queue import QueuedDecision, list_decisions
from tests.service.decisions.test_amendments import amend, heavier
from tests.service.reports.test_acts import act
from tests.service.running_service import World, arrival

DECISIONS = 1000 if os.environ.get("DARVOZA_PROOF") else 60
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


def without_messages(decision: Body) -> Body:
    """Return a decision as it was recorded before facts and search steps held their figures."""
    facts = [{"code": one["code"], "text": one["text"]} for one in decision["facts"]]
    names = ("place", "method", "why")
    order = [{name: step[name] for name in names} for step in decision["search_order"]]
    return decision | {"facts": facts, "search_order": order}


def of_an_older_engine(body: Body) -> Body:
    """Return a record as it was written before minutes, amendments and orders were learnt."""
    late = {"searches", "minutes", "matches", "amends", "amendment", "rules", "trial"}
    late |= {"placement", "peers", "sentences"}
    fields = {name: value for name, value in body["inputs"].items() if name not in late}
    checklist = [{"place": "cargo.among", "method": "physical", "why": "often"}]
    decision = without_messages(body["decision"])
    if decision["search_order"]:
        decision["search_order"] = checklist
    del decision["watchlist"], decision["trial"]
    return body | {"inputs": fields, "decision": decision}


def serve_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, change_body: Callable[[Body], Body]
) -> None:
    """Let the journal hand out every decision otherwise."""
    read = world.runtime.journal.body

    def body(connection: Any, seq: int, **_: object) -> Body:
        found = read(connection, seq)
        return change_body(found) if "inputs" in found else found

    monkeypatch.setattr(type(world.runtime.journal), "body", staticmethod(body))


def test_a_record_of_an_older_engine_is_read_and_comes_out_the_same(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_changed(world, monkeypatch, of_an_older_engine)
    plain = [one for one in replayed_decisions if one.amends is None][:200]
    made = recompute_filed(world, plain)
    assert [one.stored["crossing_id"] for one in made if not one.is_identical] == []
    assert any(one.stored["search_order"] for one in made)
    read = world.get(f"/v1/decisions/{plain[0].decision_id}/explanation")
    assert read.status_code == 200


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
        if one.stored["search_order"]
    )


def of_other_sentences(body: Body, *, more: float = 0.0) -> Body:
    """Return a record whose reasons an earlier rule put into words."""
    fields = {name: value for name, value in body["inputs"].items() if name != "sentences"}
    reasons = [
        {
            "code": one["code"],
            "text": f"So said before: {one['code']} 4.5% (smoothed).",
            "fact": "4.5% (smoothed)",
            "comparison": "2.8%",
            "contribution": one["contribution"] + more,
        }
        for one in body["decision"]["reasons"]
    ]
    decision = without_messages(body["decision"]) | {"reasons": reasons}
    return body | {"inputs": fields, "decision": decision}


def test_reasons_of_the_rule_before_stand_and_the_numbers_behind_them_come_out_again(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_changed(world, monkeypatch, of_other_sentences)
    made = recompute_filed(world, replayed_decisions)
    assert any(one.stored["reasons"] for one in made) and all(one.is_identical for one in made)
    assert all(
        value["text"].startswith("So said before")
        for one in replayed_decisions
        for value in world.get(f"/v1/decisions/{one.decision_id}").json()["reasons"]
    )
    monkeypatch.undo()
    serve_changed(world, monkeypatch, lambda body: of_other_sentences(body, more=1e-6))
    weighed = [one for one in recompute_filed(world, replayed_decisions) if one.stored["reasons"]]
    assert weighed and not any(one.is_identical for one in weighed), "a number that was changed"


def of_the_rule_before(body: Body, *, more: float = 0.0) -> Body:
    """Return a record of ``reasons-2``: the figures of rates alone, and its own words."""
    figures = ("finds", "inspections", "usual", "signs")
    reasons = [
        one
        | {"text": "In other words.", "contribution": one["contribution"] + more}
        | {"parameters": {n: v for n, v in one["parameters"].items() if n in figures}}
        for one in body["decision"]["reasons"]
    ]
    inputs = body["inputs"] | {"sentences": "reasons-2"}
    return body | {
        "inputs": inputs,
        "decision": without_messages(body["decision"]) | {"reasons": reasons},
    }


def of_other_words(body: Body, *, more: float = 0.0) -> Body:
    """Return a record of ``reasons-3``: the figures of every message, and its own words."""
    reasons = [
        one | {"text": "In other words.", "contribution": one["contribution"] + more}
        for one in body["decision"]["reasons"]
    ]
    inputs = body["inputs"] | {"sentences": "reasons-3"}
    return body | {"inputs": inputs, "decision": body["decision"] | {"reasons": reasons}}


@pytest.mark.parametrize("rule", [of_the_rule_before, of_other_words])
@pytest.mark.parametrize("more", [0.0, 1e-6])
def test_a_record_of_the_rule_before_stands_with_the_figures_behind_its_words(
    world: World,
    replayed_decisions: list[QueuedDecision],
    monkeypatch: pytest.MonkeyPatch,
    rule: Callable[..., Body],
    more: float,
) -> None:
    """With a negative control: a contribution that is not quite the recorded one."""
    serve_changed(world, monkeypatch, lambda body: rule(body, more=more))
    made = [
        one for one in recompute_filed(world, replayed_decisions[:200]) if one.stored["reasons"]
    ]
    assert made and {one.is_identical for one in made} == {more == 0.0}


def test_what_an_older_record_does_say_is_held_to_it(
    world: World, replayed_decisions: list[QueuedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control.

    Defaults stand in for what is missing, never for what is there and wrong.
    """

    def change_body(body: Body) -> Body:
        older = of_an_older_engine(body)
        older["decision"]["propensity"] += 1e-6
        return older

    serve_changed(world, monkeypatch, change_body)
    assert not any(one.is_identical for one in recompute_filed(world, replayed_decisions[:20]))
    monkeypatch.undo()
    serve_changed(world, monkeypatch, lambda body: body | {"inputs": {}})
    with pytest.raises(KeyError), world.runtime.store.read() as connection:
        decode_decision(
            world.runtime.journal.body(connection, replayed_decisions[0].seq, of=DECISION)
        )
