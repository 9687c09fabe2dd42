"""The page of the requests between partners: what was asked, forms to ask and to answer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.attentions.answers import count_requests, list_links_open, list_requests_seen
from api.attentions.routes import RequestId
from api.attentions.steps import AttentionRequest, CaseRequest, RequestAnswer, RequestWriter
from api.cases.answers import CaseSummary
from api.cases.readers import CaseFilter, describe_cases
from api.cases.steps import list_passable
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.domain.records import OptionalReason
from engine.errors import RecordError

router = APIRouter(prefix="/attentions", route_class=PageRoute, include_in_schema=False)
HOURS = (1, 2, 6, 12, 24, 72)
"""Offered for an answer; the first but one is chosen before."""
_CODES = {
    "identifiers": "attention_identifier",
    "actions": "attention_action",
    "sources": "source_grade",
    "grades": "information_grade",
    "handlings": "handling",
}


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the requests of this side and of partners."""
    return _page(visit, service, kept={})


@router.post("")
def ask(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Ask a partner for attention."""
    names = "link", "identifier", "value", "action", "why", "source", "information"
    try:
        fields = reader.texts(*names) | {"handling": reader.every("handling")}
        fields |= {"answer_by": _read_hours(reader), "until": reader.day("until", is_last=True)}
        writer = RequestWriter(service, visit.caller, reader.once())
        writer.ask(reader.finish(reader.record(AttentionRequest, fields)))
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/attentions?done=asked", 303)


@router.post("/cases")
def offer(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Offer a partner a common case."""
    try:
        fields = reader.texts("link", "summary", "case") | {"answer_by": _read_hours(reader)}
        if "case" in fields:
            fields["files"] = list_passable(service, visit.caller, fields["case"])
        writer = RequestWriter(service, visit.caller, reader.once())
        writer.offer(reader.finish(reader.record(CaseRequest, fields)))
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/attentions?done=offered", 303)


@router.post("/{request_id}/answers")
def answer(
    visit: TheVisit, service: TheService, reader: TheReader, request_id: RequestId
) -> Response:
    """Accept, decline or return a request of a partner."""
    answered = reader.record(RequestAnswer, reader.texts("answer", "reason"))
    RequestWriter(service, visit.caller, None).answer(request_id, reader.finish(answered))
    return RedirectResponse("/attentions?done=answered", 303)


@router.post("/{request_id}/withdrawals")
def withdraw(
    visit: TheVisit, service: TheService, reader: TheReader, request_id: RequestId
) -> Response:
    """Withdraw a request of this side."""
    withdrawn = reader.record(OptionalReason, reader.texts("reason"))
    RequestWriter(service, visit.caller, None).withdraw(request_id, reader.finish(withdrawn))
    return RedirectResponse("/attentions?done=withdrawn", 303)


def _read_hours(reader: FormReader) -> datetime | None:
    """Return the end of the hours that are chosen for an answer, from when the form was opened.

    So a form that is sent twice says the same twice, and is one request.
    """
    chosen, opened_at = reader.text("answer_hours"), _read_opening(reader)
    if chosen not in map(str, HOURS):
        reader.refuse("answer_hours", "missing_key")
        return None
    return None if opened_at is None else opened_at + timedelta(hours=int(chosen))


def _read_opening(reader: FormReader) -> datetime | None:
    """Return when the form was opened, None where it does not say."""
    try:
        return datetime.fromtimestamp(int(reader.text("opened_at")), UTC)
    except (ValueError, OverflowError, OSError):
        reader.refuse("once", "old_form")
        return None


def _page(
    visit: Visit, service: Runtime, *, kept: Form, wrong: Sequence[FieldMistake] = ()
) -> Response:
    found = list_requests_seen(service, visit.caller)
    cases: Sequence[CaseSummary] = ()
    if visit.visitor.may("GET", "/v1/cases"):
        cases = describe_cases(service, visit.caller, CaseFilter(state="open")).cases
    return visit.form_page(
        "attentions.html",
        json_address="/v1/attentions",
        found=found,
        counts=count_requests(found),
        links=list_links_open(service, visit.caller),
        cases=cases,
        hours=HOURS,
        codes={name: list(TABLES[table]) for name, table in _CODES.items()},
        kept=kept,
        wrong=wrong,
        opened_at=int(datetime.now(UTC).timestamp()),
    )
