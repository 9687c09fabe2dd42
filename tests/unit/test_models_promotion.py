"""Two people who did not train a model put it into force; nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NoModelError, PromotionRefusedError
from engine.journal import Draft
from models import promotion
from models.promotion import KINDS, Event, State, state


class Story:
    """Records in order, as the journal would keep them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def now(self) -> State:
        return state(self.events)

    def add(self, drafts: tuple[Draft, ...]) -> None:
        for draft in drafts:
            body = {name: value for name, value in draft.body.items() if name != "why"}
            self.events.append(Event(draft.kind, draft.subject, **body))

    def register(self, version: str, *, by: str = "ana", **lacking: str) -> None:
        facts = {"manifest": f"sha-{version}", "evaluation": "e", "card": "c"} | lacking
        self.add(promotion.register(self.now, version, by=by, **facts))

    def approve(self, version: str, by: str) -> None:
        self.add(promotion.approve(self.now, version, by=by, manifest=f"sha-{version}"))

    def roll_back(self) -> None:
        manifest = f"sha-{promotion.before(self.now)}"
        self.add(promotion.roll_back(self.now, by="ben", why="misses", manifest=manifest))

    def promote(self, version: str) -> None:
        self.register(version)
        self.approve(version, "ben")
        self.approve(version, "cem")


def refused(story: Story, version: str, by: str, *, manifest: str = "") -> str:
    with pytest.raises(PromotionRefusedError) as caught:
        promotion.approve(story.now, version, by=by, manifest=manifest or f"sha-{version}")
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
    assert "trained" in refused(story, "m1", "ana")
    assert "not the one" in refused(story, "m1", "ben", manifest="other")
    story.approve("m1", "ben")
    assert "same person" in refused(story, "m1", "ben")
    story.register("m2", evaluation="")
    assert "evaluation" in refused(story, "m2", "ben")
    story.register("m3", card="")
    assert "card" in refused(story, "m3", "ben")
    story.register("m4")
    with pytest.raises(PromotionRefusedError, match="other features"):
        promotion.approve(story.now, "m4", by="ben", manifest="sha-m4", fits=False)
    story.approve("m1", "cem")
    assert "in force" in refused(story, "m1", "dan")
    with pytest.raises(NoModelError):
        promotion.approve(story.now, "m9", by="ben", manifest="")


def test_a_shadow_can_be_approved_and_is_one_once() -> None:
    story = Story()
    story.register("m1")
    story.add(promotion.shadow(story.now, "m1", by="ana"))
    assert story.now.models["m1"].role == "shadow"
    with pytest.raises(PromotionRefusedError):
        promotion.shadow(story.now, "m1", by="ana")
    story.approve("m1", "ben")
    story.approve("m1", "cem")
    assert story.now.in_force == "m1"


def test_roll_back_returns_to_the_model_before() -> None:
    story = Story()
    story.promote("m1")
    with pytest.raises(PromotionRefusedError, match="earlier"):
        story.roll_back()
    story.promote("m2")
    story.roll_back()
    assert story.now.in_force == "m1"
    assert story.now.models["m2"].role == "retired"
    story.promote("m3")
    assert story.now.in_force == "m3"


def test_rolling_back_twice_goes_further_back_and_never_returns_to_what_was_left() -> None:
    story = Story()
    for version in ("m1", "m2", "m3"):
        story.promote(version)
    story.roll_back()
    assert story.now.in_force == "m2"
    story.roll_back()
    assert story.now.in_force == "m1"
    with pytest.raises(PromotionRefusedError):
        story.roll_back()
    assert {model.role for model in story.now.models.values()} == {"in_force", "retired"}


def test_a_roll_back_after_a_withdrawal_passes_over_the_withdrawn() -> None:
    story = Story()
    story.promote("m1")
    story.promote("m2")
    story.add(promotion.withdraw(story.now, by="ben", why="doubt"))
    assert story.now.in_force is None
    story.roll_back()
    assert story.now.in_force == "m1"


def test_nobody_rolls_back_to_another_bundle() -> None:
    story = Story()
    story.promote("m1")
    story.promote("m2")
    with pytest.raises(PromotionRefusedError, match="not the one"):
        promotion.roll_back(story.now, by="ben", why="", manifest="sha-m2")
    with pytest.raises(PromotionRefusedError, match="other features"):
        promotion.roll_back(story.now, by="ben", why="", manifest="sha-m1", fits=False)


def test_withdrawn_leaves_rules_alone() -> None:
    story = Story()
    assert promotion.withdraw(story.now, by="ben", why="") == ()
    story.promote("m1")
    story.add(promotion.withdraw(story.now, by="ben", why="doubt"))
    assert story.now.in_force is None


def test_what_left_comes_back_by_two_people_anew() -> None:
    """One slip of the hand may stop a model, and two people may let it decide again."""
    story = Story()
    story.promote("m1")
    trained_by = story.now.models["m1"].trained_by
    story.add(promotion.withdraw(story.now, by="ben", why="by mistake"))
    with pytest.raises(PromotionRefusedError, match="trained"):
        promotion.approve(story.now, "m1", by=trained_by, manifest="sha-m1")
    story.approve("m1", "ben")
    assert story.now.in_force is None and story.now.models["m1"].approvals == ("ben",)
    with pytest.raises(PromotionRefusedError, match="same person"):
        promotion.approve(story.now, "m1", by="ben", manifest="sha-m1")
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
        story.add(promotion.approve(seen, "m1", by=by, manifest="sha-m1")[:1])
        assert story.now.in_force == ("m1" if by == "cem" else None)


event = st.builds(
    Event,
    st.sampled_from(KINDS),
    st.sampled_from(["m1", "m2"]),
    st.sampled_from(["ana", "ben", "cem"]),
)


@given(st.lists(event, max_size=30))
def test_no_sequence_of_records_promotes_without_two_others(events: list[Event]) -> None:
    now = state(events)
    for model in now.models.values():
        assert len(set(model.approvals)) == len(model.approvals)
        assert model.trained_by not in model.approvals
        if model.was_in_force:
            assert len(model.approvals) >= 2
    assert sum(model.role == "in_force" for model in now.models.values()) <= 1


def test_the_planted_flaw_is_seen() -> None:
    """The twin: were an in-force record believed without approvals, one record would promote."""
    forged = [Event(KINDS[0], "m1", "ana"), Event(KINDS[3], "m1", "ana")]
    assert state(forged).in_force is None
    careless = replace(state(forged[:1]).models["m1"], was_in_force=True)
    assert promotion._after(State({"m1": careless}), forged[1]).in_force == "m1"
