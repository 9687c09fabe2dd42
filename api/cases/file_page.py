"""Form of a case's page that adds a file, and its refusals in the reader's words."""

from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from api.auth.sessions import check_origin, token_of
from api.cases.event_forms import FILE_FIELDS, HANDLING, make_record, read_values, refuse_field
from api.cases.files import AboutFile, CaseFileWriter
from api.cases.multipart_upload import MOST_TEXT, UploadedForm
from api.cases.page import show_refused_case, to_case
from api.cases.reads import must_see
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.form_fields import FormError, FormReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import TOKEN, read_field
from engine.cases.area import CASE_EVENT
from engine.cases.case_events import FileSubject, Handling, Words
from engine.cases.file_types import LARGEST_FILE
from engine.domain.records import Identifier, Record, Time
from engine.errors import (
    BodyTooLargeError,
    ConflictError,
    FullCaseError,
    NotAllowedError,
    RecordError,
)

router = APIRouter(prefix="/cases", route_class=PageRoute, include_in_schema=False)
_LONGEST = 3 * LARGEST_FILE + MOST_TEXT
"""Bytes that are read, and not kept, so that a browser shows why a file is too large."""


class _About(Record):
    """What a form says of its file."""

    shows: FileSubject
    sample: Identifier | None = None
    description: Words | None = None
    happened_at: Time | None = None
    handling: Handling = ()


@router.post("/{case_id}/files")
async def add_file(visit: TheVisit, service: TheService, case_id: Identifier) -> Response:
    """Add the file of a form to a case; a refusal keeps what was typed."""
    check_origin(visit.request, is_owed=False)  # the token says it is a page of ours
    form = UploadedForm(visit.request, limit=_LONGEST)
    fields = await form.read_fields()
    if not service.sessions.is_form_token(read_field(fields, TOKEN), token_of(visit.request)):
        raise NotAllowedError("the form is too old: open its page again", "form")
    reader = FormReader(fields, speech_of(visit.request, await _find_post(visit, service, case_id)))
    try:
        done = await _receive(visit, service, case_id, reader, form)
    except FormError as error:
        await form.drain()
        return await run_in_threadpool(
            show_refused_case, visit, service, case_id, kept=fields, wrong=error.mistakes
        )
    return to_case(case_id, "file_warned" if done["warnings"] else "file_added")


async def _find_post(visit: Visit, service: Runtime, case_id: str) -> str:
    def find() -> str:
        with service.store.read() as connection:
            return must_see(connection, visit.caller, case_id).case.post

    return await run_in_threadpool(find)


async def _receive(
    visit: Visit, service: Runtime, case_id: str, reader: FormReader, form: UploadedForm
) -> dict[str, Any]:
    """Return the answer about the file; raises ``FormError`` with what is wrong with it."""
    about = _read_about(reader)
    writer = CaseFileWriter(service, visit.caller, None)
    try:
        return await writer.receive(case_id, form.content(), about)
    except RecordError as error:
        refuse_field(reader, "file", error.rule)
    except BodyTooLargeError:
        refuse_field(reader, "file", "file_too_large")
    except FullCaseError:
        refuse_field(reader, "file", "full_case")
    except ConflictError as error:
        if error.kind != CASE_EVENT:  # the case was closed
            raise
        refuse_field(reader, "file", "known_file")
    raise FormError(*reader.mistakes)


def _read_about(reader: FormReader) -> AboutFile:
    values = read_values(reader, FILE_FIELDS)
    if limits := reader.every(HANDLING):
        values["handling"] = limits
    found = reader.finish(make_record(reader, _About, values))
    return AboutFile(**dict(found))
