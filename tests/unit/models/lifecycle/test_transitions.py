"""Two people who did not train a model put it into force; nothing else does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.dual_control import Transition
from engine.errors import NoModelError, PromotionRefusedError
from engine.journal.entries import Draft
from engine.journal.kinds import (
    MODEL_APPROVED,
    MODEL_CHALLENGED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    MODEL_SHADOWED,
)
from models.lifecycle import states as lifecycle_states
from models.lifecycle import transitions
from models.lifecycle.states import KINDS, ModelEvent, ModelState, ModelStates, Role, compute_states


class Story:
    """Records in order, as the journal would keep them."""

    def __init__(self) -> None:
        self.events: list[ModelEvent] = []

    @property
    def now(self) -> ModelStates:
        return compute_states(self.events)

    def add(self, drafts: tuple[Draft, ...]) -> None:
        for draft in drafts:
            body = {name: value for name, value in draft.body.items() if name != "why"}
            number = len(self.events) + 1
            self.events.append(ModelEvent(draft.kind, draft.subject, **body, seq=number))

    def register(self, version: str, *, by: str = "ana", **lacking: str) -> None:
        facts = {"manifest": f"sha-{version}", "evaluation": "e", "card": "c"} | lacking
        self.add(transitions.register(self.now, version, by=by, **facts))

    def approve(self, version: str, by: str) -> None:
        self.add(transitions.approve(self.now, version, by=by, manifest=f"sha-{version}"))

    def challenge(self, version: str, by: str) -> None:
        self.add(transitions.challenge(self.now, version, by=by, manifest=f"sha-{version}"))

    def roll_back(self) -> None:
        manifest = f"sha-{transitions.before(self.now)}"
        self.add(transitions.roll_back(self.now, by="ben", why="misses", manifest=manifest))

    def promote(self, version: str) -> None:
        self.register(version)
        self.approve(version, "ben")
        self.approve(version, "cem")


def find_refusal(story: Story, version: str, by: str, *, manifest: str = "") -> str:
    with pytest.raises(PromotionRefusedError) as caught:
        transitions.approve(story.now, version, by=by, manifest=manifest or f"sha-{version}")
    return caught.value.why


def test_two_approvals_put_a_model_into_force_and_retire_the_last() -> None:
    story = Story()
    story.register("m1")
    assert story.now.models["m1"].role == "candidate"
    story.approve("m1", "ben")
    assert story.now.in_force is None
    story.approve("m1", "cem")
    assert story.now.in_force == "m1"

    story.promote("m2")
    assert story.now.in_force == "m2"
    roles = {version: model.role for version, model in story.now.models.items()}
    assert roles == {"m1": "retired", "m2": "in_force"}
    assert [event.kind for event in story.events[-3:]] == [KINDS[2], KINDS[4], KINDS[3]]


def test_every_refusal_has_its_reason() -> None:
    story = Story()
    story.register("m1")
    assert "trained" in find_refusal(story, "m1", "ana")
    assert "not the one" in find_refusal(story, "m1", "ben", manifest="other")
    story.approve("m1", "ben")
    assert "same person" in find_refusal(story, "m1", "ben")
    story.register("m2", evaluation="")
    assert "evaluation" in find_refusal(story, "m2", "ben")
    story.register("m3", card="")
    assert "card" in find_refusal(story, "m3", "ben")
    story.register("m4")
    with pytest.raises(PromotionRefusedError, match="could not be judged: Too few"):
        transitions.approve(story.now, "m4", by="ben", manifest="sha-m4", unjudged="Too few finds.")
    with pytest.raises(PromotionRefusedError, match="other features"):
        transitions.approve(story.now, "m4", by="ben", manifest="sha-m4", fits=False)
    story.approve("m1", "cem")
    assert "in force" in find_refusal(story, "m1", "dan")
    with pytest.raises(NoModelError):
        transitions.approve(story.now, "m9", by="ben", manifest="")


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"targets": {"discrepancy": {"random_stream": {}}}, "cannot_tell": ["Little."]}, ""),
        ({"targets": {}, "cannot_tell": ["Not yet.", "Too few."]}, "Not yet. Too few."),
        ({"targets": {}}, "its report does not say why"),
        ({}, "its report does not say why"),
    ],
)
def test_a_report_without_a_target_judged_nothing(report: dict[str, Any], why: str) -> None:
    assert transitions.explain_unjudged(report) == why


def test_a_shadow_can_be_approved_and_is_one_once() -> None:
    story = Story()
    story.register("m1")
    story.add(transitions.shadow(story.now, "m1", by="ana"))
    assert story.now.models["m1"].role == "shadow"
    with pytest.raises(PromotionRefusedError):
        transitions.shadow(story.now, "m1", by="ana")
    story.approve("m1", "ben")
    story.approve("m1", "cem")
    assert story.now.in_force == "m1"


WAYS_BACK = {
    "+m1 <": None,
    "+m1 +m2 <": "m1",
    "+m1 +m2 < +m3": "m3",
    "+m1 +m2 +m3 <": "m2",
    "+m1 +m2 +m3 < <": "m1",
    "+m1 +m2 +m3 < < <": None,
    "+m1 +m2 -m2 <": "m1",
    "+m1 +m2 -m2 +m3 <": "m1",
    "+m1 +m2 -m2 < +m3 <": "m1",
    "+m1 +m2 -m2 +m3 +m4 < <": "m1",
    "+m1 +m2 +m3 < -m2 <": "m1",
    "+m1 +m2 -m2 ?m2 +m3 <": "m1",
    "+m1 +m2 -m2 +m2 +m3 <": "m2",
    "+m1 +m2 -m2 +m2 -m2 +m3 <": "m1",
    "+m1 -m1 +m2 <": None,
    "+m1 +m2 < -m1 <": None,
    "+m1 +m2 +m1 <": None,
}
"""Promoted by two (+), approved by one (?), withdrawn (-), rolled back (<); what decides then."""


def walk_steps(steps: str) -> str | None:
    """Return what decides after these steps, None where the last roll back is refused."""
    story = Story()
    for step, version in ((one[0], one[1:]) for one in steps.split()):
        if step == "<" and story.now.before is None:
            with pytest.raises(PromotionRefusedError, match="no earlier model is left"):
                story.roll_back()
            return None
        if step == "<":
            story.roll_back()
        elif step == "-":
            assert story.now.in_force == version
            story.add(transitions.withdraw(story.now, by="ben", why="doubt"))
        else:
            story.register(version)
            for by in ("ben",) if step == "?" else ("ben", "cem"):
                story.approve(version, by)
    return story.now.in_force


@pytest.mark.parametrize(("steps", "decides"), WAYS_BACK.items())
def test_a_roll_back_goes_to_the_model_before_and_to_none_that_was_left_or_withdrawn(
    steps: str, decides: str | None
) -> None:
    assert walk_steps(steps) == decides


def test_a_withdrawal_that_leaves_a_model_on_the_way_back_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control.

    One that only retires; a person who rolls back alone returns to what was in doubt.
    """

    def retire_model(now: ModelStates, model: ModelState, _event: ModelEvent) -> ModelStates:
        return lifecycle_states._with(now, replace(model, role="retired"))

    doubted = [*DECIDES, ModelEvent(MODEL_RETIRED, "m1", "dan")]
    only_two_promote(doubted)
    monkeypatch.setitem(lifecycle_states._EFFECTS, MODEL_RETIRED, retire_model)
    assert walk_steps("+m1 +m2 -m2 +m3 <") == "m2"
    with pytest.raises(AssertionError):
        only_two_promote(doubted)


