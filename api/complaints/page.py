"""Complaints of traders over HTTP and as a page."""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.complaints.answers import Complaints, answer_complaint, file_complaint, read_complaints
from api.http.answers import Acknowledged
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.periods import Asked, AskedPost, PeriodAsked, name_days
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, TheReader
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.complaints import Complaint, ComplaintAnswer
from engine.domain.field_types import Identifier

router = json_router("/v1/complaints", "complaints")
Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
AskedDecision = Annotated[Identifier | None, Query()]


@router.get("", response_model=Complaints)
def complaints(
    caller: TheCaller,
    service: TheService,
    asked: Asked,
    post: AskedPost = "",
    decision: AskedDecision = None,
) -> Response:
    """List the complaints that were filed in a period, or all, with counts by their ground."""
    return answer(read_complaints(service, caller, asked, post or None, decision))


@router.post("", **creates(Acknowledged, 404, 409, 413, body=Complaint))
def file(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    complaint: Annotated[Complaint, Depends(body_of(Complaint))],
) -> Response:
    """File what a trader objects to in a decision."""
    return answer(file_complaint(service, caller, complaint, key), 201)


@router.post("/{sequence}/answers", **creates(Acknowledged, 404, 409, 413, body=ComplaintAnswer))
def reply(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    sequence: Sequence,
    given: Annotated[ComplaintAnswer, Depends(body_of(ComplaintAnswer))],
) -> Response:
    """Answer a complaint; never by the person who filed it."""
    return answer(answer_complaint(service, caller, sequence, given, key), 201)


page_router = APIRouter(prefix="/complaints", route_class=PageRoute, include_in_schema=False)


@page_router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    asked: Asked,
    post: AskedPost = "",
    decision: AskedDecision = None,
) -> Response:
    """Show the complaints of a period, or those about one decision, which may be filed here."""
    return _page(visit, service, asked=asked, post=post, decision=decision or "")


@page_router.post("")
def send(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """File a complaint."""
    once = reader.once()
    fields = reader.texts("decision_id", "ground", "text", "reference")
    try:
        complaint = reader.finish(reader.record(Complaint, fields))
    except FormError as error:
        about = read_field(form, "decision_id")
        return _page(visit, service, decision=about, kept=form, wrong=error.mistakes)
    file_complaint(service, visit.caller, complaint, once)
    decision = quote(complaint.decision_id, safe="")
    return RedirectResponse(f"/complaints?decision={decision}&done=filed#done", 303)


@page_router.post("/{sequence}/answers")
def send_answer(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, sequence: Sequence
) -> Response:
    """Answer a complaint."""
    once, fields = reader.once(), reader.texts("verdict", "text")
    try:
        given = reader.finish(reader.record(ComplaintAnswer, fields))
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes, answered=sequence)
    answer_complaint(service, visit.caller, sequence, given, once)
    return RedirectResponse("/complaints?done=answered#done", 303)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    asked: PeriodAsked | None = None,
    post: str = "",
    decision: str = "",
    kept: Form | None = None,
    wrong: Iterable[FieldMistake] = (),
    answered: int = 0,
) -> Response:
    """Show complaints; what was refused stands in the form of the complaint ``answered``, if any.

    Otherwise it stands in the form that files a complaint.
    """
    asked = asked or PeriodAsked()
    wanted = name_days(asked, post) | {"decision": decision}
    query = urlencode({name: text for name, text in wanted.items() if text})
    return visit.form_page(
        "complaints.html",
        kept=kept or {},
        wrong=tuple(wrong),
        json_address=f"/v1/complaints?{query}" if query else "/v1/complaints",
        found=read_complaints(service, visit.caller, asked, post or None, decision or None),
        wanted=wanted,
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
        grounds=TABLES["ground"],
        verdicts=TABLES["complaint"],
        answered=answered,
    )
