"""Which value of a setting is in force where and when, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.policy import (
    NETWORK,
    SETTINGS,
    SHARES,
    PolicyHistory,
    PolicyProposal,
    Shares,
    ShiftTimes,
    list_ignored,
    replay_policy,
)
from engine.domain.network import Network
from engine.domain.time_units import DAY, HOUR
from engine.errors import RecordError
from engine.journal.entries import JournalRecord
from engine.journal.kinds import COPIED, POLICY_APPROVED, POLICY_DECLARED, POLICY_PROPOSED
from engine.journal.power_records import PowerRecord

START = 20_000 * DAY


def declare(seq: int, *, is_copy: bool = False, **values: Any) -> PowerRecord:
    body: dict[str, Any] = {"values": values} | ({COPIED: {"sequence": seq}} if is_copy else {})
    return JournalRecord(seq, START + seq * HOUR, POLICY_DECLARED, f"first-{seq}", "", body)


def decide(
    seq: int,
    value: dict[str, Any] | None,
    *,
    post: str | None = None,
    setting: str = "shares",
    by: str = "bob",
    is_copy: bool = False,
) -> list[PowerRecord]:
    """Return a proposal and its approval, which is record ``seq``."""
    content = {"setting": setting, "post": post, "value": value, "reason": "r"}
    copied = {COPIED: {"sequence": seq - 1}} if is_copy else {}
    subject = f"policy-{seq}"
    made: dict[str, Any] = {"by": "ann", "content": content, "state": "proposed"} | copied
    agreed: dict[str, Any] = {"by": by, "of": seq - 1, "shadow": False, "state": "in_force"}
    agreed |= {COPIED: {"sequence": seq}} if is_copy else {}
    return [
        JournalRecord(seq - 1, START + (seq - 1) * HOUR, POLICY_PROPOSED, subject, "", made),
        JournalRecord(seq, START + seq * HOUR, POLICY_APPROVED, subject, "", agreed),
    ]


def random_share(
    history: PolicyHistory, post: str | None = None, *, at: int | None = None
) -> float:
    found = history.read(SHARES, post, at=at)
    assert isinstance(found, Shares)
    return found.random_share


def test_without_a_record_the_shipped_values_hold() -> None:
    assert random_share(PolicyHistory()) == 0.03
    assert PolicyHistory().find(NETWORK) is None


def test_a_post_comes_before_all_posts_and_the_last_before_the_first() -> None:
    history = replay_policy(
        [
            declare(1, shares={"random_share": 0.04}),
            *decide(3, {"random_share": 0.05}),
            *decide(5, {"random_share": 0.06}, post="OYB"),
            *decide(7, {"random_share": 0.07}),
        ]
    )
    assert (random_share(history), random_share(history, "OYB")) == (0.07, 0.06)
    assert random_share(history, "FOT") == 0.07
    times = [START + hour * HOUR for hour in (0, 2, 3, 4, 8)]
    assert [random_share(history, "OYB", at=at) for at in times] == [0.04, 0.04, 0.04, 0.05, 0.06]


def test_a_post_goes_back_to_the_value_of_all() -> None:
    records = [*decide(3, {"random_share": 0.06}, post="OYB"), *decide(5, None, post="OYB")]
    history = replay_policy(records)
    assert random_share(history, "OYB") == 0.03
    assert random_share(history, "OYB", at=START + 4 * HOUR) == 0.06


def test_one_person_an_unproven_record_and_a_foreign_value_change_nothing() -> None:
    alone = decide(3, {"random_share": 0.06}, by="ann")
    proposed, approved = decide(5, {"random_share": 0.06})
    edited = [
        JournalRecord(one.seq, one.known_at, one.kind, one.subject, "", None)
        for one in (proposed, approved)
    ]
    for records in (alone, [proposed], edited, decide(3, {"random_share": 0.5})):
        assert random_share(replay_policy(records)) == 0.03
    assert random_share(replay_policy([proposed, approved])) == 0.06, "negative control"


def test_of_two_first_values_the_first_record_holds() -> None:
    first, second = (declare(n, shares={"random_share": s}) for n, s in ((1, 0.04), (2, 0.05)))
    assert random_share(replay_policy([first, second])) == 0.04


def test_the_centre_takes_over_what_travels() -> None:
    """What the node decided ends with the centre's first values; its network file stays its own."""
    own = decide(3, {"random_share": 0.06}, post="OYB")
    network = '[[posts]]\ncode = "OYB"\nname = "Oybek"\ncountry = "UZ"\n'
    theirs = decide(7, {"file": network}, setting="network", is_copy=True)
    records = [
        declare(1, shares={"random_share": 0.04}),
        *own,
        declare(5, is_copy=True, shares={"random_share": 0.05}),
        *theirs,
    ]
    history = replay_policy(records)
    assert random_share(history, "OYB") == random_share(history) == 0.05
    assert random_share(history, "OYB", at=START + 4 * HOUR) == 0.06, "what was decided stands"
    assert history.find(NETWORK) is None
    later = replay_policy([*records, *decide(9, {"random_share": 0.08}, is_copy=True)])
    assert random_share(later, "OYB") == 0.08


