"""The page of circulars: what is for the visitor, and for writers a form and who read each."""

from collections.abc import Sequence
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.circulars.answers import RecordedCircular, list_circulars
from api.circulars.routes import CircularId
from api.circulars.steps import CircularWriter
from api.files.form import open_form
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.circulars.ledger import Circular
from engine.domain.records import StatedReason
from engine.errors import BodyTooLargeError, FilesFullError, RecordError

router = APIRouter(prefix="/circulars", route_class=PageRoute, include_in_schema=False)
PICTURES = frozenset({"image/jpeg", "image/png", "image/webp"})
LABELS = {"title": N_("Title"), "text": N_("Text"), "until": N_("Last day"), "file": N_("File")}


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the circulars that are for the visitor."""
    return _page(visit, service)


@router.post("")
def issue(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Write a circular."""
    try:
        made = _issue(visit, service, reader)
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    return _go_back(made.circular_id, "warned" if made.warnings else "issued")


@router.post("/{circular_id}/files")
async def add_file(visit: TheVisit, service: TheService, circular_id: CircularId) -> Response:
    """Add the picture of a form."""
    form, _ = await open_form(visit.request, service)
    try:
        await CircularWriter(service, visit.caller).add_file(circular_id, form.content())
    except (RecordError, BodyTooLargeError, FilesFullError) as error:
        await form.drain()
        rule = error.rule if isinstance(error, RecordError) else "file_too_large"
        rule = "full" if isinstance(error, FilesFullError) else rule
        wrong = [FieldMistake("file", rule)]
        return await run_in_threadpool(_page, visit, service, wrong=wrong)
    return _go_back(circular_id, "file_added")


@router.post("/{circular_id}/readings")
def read(visit: TheVisit, service: TheService, _form: TheForm, circular_id: CircularId) -> Response:
    """Record that the visitor read a circular."""
    CircularWriter(service, visit.caller).read(circular_id)
    return _go_back(circular_id, "read")


@router.post("/{circular_id}/ends")
def end(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, circular_id: CircularId
) -> Response:
    """Show a circular no longer."""
    try:
        ending = reader.finish(reader.record(StatedReason, reader.texts("reason")))
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    CircularWriter(service, visit.caller).end(circular_id, ending)
    return _go_back(circular_id, "ended")


def _issue(visit: Visit, service: Runtime, reader: FormReader) -> RecordedCircular:
    once, until = reader.once(), reader.day("until", is_last=True)
    values = reader.texts("title", "text") | {"posts": reader.every("posts"), "until": until}
    circular = reader.finish(reader.record(Circular, values))
    try:
        return CircularWriter(service, visit.caller, once).issue(circular)
    except RecordError as error:
        raise FormError(FieldMistake(error.field, error.rule)) from None


def _go_back(circular_id: str, done: str) -> Response:
    return RedirectResponse(f"/circulars?done={done}#{quote(circular_id, safe='')}", 303)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    return visit.form_page(
        "circulars.html",
        kept=kept or {},
        wrong=wrong,
        field_names=LABELS,
        json_address="/v1/circulars",
        found=list_circulars(service, visit.caller),
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
        pictures=PICTURES,
    )
