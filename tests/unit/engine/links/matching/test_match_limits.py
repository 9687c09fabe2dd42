"""An enumeration alarms before 1 % of it is answered, however it is cut; a real list does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.domain.time_units import DAY, HOUR
from engine.links.matching.match_limits import (
    MatchLimits,
    MatchUse,
    judge_request,
)

PLATES = 10_000
START = 1_709_800_000_000_000


def requests(size: int, every: int) -> Iterator[tuple[int, int]]:
    """(time, elements) of requests of a size, one after each span, until all plates were asked."""
    for number in range(-(-PLATES // size)):
        yield START + number * every, min(size, PLATES - number * size)


def resume(use: MatchUse) -> MatchUse:
    """Return the use as it is read once two people let it go on."""
    return replace(use, refused=(), alarm=None)


def answered_before_alarm(size: int, every: int, limits: MatchLimits) -> tuple[int, int | None]:
    """Elements that an enumeration gets answered, and when it alarms, within a period."""
    use, answered = MatchUse(), 0
    for at, elements in requests(size, every):
        if at - START >= limits.period_days * DAY:
            break
        use, rule = judge_request(use, limits, elements=elements, at=at)
        answered += elements if rule is None else 0
        if use.alarm is not None:
            return answered, at
    return answered, None


@pytest.mark.parametrize("every", [0, HOUR, DAY, 3 * DAY])
@pytest.mark.parametrize("size", [1, 7, 49, 50, 51, 1_000, PLATES])
def test_an_enumeration_alarms_before_one_percent_is_answered(size: int, every: int) -> None:
    answered, alarmed_at = answered_before_alarm(size, every, MatchLimits())
    assert alarmed_at is not None
    assert answered < PLATES // 100


def test_without_the_budget_an_enumeration_is_answered() -> None:
    """Seeded bug: only the size of a request is limited."""
    limits = MatchLimits(requests_per_day=PLATES, elements_per_period=PLATES)
    assert answered_before_alarm(50, HOUR, limits) == (PLATES, None)


def test_an_honest_list_is_answered_all_year() -> None:
    use = MatchUse()
    for week in range(40):
        at = START + week * 7 * DAY
        use, rule = judge_request(use, MatchLimits(), elements=50 if week == 0 else 1, at=at)
        assert rule is None
    assert use.alarm is None


def test_a_second_request_of_a_day_waits_and_the_third_refusal_stops() -> None:
    limits, use = MatchLimits(), MatchUse()
    rules = []
    for hour in range(5):
        use, rule = judge_request(use, limits, elements=1, at=START + hour * HOUR)
        rules.append(rule)
    assert rules == [None, "too_often", "too_often", "too_often", "stopped"]
    resumed = resume(use)
    assert resumed.answered == use.answered
    assert judge_request(resumed, limits, elements=1, at=START + 2 * DAY)[1] is None


def test_what_was_answered_stays_counted_after_two_people_resumed() -> None:
    use, _ = judge_request(MatchUse(), MatchLimits(), elements=50, at=START)
    use, rule = judge_request(use, MatchLimits(), elements=50, at=START + 2 * DAY)
    assert rule == "budget_spent"
    again = judge_request(resume(use), MatchLimits(), elements=50, at=START + 4 * DAY)
    assert again[1] == "budget_spent"
    later = START + 366 * DAY
    assert judge_request(resume(use), MatchLimits(), elements=50, at=later)[1] is None


def test_both_sides_are_shown_the_same_limits() -> None:
    assert MatchLimits(**MatchLimits().to_json()) == MatchLimits()
    with pytest.raises(ValueError, match="at least 1"):
        MatchLimits(elements_per_request=0)
