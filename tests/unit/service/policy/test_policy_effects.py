"""Effects of proposed values that are more than a share in a decision."""

from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.criteria.policy import GOODS_CLASSES, PolicyHistory, read_policy
from engine.decision.decision import ChannelChoice, Inputs, ScoredArrival, choose_channel
from engine.domain.goods import shipped_goods_classes
from engine.queue.match_outcomes import OutcomeFilter
from engine.selection import Policy
from engine.targeting.policy_effects import measure_effect
from tests.support.people import send
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.finds.test_goods_classes import seizure
from tests.unit.service.policy.test_policy import PATH, people, put_into_force, world
from tests.unit.service.reports.test_acts import act

__all__ = ["people", "world"]
People = dict[str, dict[str, str]]


def preview(world: World, people: People, **asked: Any) -> dict[str, Any]:
    answer = send(world, f"{PATH}/previews", asked, people["ann"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def list_shares(world: World, people: People, monkeypatch: pytest.MonkeyPatch) -> set[Any]:
    """Return the shares by which a preview chooses: red, yellow, and random for red."""
    seen = []

    def note(inputs: Inputs, arrival: ScoredArrival) -> ChannelChoice:
        shares = inputs.policy
        seen.append(
            tuple(
                round(one, 6)
                for one in (shares.red_share, shares.yellow_share, shares.random_share)
            )
        )
        return choose_channel(inputs, arrival)

    value = {"red_share": 0.2, "yellow_share": 0.1, "random_share": 0.05}
    with monkeypatch.context() as spy:
        spy.setattr("engine.targeting.policy_effects.choose_channel", note)
        preview(world, people, setting="shares", value=value)
    return set(seen)


def test_a_share_that_a_roster_set_gives_way_to_random_checks(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.decide_all([arrival(number) for number in range(1, 4)])
    fixed = {(0.04, 0.08, 0.03), (0.2, 0.1, 0.05)}
    assert list_shares(world, people, monkeypatch) == fixed, "negative control: without a roster"
    elsewhere = Policy(red_share=0.3)  # other than recorded: a roster had set the red share
    monkeypatch.setattr(PolicyHistory, "find_shares", lambda *_, **__: elsewhere)
    assert list_shares(world, people, monkeypatch) == {
        (0.04, 0.08, 0.03),
        (0.02, 0.1, 0.05),
    }


def test_a_large_share_of_audits_leaves_a_roster_what_fits(world: World, people: People) -> None:
    roster = {"minutes": {"physical": 6000, "documents": 6000}}
    supervisor = people["bob"]
    put = world.client.put("/v1/posts/OYB/roster", json=roster, headers=supervisor)
    assert put.status_code == 201, put.text
    world.decide_all([arrival(number) for number in range(1, 4)])
    value = {"yellow_share": 0.02, "blue_share": 0.45}
    assert preview(world, people, setting="shares", value=value)["decisions"] == 3


def test_classes_of_goods_say_which_finds_they_would_teach(world: World, people: People) -> None:
    decided = world.decide(arrival(1)).json()
    filed = act(1, decided["crossing_id"], inspection_id="act-1", outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    found = seizure("s-1", "act-1", decided["crossing_id"], "tobacco")
    assert world.post("/v1/seizures", found).status_code == 201
    known = {"seizure_id", "inspection_id", "crossing_id", "recorded_at", "place"}
    classless = {name: found[name] for name in known} | {"seizure_id": "s-2"}
    classless |= {"substance_class": "other", "quantity_g": 500.0}
    assert world.post("/v1/seizures", classless).status_code == 201, "without a class: a load"
    table = shipped_goods_classes().model_dump(mode="json")["classes"]
    tobacco = next(one for one in table if one["code"] == "tobacco")
    assert not tobacco["is_load"]
    weight = tobacco["gravity"]
    tobacco |= {"is_load": True, "gravity": weight + 2}
    effect = preview(world, people, setting="goods_classes", value={"classes": table})
    assert effect["loads"] == {"was": 1, "would": 2}
    assert effect["gravity"] == {"was": weight + 5, "would": weight + 7}
    assert effect["stricter"] == effect["milder"] == 0 and effect["suspended"] is None
    assert count_seen(world, table, OutcomeFilter()) == (1, (1, 2)), "negative control"
    other_posts = OutcomeFilter(hidden_posts=frozenset({POST}))
    other_acts = OutcomeFilter(sees_acts_of=lambda _: False)
    assert count_seen(world, table, other_posts) == (0, (0, 0))
    assert count_seen(world, table, OutcomeFilter(post=OTHER)) == (0, (0, 0))
    assert count_seen(world, table, other_acts) == (1, (0, 0))


def count_seen(world: World, table: Any, seen: OutcomeFilter) -> Any:
    """Return the decisions, and the finds that teach loads, of what a reader sees."""
    with world.runtime.store.read() as connection:
        now, history = world.runtime.journal.now(connection), read_policy(connection)
        value = GOODS_CLASSES.parse({"classes": table})
        effect = measure_effect(
            connection, history, GOODS_CLASSES, value, post=None, now=now, seen=seen
        )
    return effect.decisions, effect.loads and astuple(effect.loads)


def test_a_bound_says_which_entries_it_would_suspend(world: World, people: People) -> None:
    put_into_force(world, people, setting="known_lawful", value={"bound": 0.05})
    expiry = (datetime.now(UTC) + timedelta(days=60)).isoformat()
    entry = {"carrier": "carrier-7", "reason": "audited", "expiry": expiry}
    made = send(world, "/v1/known-lawful", entry, people["ann"])
    assert made.status_code == 201, made.text
    done = send(
        world, f"/v1/proposals/{made.json()['receipt']['sequence']}/approvals", {}, people["bob"]
    )
    assert done.status_code == 201, done.text
    lane = [arrival(number, carrier_id="carrier-7") for number in range(1, 41)]
    world.decide_all(lane)
    crossing = lane[0]["crossing"]["crossing_id"]
    filed = act(1, crossing, inspection_id="act-1", outcome="seizure", methods=["physical"])
    assert world.post("/v1/inspections", filed).status_code == 201
    for bound, suspended in ((0.05, 0), (0.005, 1)):
        effect = preview(world, people, setting="known_lawful", value={"bound": bound})
        assert effect["suspended"] == {"was": 0, "would": suspended}
    factor = preview(world, people, setting="known_lawful", value={"factor": 1.0})
    assert factor["milder"] == 0 and factor["decisions"] == 40
    strict = preview(world, people, setting="known_lawful", value={"factor": 1.0, "floor": 0.05})
    assert strict["channels"]["red"]["would"] >= factor["channels"]["red"]["would"]
