"""Limits of set intersections, told to both sides, and the alarm of an enumeration.

A blinded element hides whether it is a watch-list entry or one of all plates of a country, so what
is answered in total is what bounds an enumeration. The key stays as long as the agreement, and an
element that was answered needs no second answer: an honest list uses its budget once. Both sides
hold the same limits, so a request beyond them is no mistake; it is refused and stops set
intersections of the link until two people decide.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from engine.domain.time_units import DAY

MatchRule = Literal["too_many_elements", "too_often", "budget_spent", "stopped"]


@dataclass(frozen=True, slots=True)
class MatchLimits:
    """What one side answers the other within a period."""

    elements_per_request: int = 50
    requests_per_day: int = 1
    elements_per_period: int = 90
    """Below 1 % of 10,000: the smallest enumeration that is worth one."""
    entries: int = 1_000
    """Tokens that the answering side sends: the size of its list."""
    period_days: int = 365
    refusals: int = 3
    """Requests that come too often within a period, from which on the link is stopped too."""

    def __post_init__(self) -> None:
        """Refuse limits that permit nothing."""
        if min(self.elements_per_request, self.requests_per_day, self.elements_per_period) < 1:
            raise ValueError("limits of set intersections must be at least 1")

    def to_json(self) -> dict[str, Any]:
        """Return the limits as both sides are shown them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class MatchUse:
    """What one partner asked so far: (UTC microseconds, elements answered) of each request."""

    answered: tuple[tuple[int, int], ...] = ()
    refused: tuple[int, ...] = ()
    """When requests came too often, UTC microseconds."""
    alarm: MatchRule | None = None
    """Why set intersections of the link are stopped, None where they are not."""

    def elements_since(self, since: int) -> int:
        """Return how many elements were answered from a time on."""
        return sum(elements for at, elements in self.answered if at >= since)


def judge_request(
    use: MatchUse, limits: MatchLimits, *, elements: int, at: int
) -> tuple[MatchUse, MatchRule | None]:
    """Return the use after a request, and the rule that it breaks, None where it is answered.

    ``at`` is UTC microseconds, by the answering side's journal.
    """
    if use.alarm is not None:
        return use, "stopped"
    begin = at - limits.period_days * DAY
    if elements > limits.elements_per_request:
        return replace(use, alarm="too_many_elements"), "too_many_elements"
    if use.elements_since(begin) + elements > limits.elements_per_period:
        return replace(use, alarm="budget_spent"), "budget_spent"
    if sum(asked_at > at - DAY for asked_at, _ in use.answered) >= limits.requests_per_day:
        refused = (*(one for one in use.refused if one >= begin), at)
        is_alarm = len(refused) >= limits.refusals
        return replace(use, refused=refused, alarm="too_often" if is_alarm else None), "too_often"
    answered = (*((then, n) for then, n in use.answered if then >= begin), (at, elements))
    return replace(use, answered=answered), None
