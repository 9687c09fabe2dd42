"""The area of cases: what follows a find, from its opening to its end."""

from collections.abc import Iterator
from typing import Any, Final, NotRequired

from engine.domain.rights import Matter
from engine.journal.areas import Area, Body, Event, Group, NamedField, Owner, RecordRule, TableRule
from engine.journal.entries import JournalRecord, Kind
from engine.journal.kinds import Json, ReportBody


class CaseOpenedBody(ReportBody):
    """What a case is opened with, as ``engine.cases.case_events.CaseOpening`` has it."""

    opening: Json
    deadline: NotRequired[int]
    """UTC microseconds."""


class CaseEventBody(ReportBody):
    """One event of a case; ``about`` has when it happened, a remark and handling codes."""

    agency: str
    """Of the case; empty where it has none."""
    by_agency: NotRequired[str]
    event: Json
    about: NotRequired[Json]
    deadline: NotRequired[int]
    """Of an assignment: UTC microseconds."""


CASE_OPENED: Final = Kind[CaseOpenedBody]("case_opened", "case opened")
"""A case is opened from a find, an attention or by hand; the subject is the case."""
CASE_EVENT: Final = Kind[CaseEventBody]("case_event", "event of a case")
"""What happened in a case; the subject is the case."""


def _own_case(body: Body) -> Iterator[Owner]:
    found = body.get("opening") or body
    yield Matter.CASES, found.get("agency") or None


def _group_by_case(one: JournalRecord[Any]) -> Group:
    return "case", one.subject


def _list_opening_events(subject: str, _body: Body) -> Iterator[Event]:
    yield Event("case.changed", f"case:{subject}")


def _list_events(subject: str, body: Body) -> Iterator[Event]:
    """Yield that a case goes on, and that one of its steps waits for a second person."""
    from engine.cases.case_events import NEED_SECOND

    yield Event("case.changed", f"case:{subject}")
    if body["event"]["kind"] in NEED_SECOND:
        yield Event("approval.waiting", f"case:{subject}")


AREA: Final = Area(
    name="cases",
    records={
        CASE_OPENED: RecordRule(
            matter=Matter.CASES,
            owners=_own_case,
            events=_list_opening_events,
            group=_group_by_case,
            is_of_post=True,
            is_read_back=True,
            claimed=("opening", "seizure_id"),
            names=(
                NamedField("case", "subject", is_made=True),
                NamedField("post", "opening.post?"),
                NamedField("seizure", "opening.seizure_id?"),
                NamedField("request", "opening.attention_id?", is_made=True),
            ),
        ),
        CASE_EVENT: RecordRule(
            matter=Matter.CASES,
            owners=_own_case,
            events=_list_events,
            group=_group_by_case,
            is_of_post=True,
            is_read_back=True,
            names=(NamedField("case", "subject"),),
            linked={"act": "inspection", "seizure": "seizure", "attention": "request"},
        ),
    },
    tables={
        "cases": TableRule(erased_by=("seq",)),
        "case_events": TableRule(erased_by=("seq",)),
    },
    projections=("engine.cases.case_ledger:project_cases",),
    files="engine.cases.files:read_case_files",
    held="engine.cases.case_state:select_open",
)
