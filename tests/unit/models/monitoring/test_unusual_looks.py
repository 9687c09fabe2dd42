"""A curious officer is found among others of the role; ordinary ones are not."""

import dataclasses

import numpy as np
import pytest

from models.monitoring import unusual_looks
from models.monitoring.unusual_looks import (
    ALARM_AT,
    MARKS,
    Mark,
    MarkedLook,
    UnusualLooks,
    find_unusual,
)
from tests.support.sizes import PROOF

PERIODS = 400 if PROOF else 60
USUAL: dict[Mark, float] = {"unfollowed": 0.2, "idle": 0.1, "repeated": 0.05, "no_purpose": 0.3}


def draw_looks(seed: int, *, curious: dict[Mark, float] | None = None) -> list[MarkedLook]:
    """Return a month of ten officers, whose busiest makes three times the looks of the idlest."""
    draw = np.random.default_rng(seed)
    looks = []
    for number in range(10):
        rate = draw.uniform(0.6, 1.8)
        shares = curious if curious is not None and number == 0 else USUAL
        for _ in range(draw.poisson(40 * rate)):
            marks = frozenset(mark for mark, share in shares.items() if draw.random() < share)
            looks.append(MarkedLook(f"officer-{number}", "checkpoint", marks))
    return looks


def alarms(looks: list[MarkedLook]) -> list[UnusualLooks]:
    return [one for one in find_unusual(looks) if one.is_alarm]


def test_ordinary_officers_raise_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    loud = sum(bool(alarms(draw_looks(seed))) for seed in range(PERIODS))
    assert loud <= 0.02 * PERIODS
    # Negative control: every figure above the others' is an alarm.
    always = property(lambda one: one.seen > one.expected)
    monkeypatch.setattr(UnusualLooks, "is_alarm", always)
    assert sum(bool(alarms(draw_looks(seed))) for seed in range(PERIODS)) > 0.5 * PERIODS


@pytest.mark.parametrize("mark", MARKS)
def test_a_curious_officer_is_found_by_each_mark(mark: Mark) -> None:
    curious = USUAL | {mark: max(0.9, USUAL[mark])}
    found = [alarms(draw_looks(seed, curious=curious)) for seed in range(20)]
    assert sum(any(one.person == "officer-0" for one in some) for some in found) >= 19
    assert {one.person for some in found for one in some} == {"officer-0"}
    assert mark in {one.measure for some in found for one in some}


def test_who_looks_far_more_often_is_found() -> None:
    looks = draw_looks(7)
    extra = [dataclasses.replace(looks[0], person="officer-3", marks=frozenset())] * 400
    found = alarms([*looks, *extra])
    assert [(one.person, one.measure) for one in found] == [("officer-3", "many")]
    assert found[0].p_value <= ALARM_AT


def test_two_persons_are_not_compared() -> None:
    looks = [one for one in draw_looks(3) if one.person in ("officer-0", "officer-1")]
    assert unusual_looks.find_unusual(looks) == []
