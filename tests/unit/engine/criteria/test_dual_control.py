"""Nothing takes effect with one person; what is listed, matched and found stands in the store."""

from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

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
    draft_backtest,
    draft_proposal,
    draft_retirement,
    read_approval_state,
    replay,
)
from engine.criteria.match import Match
from engine.criteria.profiles.profile import (
    ProfileMatcher,
    ProfileProposal,
    ScaleTolerances,
    profile_content,
    read_profiles,
    scale_tolerances,
)
from engine.criteria.watchlist import Notice, WatchEntry, WatchMatcher, entry_content
from engine.domain.records import Arrival
from engine.domain.time_units import DAY, HOUR, micros, moment
from engine.errors import ConflictError, SecondPersonError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import DECISION, INSPECTION
from engine.ports import FeatureRows
from engine.queue.match_outcomes import (
    OutcomeFilter,
    count_in_shadow,
    project_outcomes,
    read_outcomes,
    total,
)
from engine.storage.database import Store

PEOPLE = ("ann", "bob", "cem")


def events(*steps: tuple[Step, str, dict[str, Any]]) -> list[ApprovalEvent]:
    return [
        ApprovalEvent(seq, step, "P1", person, seq, {"content": {}} | body)
        for seq, (step, person, body) in enumerate(steps, 1)
    ]


def stands(*steps: tuple[Step, str, dict[str, Any]]) -> ApprovalState:
    return replay(events(*steps), needs_evidence=True)["P1"]


Steps = tuple[tuple[Step, str, dict[str, Any]], ...]
BARE: Steps = (("proposed", "ann", {}),)
PROPOSED: Steps = (*BARE, ("backtested", "ann", {}))
SHADOW: Steps = (*PROPOSED, ("approved", "bob", {"of": 1, "shadow": True}))
IN_FORCE: Steps = (*PROPOSED, ("approved", "bob", {"of": 1}))
LEAVING: Steps = (*IN_FORCE, ("leaving", "bob", {"why": "old"}))
LEFT: Steps = (*LEAVING, ("left", "cem", {"of": 4}))


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (IN_FORCE, "in_force"),
        (LEAVING, "in_force"),
        (LEFT, "retired"),
        ((*PROPOSED, ("approved", "ann", {"of": 1})), "proposed"),
        ((*LEAVING, ("left", "bob", {"of": 4})), "in_force"),
        ((*LEAVING, ("left", "ann", {"of": 4})), "in_force"),
        ((*BARE, ("approved", "bob", {"of": 1})), "proposed"),
        (SHADOW, "shadow"),
        ((*SHADOW, ("approved", "bob", {"of": 3})), "in_force"),
        # two approve the proposal at once, one of them as a shadow: the shadow stays one
        ((*SHADOW, ("approved", "cem", {"of": 1})), "shadow"),
        ((*LEFT, ("approved", "bob", {"of": 1})), "retired"),
    ],
)
def test_two_people_put_it_into_force_and_two_take_it_away(steps: Steps, state: State) -> None:
    assert stands(*steps).state == state


def test_an_approval_and_a_wish_to_retire_are_kept_with_their_records() -> None:
    now = stands(*LEAVING)
    assert (now.sequence, now.approvals, now.pending) == (3, ("bob",), 4)


def test_a_draft_is_refused_that_one_person_or_no_backtest_stands_behind() -> None:
    for steps, by in ((PROPOSED, "ann"), (LEAVING, "ann"), (LEAVING, "bob")):
        with pytest.raises(SecondPersonError):
            draft_approval("profile", stands(*steps), by=by)
    with pytest.raises(ConflictError, match="backtest"):
        draft_approval("profile", stands(*BARE), by="bob")
    assert draft_approval("watchlist", stands(*BARE), by="bob").kind == "watchlist_approved"
    with pytest.raises(ConflictError):
        draft_approval("profile", stands(*SHADOW), by="bob", shadow=True)
    with pytest.raises(ConflictError):
        draft_approval("profile", stands(*LEFT), by="bob")
    with pytest.raises(ConflictError):
        draft_retirement("profile", stands(*LEFT), by="bob", why="")


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
        ((*LEAVING, ("left", "bob", {"of": 4})), ("in_force", "left")),
        ((*LEAVING, ("left", "ann", {"of": 4})), ("in_force", "left")),
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


NAMES = ("night",)


def journal_of(store: Store) -> Journal:
    return Journal(store, [project_outcomes])


def note(notice: Notice, subject: str, *, by: str, now: int) -> Draft:
    content = entry_content(notice, now=now)
    return draft_proposal("watchlist", subject, by=by, content=content, is_notice=True)


def arrival(**crossing: Any) -> Arrival:
    known = {
        "crossing_id": "c",
        "post": "P",
        "direction": "entry",
        "arrived_at": "2026-01-01T00:00:00Z",
        "vehicle_class": "truck",
    }
    return Arrival.model_validate({"crossing": known | crossing}, strict=False)