def test_a_roll_back_that_comes_too_late_does_not_return_to_what_was_withdrawn() -> None:
    """Who had seen m2 on the way back records it after m2 came back and was withdrawn."""
    story = Story()
    for version in ("m1", "m2", "m3"):
        story.promote(version)
    late = transitions.roll_back(story.now, by="cem", why="misses", manifest="sha-m2")
    story.roll_back()
    story.add(transitions.withdraw(story.now, by="ben", why="doubt"))
    story.add(late)
    assert story.now.in_force is None and story.now.before == "m1"


def test_no_roll_back_goes_to_another_bundle() -> None:
    story = Story()
    story.promote("m1")
    story.promote("m2")
    with pytest.raises(PromotionRefusedError, match="not the one"):
        transitions.roll_back(story.now, by="ben", why="", manifest="sha-m2")
    with pytest.raises(PromotionRefusedError, match="other features"):
        transitions.roll_back(story.now, by="ben", why="", manifest="sha-m1", fits=False)


def test_withdrawn_leaves_rules_alone() -> None:
    story = Story()
    assert transitions.withdraw(story.now, by="ben", why="") == ()
    story.promote("m1")
    story.add(transitions.withdraw(story.now, by="ben", why="doubt"))
    assert story.now.in_force is None
    with pytest.raises(PromotionRefusedError, match="no model is promoted"):
        story.roll_back()


