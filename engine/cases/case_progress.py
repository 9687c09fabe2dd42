"""Duties of a case, who acts next, and whether it has stood for too long.

Duties follow from what was recorded and what was not: a case that begins with goods owes a sample,
its result, a report and a hand-over. They are advice; only what waits for a second person binds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engine.cases.case_reading import CaseHistory
from engine.cases.case_state import CaseState
from engine.domain.time_units import DAY

AGEING_DAYS, ESCALATED_DAYS = 7, 14
"""Whole days without an event after which an open case ages, and is escalated."""
_DELIVERY_ENDS = ("second_search", "custody", "hand_over")
Urgency = Literal["on_time", "ageing", "escalated"]
Duty = Literal[
    "agree_custody",
    "agree_delivery",
    "delivery_outcome",
    "laboratory_result",
    "sample",
    "report",
    "hand_over",
    "closure",
]


def judge_urgency(case: CaseState, now: int) -> Urgency:
    """Return how urgent an open case is at a time: past its deadline it is escalated."""
    if not case.is_open:
        return "on_time"
    idle = (now - case.changed_at) // DAY
    if case.is_overdue(now) or idle >= ESCALATED_DAYS:
        return "escalated"
    return "ageing" if idle >= AGEING_DAYS else "on_time"


def find_idle_days(urgency: Urgency | None) -> int | None:
    """Return after how many days without an event a case is so urgent; None where it may be new."""
    return {"ageing": AGEING_DAYS, "escalated": ESCALATED_DAYS}.get(urgency or "")


@dataclass(frozen=True, slots=True)
class NextStep:
    """One step that a case owes, and who takes it."""

    duty: Duty
    person: str | None = None
    """The owner, where the step is theirs."""
    agency: str | None = None
    """The agency whose person agrees."""
    sequence: int | None = None
    """The record that waits for a second person, or that the step follows."""
    reported_by: str | None = None
    """Who may not agree, because they reported it."""
    sample: str | None = None
    until: str | None = None


def list_next_steps(history: CaseHistory) -> list[NextStep]:
    """Return what an open case owes, the first first; nothing of a closed one."""
    if not history.case.is_open:
        return []
    owed = [*_list_agreements(history), *_list_duties(history)]
    return owed or [NextStep("closure", person=history.case.owner)]


def _list_agreements(history: CaseHistory) -> Iterator[NextStep]:
    for one in history.case.waiting.values():
        about: dict[str, Any] = {"sequence": one.seq, "reported_by": one.body["by"]}
        if one.event["kind"] == "custody":
            yield NextStep("agree_custody", agency=one.event["to_agency"], **about)
        else:
            yield NextStep("agree_delivery", until=one.event["until"], **about)


def _list_duties(history: CaseHistory) -> Iterator[NextStep]:
    owner = history.case.owner
    known = {one.event["kind"] for one in history.steps}
    yield from _list_deliveries(history)
    results = {one.event["sample"] for one in history.find_steps("laboratory_result")}
    samples = {one.event["sample"]: one for one in history.find_steps("sample")}
    for name in samples:
        if name not in results:
            yield NextStep("laboratory_result", person=owner, sample=name)
    if not samples and not results and _has_goods(history):
        yield NextStep("sample", person=owner)
    if "report_sent" not in known:
        yield NextStep("report", person=owner)
    if "hand_over" not in known:
        yield NextStep("hand_over", person=owner)


def _list_deliveries(history: CaseHistory) -> Iterator[NextStep]:
    """Yield the controlled deliveries that were agreed to and after which nothing was reported."""
    agreed = history.case.agreed
    last = max((one.seq for one in history.find_steps(*_DELIVERY_ENDS)), default=0)
    for one in history.find_steps("controlled_delivery"):
        if one.seq in agreed and last < one.seq:
            about: dict[str, Any] = {"sequence": one.seq, "until": one.event["until"]}
            yield NextStep("delivery_outcome", person=history.case.owner, **about)


def _has_goods(history: CaseHistory) -> bool:
    is_stated = "substance_class" in history.facts
    return is_stated or any(kind == "seizure" for kind, _ in history.links())
