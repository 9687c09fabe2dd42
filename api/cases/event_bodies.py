"""Events of cases, as receivers of events and officers are told of them."""

from collections.abc import Iterator
from typing import Any, Final

from api.auth.callers import Caller
from api.cases.reads import CaseFilter, describe_cases, sees_case
from api.notifications.event_bodies import AreaEvents, Body, EventBodies, Route
from api.service.runtime import Runtime
from engine.cases.area import CASE_OPENED
from engine.cases.case_reading import read_cases
from engine.journal.batch_worker import StoredRecord

_CASE: Route = ("GET", "/v1/cases/{case_id}")
_CASES: Route = ("GET", "/v1/cases")


def sees_record(bodies: EventBodies, found: StoredRecord) -> bool:
    """Tell whether the route of a case would show it to the receiver."""
    entry = found.entry
    entered = bodies.enter(_CASE, entry.post)
    if entered is None:
        return False
    known = read_cases(bodies.connection, [entry.subject]).get(entry.subject)
    return known is not None and sees_case(entered, known.case)


def show_change(bodies: EventBodies, found: StoredRecord) -> Body | None:
    """Return that a case was opened or goes on, by identifiers alone."""
    entry = found.entry
    if not sees_record(bodies, found):
        return None
    is_opened = entry.kind == CASE_OPENED
    change = "opened" if is_opened else found.body["event"]["kind"]
    about = {"change": change, "case_id": entry.subject, "post": entry.post}
    return about | {"sequence": entry.seq}


EVENTS: Final = AreaEvents({"case.changed": show_change}, {"case": sees_record})


def list_escalated(service: Runtime, caller: Caller) -> Iterator[dict[str, Any]]:
    """Yield the open cases that stand for too long, as notifications."""
    if caller.may(*_CASES):
        wanted = CaseFilter(state="open", urgency="escalated")
        for one in describe_cases(service, caller.enter(*_CASES), wanted)["cases"]:
            about = {"id": one["case_id"], "post": one["post"]}
            yield {"kind": "alarm", "about": "case", "at": one["changed_at"]} | about