def test_what_left_comes_back_by_two_people_again() -> None:
    """One slip of the hand may stop a model, and two people may let it decide again."""
    story = Story()
    story.promote("m1")
    trained_by = story.now.models["m1"].trained_by
    story.add(transitions.withdraw(story.now, by="ben", why="by mistake"))
    with pytest.raises(PromotionRefusedError, match="trained"):
        transitions.approve(story.now, "m1", by=trained_by, manifest="sha-m1")
    story.approve("m1", "ben")
    assert story.now.in_force is None and story.now.models["m1"].approvals == ("ben",)
    with pytest.raises(PromotionRefusedError, match="same person"):
        transitions.approve(story.now, "m1", by="ben", manifest="sha-m1")
    story.approve("m1", "cem")
    assert story.now.in_force == "m1" and story.now.history == ("m1",)
    story.promote("m2")
    assert story.now.models["m1"].role == "retired"
    story.roll_back()
    assert story.now.in_force == "m1"


def test_racing_approvals_need_two_people_all_the_same() -> None:
    story = Story()
    story.register("m1")
    seen = story.now
    for by in ("ben", "ben", "cem"):  # each decided on what it had seen before the others
        story.add(transitions.approve(seen, "m1", by=by, manifest="sha-m1")[:1])
        assert story.now.in_force == ("m1" if by == "cem" else None)


def on_trial() -> Story:
    """Tell of a model in force and of another that two people put on trial next to it."""
    story = Story()
    story.promote("m1")
    story.register("m2")
    story.challenge("m2", "ben")
    assert story.now.challenger is None and story.now.models["m2"].role == "candidate"
    story.challenge("m2", "dan")
    return story


def test_two_people_put_a_model_on_trial_next_to_the_one_in_force() -> None:
    story = on_trial()
    challenger = story.now.challenger
    assert challenger is not None and challenger.version == "m2"
    assert challenger.challenges == ("ben", "dan") and challenger.trial == len(story.events)
    assert challenger.approvals == () and story.now.in_force == "m1"


def not_tried(story: Story, version: str, by: str, **facts: Any) -> str:
    known: dict[str, Any] = {"manifest": f"sha-{version}"} | facts
    with pytest.raises(PromotionRefusedError) as caught:
        transitions.challenge(story.now, version, by=by, **known)
    return caught.value.why


def test_a_trial_lacks_nothing_that_an_approval_needs() -> None:
    story = Story()
    story.register("m2")
    assert "no model is in force" in not_tried(story, "m2", "ben")
    story.promote("m1")
    assert "in force" in not_tried(story, "m1", "ben")
    assert "trained" in not_tried(story, "m2", "ana")
    assert "not the one" in not_tried(story, "m2", "ben", manifest="other")
    assert "other features" in not_tried(story, "m2", "ben", fits=False)
    assert "be judged: Too few." in not_tried(story, "m2", "ben", unjudged="Too few.")
    assert "turned" in not_tried(story, "m2", "ben", doubts=["labels look turned"])
    story.register("m3", evaluation="")
    assert "evaluation" in not_tried(story, "m3", "ben")
    story.register("m4", card="")
    assert "card" in not_tried(story, "m4", "ben")
    with pytest.raises(NoModelError):
        transitions.challenge(story.now, "m9", by="ben", manifest="")
    story.challenge("m2", "ben")
    assert "same person" in not_tried(story, "m2", "ben")
    story.challenge("m2", "cem")
    story.register("m5")
    assert "m2 is on trial" in not_tried(story, "m5", "ben")
    with pytest.raises(PromotionRefusedError, match="candidate"):
        transitions.shadow(story.now, "m2", by="ben")