def rows(*nights: float) -> FeatureRows:
    return FeatureRows(NAMES, np.array(nights, np.float32)[:, None], ())


def now(store: Store) -> int:
    journal_of(store).ensure_recent()
    with store.read() as connection:
        return journal_of(store).head(connection).as_of


def list_matches(
    store: Store, matcher: Any, *arrivals: Arrival, as_of: int | None = None
) -> list[Any]:
    cut = now(store) if as_of is None else as_of
    with store.read() as connection:
        found = matcher.matches(connection, arrivals, rows(*[1.0] * len(arrivals)), as_of=cut)
    return [list(each) for each in found]


def approve(store: Store, matter: Any, subject: str, by: str) -> Entry:
    with store.read() as connection:
        draft = draft_approval(matter, read_approval_state(connection, matter, subject), by=by)
    return journal_of(store).append([draft])[0]


def test_the_list_follows_its_records(store: Store) -> None:
    journal, matcher = journal_of(store), WatchMatcher()
    assert list_matches(store, matcher, arrival(plate="A1")) == [[]]
    at = now(store)
    entry = WatchEntry(plate="A 1", reason="x", expiry=moment(at + DAY))
    journal.append(
        [draft_proposal("watchlist", "w1", by="ann", content=entry_content(entry, now=at))]
    )
    result = Notice(trailer="T1", reason="x", expiry=moment(at + DAY))
    seq = journal.append([note(result, "w2", by="fot", now=at)])[0].seq
    both = arrival(plate="a-1", trailer_plate="T1")
    until = moment(at + DAY).strftime("%Y-%m-%d %H:%M UTC")
    text = f"trailer T1; reason: x; by fot; until {until}"
    assert list_matches(store, matcher, both) == [
        [Match("watchlist", "w2", seq, "yellow", 1.0, words=text, is_of_counterpart=True)]
    ]

    entered = approve(store, "watchlist", "w1", "bob").seq
    first, second = list_matches(store, matcher, both, arrival(plate="B1"))
    assert [m.code for m in first] == ["w1", "w2"] and second == []
    text = f"plate A 1; reason: x; by ann; until {until}"
    assert first[0] == Match("watchlist", "w1", entered, "red", 1.0, words=text)
    assert list_matches(store, matcher, both, as_of=at + DAY) == [[]]

    with store.read() as connection:
        going = draft_retirement(
            "watchlist", read_approval_state(connection, "watchlist", "w1"), by="bob", why=""
        )
    journal.append([going])
    approve(store, "watchlist", "w1", "cem")
    assert [m.code for m in list_matches(store, matcher, both)[0]] == ["w2"]


def profile(code: str, at: int, **more: Any) -> ProfileProposal:
    return ProfileProposal(
        code=code,
        expression="features.night == 1",
        channel="red",
        percentage=40.0,
        valid_until=moment(at + DAY),
        **more,
    )


def test_a_release_without_a_feature_fails_no_decision(store: Store) -> None:
    journal, at, result = journal_of(store), now(store), list[Draft]()
    journal.append(
        [
            draft_proposal(
                "profile", "N1", by="ann", content=profile_content(profile("N1", at), now=at)
            )
        ]
    )
    journal.append([draft_backtest("profile", "N1", by="ann", state="proposed", figures={})])
    approve(store, "profile", "N1", "bob")
    failures: list[int] = []
    matcher = ProfileMatcher(
        result.append,  # type: ignore[arg-type]
        ("day",),
        failed=lambda: failures.append(1),
    )
    with store.read() as connection:
        made = replace(rows(1.0), names=("day",))
        assert matcher.matches(connection, [arrival()], made, as_of=now(store)) == [()]
    assert [(d.kind, d.subject) for d in result] == [("profile_failed", "N1")] and failures == [1]


def test_scales_have_the_tolerance_in_force_at_their_post(store: Store) -> None:
    journal, at = journal_of(store), now(store)
    shipped = ScaleTolerances(load_kg=1500.0, mass_kg=2500.0)
    wanted = profile(
        "MASS", at, fact="mass", tolerance=2000.0, tolerances={"P": 700.0}, owner="o",
        review_by=moment(at + DAY),
    )  # fmt: skip
    matcher = ProfileMatcher(lambda _: Future(), NAMES)

    def read_scales(post: str, *, as_of: int = at) -> ScaleTolerances:
        with store.read() as connection:
            matcher.matches(connection, [arrival()], rows(0.0), as_of=as_of)
            found = scale_tolerances(read_profiles(connection).values(), post, as_of=as_of)
        assert found == matcher.tolerances(post, as_of)
        return found

    content = profile_content(wanted, now=at)
    journal.append([draft_proposal("profile", "MASS", by="ann", content=content)])
    assert read_scales("P") == shipped, "a proposal changes nothing"
    journal.append([draft_backtest("profile", "MASS", by="ann", state="proposed", figures={})])
    approve(store, "profile", "MASS", "bob")
    assert read_scales("P") == replace(shipped, mass_kg=700.0)
    assert read_scales("Q") == replace(shipped, mass_kg=2000.0)
    assert read_scales("P", as_of=at + DAY) == shipped, "it has expired"