@pytest.mark.parametrize(
    ("fields", "at", "rule"),
    [
        ({"setting": "weather", "value": {}}, "setting", "unknown_enumeration"),
        ({"setting": "shares"}, "value", "missing_key"),
        ({"setting": "silence", "post": "OYB", "value": {}}, "post", "not_by_post"),
        ({"setting": "shares", "value": {"random_share": 0.02}}, "value.random_share", "too_small"),
        ({"setting": "shares", "value": {"random_share": 0.11}}, "value.random_share", "too_large"),
        (
            {"setting": "shares", "value": {"red_share": float("nan")}},
            "value.red_share",
            "not_finite",
        ),
        ({"setting": "shares", "value": {"red_share": "x"}}, "value.red_share", "not_a_number"),
        ({"setting": "shares", "value": {"red_share": 0.45}}, "value.red_share", "too_large"),
        (
            {"setting": "shares", "value": {"green_share": 0.1}},
            "value.green_share",
            "unknown_field",
        ),
        ({"setting": "shift_times", "value": {"hours": 7}}, "value.hours", "not_a_divisor"),
        (
            {"setting": "silence", "value": {"random_hours": 0.5}},
            "value.random_hours",
            "contradiction",
        ),
        ({"setting": "network", "value": {"file": "x = {"}}, "value.file", "malformed"),
        ({"setting": "network", "value": {"file": "[[posts]]"}}, "value.file", "malformed"),
    ],
)
def test_a_bad_value_names_the_field_and_the_rule(
    fields: dict[str, Any], at: str, rule: str
) -> None:
    if fields["setting"] == "shares" and fields.get("value", {}).get("red_share") == 0.45:
        fields["value"]["yellow_share"] = 0.1
    with pytest.raises(RecordError) as refused:
        PolicyProposal(reason="r", **fields).complete(PolicyHistory())
    assert (refused.value.field, refused.value.rule) == (at, rule)


def test_fields_that_a_value_leaves_out_stay_as_they_are() -> None:
    history = replay_policy(decide(3, {"red_share": 0.06, "random_share": 0.05}))
    asked = PolicyProposal(setting="shares", value={"random_share": 0.07}, reason="r")
    assert (
        asked.complete(history)["value"] == Shares(red_share=0.06, random_share=0.07).model_dump()
    )


def test_an_edited_environment_is_named_until_it_says_what_was() -> None:
    history = replay_policy(
        [
            declare(1, shares=Shares(random_share=0.04).model_dump()),
            *decide(3, {"random_share": 0.06}),
        ]
    )
    for share, named in ((0.04, []), (0.06, []), (0.05, [("shares", "random_share")])):
        assert list_ignored(history, {"shares": Shares(random_share=share)}) == named


def test_every_first_value_is_one_that_a_proposal_may_have() -> None:
    for setting in SETTINGS.values():
        if setting.first is not None:
            value = setting.first().model_dump(mode="json")
            PolicyProposal(setting=setting.name, value=value, reason="r").complete(PolicyHistory())


def test_other_hours_begin_when_the_running_shift_ends() -> None:
    """Decided at 03:00 local, in the shift from 20:00 to 08:00; then shifts of six hours from 6."""
    times = ShiftTimes(starts_minute=360, hours=6).model_dump()
    plan = replay_policy(decide(22, times, setting="shift_times")).plan_shifts(Network())
    before, first, second = (plan.shift("OYB", START + hour * HOUR) for hour in (26, 27, 32))
    assert before.closes_at == first.opens_at == START + 27 * HOUR
    assert first.closes_at == START + 31 * HOUR, "it lasts until the next change by the new hours"
    assert second.closes_at - second.opens_at == 6 * HOUR


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.integers(0, 23 * 60),
            st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24]),
            st.sampled_from([None, "OYB", "FOT"]),
        ),
        max_size=6,
    ),
    st.integers(0, 450),
)
def test_every_instant_is_in_exactly_one_shift_whatever_was_decided(
    changes: list[tuple[int, int, int, str | None]], hour: int
) -> None:
    records, seq = [], 0
    for at, starts, hours, post in sorted(changes, key=lambda one: one[0]):
        seq = max(seq + 2, at + 2)
        times = ShiftTimes(starts_minute=starts, hours=hours).model_dump()
        records += decide(seq, times, setting="shift_times", post=post)
    plan = replay_policy(records).plan_shifts(Network())
    instant = START + hour * HOUR
    found = plan.shift("OYB", instant)
    assert found.opens_at <= instant < found.closes_at
    assert plan.shift("OYB", found.opens_at) == found
    assert plan.shift("OYB", found.closes_at - 1) == found
    assert plan.shift("OYB", found.closes_at).opens_at == found.closes_at
    assert plan.shift("OYB", found.opens_at - 1).closes_at == found.opens_at