def test_a_trial_is_no_approval_and_a_challenger_comes_into_force_by_two() -> None:
    story = on_trial()
    story.approve("m2", "ben")
    assert story.now.in_force == "m1" and story.now.models["m2"].role == "challenger"
    story.approve("m2", "cem")
    assert story.now.in_force == "m2" and story.now.challenger is None
    assert story.now.models["m2"].trial is None


@pytest.mark.parametrize("how", ["another", "roll back", "withdrawal"])
def test_a_trial_ends_as_its_champion_leaves(how: str) -> None:
    story = Story()
    story.promote("m0")
    story.events += [replace(event, seq=0) for event in on_trial().events]
    assert story.now.challenger is not None
    story.register("m3")
    if how == "another":
        story.approve("m3", "ben")
        story.approve("m3", "cem")
    elif how == "roll back":
        story.roll_back()
    else:
        story.add(transitions.withdraw(story.now, by="ben", why="doubt"))
    model = story.now.models["m2"]
    assert story.now.challenger is None
    assert (model.role, model.challenges, model.trial) == ("candidate", (), None)


def test_who_wanted_a_trial_against_one_model_wanted_none_against_the_next() -> None:
    story = Story()
    story.promote("m1")
    story.register("m2")
    story.challenge("m2", "ben")
    story.promote("m3")
    story.challenge("m2", "dan")
    assert story.now.challenger is None and story.now.models["m2"].challenges == ("dan",)


def test_one_person_ends_a_trial_and_two_may_begin_it_again() -> None:
    story = on_trial()
    story.add(transitions.end_trial(story.now, by="ben", why="finds less"))
    assert story.now.challenger is None and story.now.in_force == "m1"
    assert story.now.models["m2"].role == "retired"
    with pytest.raises(PromotionRefusedError, match="no model is on trial"):
        transitions.end_trial(story.now, by="ben", why="")
    story.challenge("m2", "ben")
    assert story.now.challenger is None
    story.challenge("m2", "dan")
    challenger = story.now.challenger
    assert challenger is not None and challenger.trial == len(story.events)


event = st.builds(
    ModelEvent,
    st.sampled_from(KINDS),
    st.sampled_from(["m1", "m2"]),
    st.sampled_from(["ana", "ben", "cem"]),
)


DECIDES = [
    ModelEvent(MODEL_REGISTERED, "m1", "ana"),
    *(ModelEvent(MODEL_APPROVED, "m1", by) for by in ("ben", "cem")),
]


@given(st.sampled_from([[], DECIDES]), st.lists(event, max_size=30))
def test_no_sequence_of_records_promotes_without_two_others(
    begun: list[ModelEvent], more: list[ModelEvent]
) -> None:
    only_two_promote(begun + more)


def only_two_promote(events: list[ModelEvent]) -> None:
    now = compute_states(events)
    for model in now.models.values():
        assert len(set(model.approvals)) == len(model.approvals)
        assert model.trained_by not in model.approvals
        if model.version in now.history:
            since = max(at for at in range(len(events) + 1) if was_withdrawn(events[:at], model))
            assert others(events[since:], MODEL_APPROVED, model) >= 2
        if model.role == "challenger":
            assert others(events, MODEL_CHALLENGED, model) >= 2 and now.in_force is not None
        assert (model.role == "challenger") == (model.trial is not None)
    for role in ("in_force", "challenger"):
        assert sum(model.role == role for model in now.models.values()) <= 1


def was_withdrawn(events: list[ModelEvent], model: ModelState) -> bool:
    """Tell whether the last of these records withdrew a model; before the first, all have left."""
    if not events:
        return True
    *before, last = events
    return (
        last.kind == MODEL_RETIRED
        and last.version == model.version == compute_states(before).in_force
    )


def others(events: list[ModelEvent], kind: str, model: ModelState) -> int:
    """Count the people other than who trained a model who said one thing of it."""
    names = {one.by for one in events if (one.kind, one.version) == (kind, model.version)}
    return len(names - {model.trained_by})