def decision(crossing_id: str, *fired: str) -> Draft:
    matches = [
        {"source": "profile", "code": code, "sequence": 1, "channel": "red", "share": 0.5}
        for code in ("N1", "N2")
    ]
    body = {
        "crossing_id": crossing_id,
        "inputs": {"matches": matches},
        "decision": {"profiles": list(fired)},
    }
    return Draft(DECISION, f"d-{crossing_id}", "P", body)


def act(number: int, crossing_id: str, outcome: str, *methods: str) -> Draft:
    inspection = {
        "inspection_id": f"i{number}",
        "crossing_id": crossing_id,
        "basis": "profile",
        "recorded_at": "2026-01-01T00:00:00Z",
        "methods": list(methods),
        "minutes": 10,
        "outcome": outcome,
    }
    return Draft(INSPECTION, f"i{number}", "P", {"inspection": inspection})


def test_an_outcome_is_of_the_acts_and_posts_that_its_reader_sees(store: Store) -> None:
    journal = journal_of(store)
    other = replace(decision("c", "N1"), post="Q")
    journal.append([decision("a", "N1"), decision("b", "N1"), other, decision("a", "N1")])
    acts = [act(1, "a", "seizure"), act(2, "b", "clear"), act(3, "c", "seizure")]
    acts[1].body["inspection"]["agency"] = "customs"
    journal.append(acts)

    def figures(**seen: Any) -> tuple[int, int, int, float]:
        with store.read() as connection:
            (one,) = read_outcomes(connection, ["N1"], OutcomeFilter(**seen))["N1"].values()
        return one.matches, one.inspected, one.hits, one.minutes

    assert figures() == (3, 3, 2, 30.0)  # the vehicle that was decided on twice counts once
    assert figures(post="P") == figures(hidden_posts=frozenset({"Q"})) == (2, 2, 1, 20.0)
    assert figures(sees_acts_of=lambda agency: agency is None) == (3, 2, 2, 20.0)
    assert figures(sees_acts_of=lambda agency: agency == "customs") == (3, 1, 0, 10.0)


def test_each_month_has_its_own_outcome(store: Store) -> None:
    journal = journal_of(store)
    first = micros(datetime(2026, 9, 30, 23, 59, tzinfo=UTC))
    times = (first, first + HOUR, first + 40 * DAY)
    decided = journal.append([decision(f"m{number}", "N2") for number in range(len(times))])
    with store.write() as connection:
        for entry, known_at in zip(decided, times, strict=True):
            moved = update(JOURNAL).where(JOURNAL.c.seq == entry.seq)
            connection.execute(moved.values(known_at=known_at))
    journal.append([act(1, "m1", "seizure")])  # found later: it counts where the vehicle matched

    def months() -> dict[str, tuple[int, int]]:
        with store.read() as connection:
            found = read_outcomes(connection, ["N2"])["N2"]
        return {month: (one.matches, one.hits) for month, one in found.items()}

    assert months() == {"2026-09": (1, 0), "2026-10": (1, 1), "2026-11": (1, 0)}


def test_what_became_of_matches_is_counted(store: Store) -> None:
    journal = journal_of(store)
    journal.append([decision("a", "N1"), decision("b", "N1", "N2"), decision("c"), decision("d")])
    journal.append([act(1, "a", "seizure", "physical"), act(2, "a", "clear", "documents")])
    journal.append([act(3, "b", "clear", "documents")])  # papers alone are no evidence
    journal.append([act(4, "c", "clear", "physical"), act(5, "nobody", "seizure")])
    counts = {"N1": {"arrivals": 9, "matches": 2}}
    journal.append([Draft("profile_counted", "", "", {"counts": counts})])
    journal.append([Draft("profile_counted", "", "", {"counts": counts})])
    with store.read() as connection:
        found = read_outcomes(connection, ["N1", "N2"])
        shadow = count_in_shadow(connection, "N1")
    one, two = (total(found[code].values()) for code in ("N1", "N2"))
    assert (one.matches, one.selected, one.inspected, one.hits) == (4, 2, 2, 1)
    assert (one.selected_inspected, one.selected_hits, one.minutes) == (1, 1, 40.0)
    assert shadow == (18, 4)
    assert (two.matches, two.selected, two.inspected, two.selected_inspected) == (4, 1, 2, 0)
