"""Nothing takes effect with one person, in whichever order records come."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria import dual_control
from engine.criteria.dual_control import (
    ApprovalEvent,
    ApprovalState,
    Move,
    State,
    Step,
    Transition,
    apply_event,
    draft_approval,
    draft_retirement,
    replay,
)
from engine.errors import ConflictError, SecondPersonError

PEOPLE = ("ann", "bob", "cem")


def events(*steps: tuple[Step, str, dict[str, Any]]) -> list[ApprovalEvent]:
    return [
        ApprovalEvent(seq, step, "P1", person, seq, {"content": {}} | body)
        for seq, (step, person, body) in enumerate(steps, 1)
    ]


def stands(*steps: tuple[Step, str, dict[str, Any]]) -> ApprovalState:
    return replay(events(*steps), needs_evidence=True)["P1"]


Steps = tuple[tuple[Step, str, dict[str, Any]], ...]
PROPOSED: Steps = (("proposed", "ann", {}), ("backtested", "ann", {}))
IN_FORCE: Steps = (*PROPOSED, ("approved", "bob", {"of": 1}))


def test_two_people_put_it_into_force_and_two_take_it_away() -> None:
    now = stands(*IN_FORCE)
    assert (now.state, now.sequence, now.approvals) == ("in_force", 3, ("bob",))
    now = stands(*IN_FORCE, ("leaving", "bob", {"why": "old"}))
    assert now.state == "in_force" and now.pending == 4
    assert stands(*IN_FORCE, ("leaving", "bob", {}), ("left", "cem", {"of": 4})).state == "retired"


def test_the_author_approves_neither_entering_nor_leaving() -> None:
    for step in (stands(*PROPOSED), stands(*IN_FORCE, ("leaving", "bob", {}))):
        with pytest.raises(SecondPersonError):
            draft_approval("profile", step, by="ann")
    with pytest.raises(SecondPersonError):
        draft_approval("profile", stands(*IN_FORCE, ("leaving", "bob", {})), by="bob")
    assert stands(*PROPOSED, ("approved", "ann", {"of": 1})).state == "proposed"
    assert stands(*IN_FORCE, ("leaving", "bob", {}), ("left", "bob", {"of": 4})).state == "in_force"
    assert stands(*IN_FORCE, ("leaving", "bob", {}), ("left", "ann", {"of": 4})).state == "in_force"


def test_no_approval_without_a_backtest() -> None:
    bare = stands(("proposed", "ann", {}))
    with pytest.raises(ConflictError, match="backtest"):
        draft_approval("profile", bare, by="bob")
    assert stands(("proposed", "ann", {}), ("approved", "bob", {"of": 1})).state == "proposed"
    assert draft_approval("watchlist", bare, by="bob").kind == "watchlist_approved"


def test_a_shadow_comes_before_the_force_and_needs_an_approval_of_its_own() -> None:
    shadow = (*PROPOSED, ("approved", "bob", {"of": 1, "shadow": True}))
    assert stands(*shadow).state == "shadow"
    assert stands(*shadow, ("approved", "bob", {"of": 3})).state == "in_force"
    with pytest.raises(ConflictError):
        draft_approval("profile", stands(*shadow), by="bob", shadow=True)


def test_an_approval_that_lost_a_race_is_of_something_else() -> None:
    """Two approve the proposal at once, one of them as a shadow: the shadow stays one."""
    raced = (*PROPOSED, ("approved", "bob", {"of": 1, "shadow": True}))
    assert stands(*raced, ("approved", "cem", {"of": 1})).state == "shadow"


def test_what_left_does_not_come_back() -> None:
    gone: Steps = (*IN_FORCE, ("leaving", "bob", {}), ("left", "cem", {"of": 4}))
    assert stands(*gone, ("approved", "bob", {"of": 1})).state == "retired"
    with pytest.raises(ConflictError):
        draft_retirement("profile", stands(*gone), by="bob", why="")
    with pytest.raises(ConflictError):
        draft_approval("profile", stands(*gone), by="bob")


def test_a_notice_stands_on_one_word_until_a_second_person_confirms_it() -> None:
    value = replay(events(("noticed", "key-fot", {})), needs_evidence=False)["P1"]
    assert value.state == "in_force" and value.is_notice
    with pytest.raises(SecondPersonError):
        draft_approval("watchlist", value, by="key-fot")
    both = events(("noticed", "key-fot", {}), ("approved", "bob", {"of": 1}))
    assert not replay(both, needs_evidence=False)["P1"].is_notice


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["proposed", "backtested", "approved", "leaving", "left"]),
        st.sampled_from(PEOPLE),
        st.fixed_dictionaries({"of": st.integers(1, 8), "shadow": st.booleans()}),
    ),
    max_size=9,
)


def alone(steps: list[tuple[Step, str, dict[str, Any]]]) -> bool:
    """Tell whether one person's step moved what only two may move."""
    log = events(*steps)
    for end in range(1, len(log)):
        before = replay(log[:end], needs_evidence=True).get("P1")
        after = replay(log[: end + 1], needs_evidence=True).get("P1")
        if before is None or after is None or before.state == after.state:
            continue
        by = log[end].person
        asked = {before.author} | ({before.leaving.by} if before.leaving else set())
        if by in asked:
            return True
    return False


@given(STEPS)
def test_no_order_of_records_moves_anything_with_one_person(
    steps: list[tuple[Step, str, dict[str, Any]]],
) -> None:
    assert not alone(steps)


@pytest.mark.parametrize(
    ("steps", "at"),
    [
        ((*PROPOSED, ("approved", "ann", {"of": 1})), ("proposed", "approved")),
        ((*IN_FORCE, ("leaving", "bob", {}), ("left", "bob", {"of": 4})), ("in_force", "left")),
        ((*IN_FORCE, ("leaving", "bob", {}), ("left", "ann", {"of": 4})), ("in_force", "left")),
    ],
)
def test_a_machine_that_asks_for_no_second_person_is_found(
    monkeypatch: pytest.MonkeyPatch, steps: Steps, at: tuple[State, Move]
) -> None:
    """Negative control: a transition without its rule lets one person act alone."""
    assert not alone(list(steps))
    target = dual_control.TRANSITIONS[at].target
    monkeypatch.setitem(dual_control.TRANSITIONS, at, Transition(dual_control._accept, target))
    assert alone(list(steps))


def test_a_record_is_written_by_the_rules_by_which_it_is_read() -> None:
    """What a draft is refused for changes nothing when it stands in the journal."""
    states = {now.state: now for now in (stands(*PROPOSED), stands(*IN_FORCE))}
    for now in states.values():
        for by in PEOPLE:
            event = ApprovalEvent(9, "approved", "P1", by, 9, {"of": now.pending})
            try:
                draft_approval("profile", now, by=by)
            except (ConflictError, SecondPersonError):
                assert apply_event(now, event, needs_evidence=True) == now
            else:
                assert apply_event(now, event, needs_evidence=True) != now