def test_the_seeded_flaw_is_seen() -> None:
    """Negative control.

    Were an in-force record believed without approvals, one record would promote.
    """
    forged = [ModelEvent(KINDS[0], "m1", "ana"), ModelEvent(KINDS[3], "m1", "ana")]
    assert compute_states(forged).in_force is None
    alone = ModelEvent(MODEL_CHALLENGED, "m2", "cem")
    tried = compute_states([*on_trial().events[:-2], alone, alone])
    assert tried.challenger is None and tried.models["m2"].challenges == ("cem",)
    careless = replace(compute_states(forged[:1]), history=("m1",))
    assert lifecycle_states.apply_event(careless, forged[1]).in_force == "m1"


ALONE = [ModelEvent(MODEL_REGISTERED, "m1", "ana"), ModelEvent(MODEL_APPROVED, "m1", "ben")]


@pytest.mark.parametrize(
    ("events", "at"),
    [
        ([*ALONE, ALONE[1]], ("candidate", MODEL_APPROVED)),
        ([*ALONE, replace(ALONE[1], by="ana")], ("candidate", MODEL_APPROVED)),
        ([ALONE[0], ModelEvent(MODEL_IN_FORCE, "m1", "ana")], ("candidate", MODEL_IN_FORCE)),
        (
            [*DECIDES, replace(ALONE[0], version="m2"),
             *[ModelEvent(MODEL_CHALLENGED, "m2", "cem")] * 2],
            ("candidate", MODEL_CHALLENGED),
        ),
    ],
)  # fmt: skip
def test_a_transition_without_its_rule_is_found(
    monkeypatch: pytest.MonkeyPatch, events: list[ModelEvent], at: tuple[Role, str]
) -> None:
    """Negative control: a step of the table that asks for no second person lets one act alone."""
    only_two_promote(events)
    target = lifecycle_states.TRANSITIONS[at].target
    accept = Transition(lifecycle_states._accept, target)
    monkeypatch.setitem(lifecycle_states.TRANSITIONS, at, accept)
    with pytest.raises(AssertionError):
        only_two_promote(events)


@given(st.lists(event, max_size=12), st.sampled_from(["ana", "ben", "cem"]))
def test_an_approval_is_written_by_the_rules_by_which_it_is_read(
    events: list[ModelEvent], by: str
) -> None:
    """What a draft is refused for changes nothing when it stands in the journal."""
    first = [ModelEvent(MODEL_REGISTERED, v, "ana", f"sha-{v}", "e", "c") for v in ("m1", "m2")]
    now = compute_states([*first, *events])
    for step, kind in (
        (transitions.approve, MODEL_APPROVED),
        (transitions.challenge, MODEL_CHALLENGED),
    ):
        after = compute_states([*first, *events, ModelEvent(kind, "m1", by)])
        try:
            step(now, "m1", by=by, manifest="sha-m1")
        except PromotionRefusedError:
            assert after == now
        else:
            assert after != now


OTHER_DECIDES = [replace(one, version="m0") for one in DECIDES]
HISTORIES: dict[Role, list[ModelEvent]] = {
    "candidate": [ALONE[0]],
    "shadow": [ALONE[0], ModelEvent(MODEL_SHADOWED, "m1", "ana")],
    "challenger": [
        *OTHER_DECIDES,
        ALONE[0],
        *(ModelEvent(MODEL_CHALLENGED, "m1", by) for by in ("ben", "cem")),
    ],
    "in_force": DECIDES,
    "retired": [*DECIDES, ModelEvent(MODEL_RETIRED, "m1", "ben")],
}
"""Records after which m1 has a role."""


@pytest.mark.parametrize("at", lifecycle_states.TRANSITIONS)
def test_each_step_leads_where_its_transition_says(at: tuple[Role, str]) -> None:
    role, kind = at
    now = compute_states(HISTORIES[role] + (OTHER_DECIDES if kind == MODEL_CHALLENGED else []))
    assert now.models["m1"].role == role
    if kind == MODEL_IN_FORCE:  # a roll back returns to what was in force
        now = replace(now, history=("m1", *now.history))
    for by in ("ben", "cem"):
        now = lifecycle_states.apply_event(now, ModelEvent(kind, "m1", by, seq=99))
    assert now.models["m1"].role == lifecycle_states.TRANSITIONS[at].target
