"""An enumeration alarms before 1 % of it is answered, however it is cut; a real list does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.domain.time_units import DAY, HOUR
from engine.links.matching.match_state import (
    Enquiry,
    MatchLimits,
    MatchState,
    MatchUse,
    judge_request,
)

PLATES = 10_000
START = 1_709_800_000_000_000


def requests(size: int, every: int) -> Iterator[tuple[int, int]]:
    """(time, elements) of requests of a size, one after each span, until all plates were asked."""
    for number in range(-(-PLATES // size)):
        yield START + number * every, min(size, PLATES - number * size)


def ask(state: MatchState, elements: int, at: int) -> MatchState:
    """Return the state after a request of the other side, as the answering side records it."""
    use, rule = judge_request(state.use, MatchLimits(), elements=elements, at=at)
    is_alarm = use.alarm is not None and state.alarm is None
    number = len(state.enquiries) + 1
    asked = Enquiry(number, at, f"exchange-{number}", elements, rule or "", is_alarm)
    return replace(state, enquiries=(*state.enquiries, asked))


def resume(state: MatchState) -> MatchState:
    """Return the state after two people went on."""
    assert state.alarm is not None
    return replace(state, resumed=state.resumed | {state.alarm.sequence})


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
    state = MatchState(link="link")
    for hour in range(5):
        state = ask(state, 1, START + hour * HOUR)
    rules = [one.rule for one in state.enquiries]
    assert rules == ["", "too_often", "too_often", "too_often", "stopped"]
    resumed = resume(state)
    assert resumed.use.answered == state.use.answered != ()
    assert ask(resumed, 1, START + 2 * DAY).enquiries[-1].rule == ""


def test_what_was_answered_stays_counted_after_two_people_resumed() -> None:
    state = ask(ask(MatchState(link="link"), 50, START), 50, START + 2 * DAY)
    assert state.enquiries[-1].rule == "budget_spent"
    again = ask(resume(state), 50, START + 4 * DAY)
    assert again.enquiries[-1].rule == "budget_spent"
    assert ask(resume(state), 50, START + 366 * DAY).enquiries[-1].rule == ""


def test_limits_that_permit_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MatchLimits(elements_per_request=0)
