"""Pages of cases: a list, one case, its forms, and the form that adds a file.

What a form reports is shown as it was read before it is recorded, with a warning if it looks as if
it named a person. A case is opened from a decision's page in one step, with references to its
vehicle, act and declaration.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from api.auth.callers import Caller
from api.cases.answers import AcknowledgedFile, CaseLinkView
from api.cases.event_forms import (
    ABOUT,
    BARE,
    EVENT_FIELDS,
    FILE_FIELDS,
    HANDLING,
    LABELS,
    OFFERED,
    OPENING_FIELDS,
    PREFIX,
    make_record,
    read_event,
    read_opening,
    read_values,
    refuse_field,
)
from api.cases.readers import CaseFilter, describe_case, describe_cases, must_see
from api.cases.routes import Before
from api.cases.steps import AboutFile, CaseFileWriter, CaseWriter, list_agencies
from api.decisions.find_forms import list_classes
from api.decisions.readers import DecisionReader
from api.files.form import UploadedForm, open_form
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, corrections
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import TOKEN, Form, TheForm, Visitor, read_field
from engine.cases.area import CASE_EVENT
from engine.cases.case_events import (
    CaseEvent,
    CaseOpening,
    find_name_signs,
)
from engine.cases.case_ledger import find_opened_from
from engine.criteria.policy import read_goods_classes
from engine.domain.field_types import Code, Identifier, PostCode
from engine.errors import (
    BodyTooLargeError,
    ConflictError,
    FilesFullError,
    NotFoundError,
    RecordError,
)
from engine.queue.corrections import read_stated_act, read_stated_seizure
from engine.queue.queue import DECISIONS

router = APIRouter(prefix="/cases", route_class=PageRoute, include_in_schema=False)
SHOWN = 100
"""Cases of one page."""
View = Literal["open", "mine", "ageing", "escalated", "closed", "all"]
HANDLINGS = tuple(TABLES["handling"])


@router.get("")
def show_list(
    visit: TheVisit,
    service: TheService,
    view: Annotated[View, Query()] = "open",
    post: Annotated[PostCode | Literal[""], Query()] = "",
    agency: Annotated[Code | Literal[""], Query()] = "",
    before: Before = None,
) -> Response:
    """Show the cases that a visitor sees, the newest first."""
    urgency = view if view in ("ageing", "escalated") else None
    state = None if view == "all" else "closed" if view == "closed" else "open"
    owner = visit.caller.person if view == "mine" else None
    wanted = CaseFilter(state, post or None, owner, agency or None, urgency)
    asked = {name: getattr(wanted, name) for name in CaseFilter.__slots__}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return visit.page(
        "cases.html",
        json_address=f"/v1/cases?{query}" if query else "/v1/cases",
        post=post or visit.caller.post,
        found=describe_cases(service, visit.caller, wanted, before=before, most=SHOWN),
        before=before,
        view=view,
        views=tuple(TABLES["case_view"]),
        at_post=post,
        posts=list_posts(service, visit.caller),
        agency=agency,
        agencies=list_agencies(service),
    )


@router.get("/new")
def show_opening(visit: TheVisit, service: TheService) -> Response:
    """Show the form that opens a case by hand."""
    return _opening_page(visit, service)


@router.post("")
def open_case(visit: TheVisit, service: TheService, form: TheForm) -> Response:
    """Open a case: by hand, or in one step from what a decision's page shows."""
    post = visit.caller.post or read_field(form, "post") or None
    reader = FormReader(form, speech_of(visit.request, post))
    once, found = reader.once(), reader.texts("seizure_id", "decision_id")
    with service.store.read() as connection:
        known = find_opened_from(connection, [found.get("seizure_id", "")])
    if known:
        return to_case(next(iter(known.values())), "exists")
    try:
        opening = _read_case(reader, service, visit.caller, found, post)
        writer = CaseWriter(service, visit.caller, once)
        done = _record(reader, lambda: writer.open(opening))
    except FormError as error:
        return _opening_page(visit, service, kept=form, wrong=error.mistakes)
    if "decision_id" in found:
        _link_decision(service, visit.caller, done.case_id, found["decision_id"], once)
    return to_case(done.case_id, "warned" if done.warnings else "opened")


@router.get("/{case_id}")
def show(visit: TheVisit, service: TheService, case_id: Identifier) -> Response:
    """Show a case: its facts, what is due next, its events, and what it is about."""
    return _case_page(visit, service, case_id, "case.html")


_PREFILLED = sorted({field.name for fields in EVENT_FIELDS.values() for field in fields})


@router.get(
    "/{case_id}/events",
    openapi_extra={"parameters": [{"name": name, "in": "query"} for name in _PREFILLED]},
)
def show_form(
    visit: TheVisit,
    service: TheService,
    case_id: Identifier,
    kind: Annotated[Identifier, Query()],
) -> Response:
    """Show the form of one kind of event; the query may fill its fields."""
    query = visit.request.query_params
    fields = EVENT_FIELDS.get(kind, ())
    kept = {one.at: [query[one.name]] for one in fields if one.name in query}
    return _form_page(visit, service, case_id, kind, kept=kept)


@router.post("/{case_id}/events")
def report(visit: TheVisit, service: TheService, form: TheForm, case_id: Identifier) -> Response:
    """Show an event as it was read, and record it once that is confirmed."""
    kind, step = read_field(form, "kind"), read_field(form, "step")
    with service.store.read() as connection:
        post = must_see(connection, visit.caller, case_id).case.post
    reader = FormReader(form, speech_of(visit.request, post))
    if step == "change" or kind not in EVENT_FIELDS:
        return _form_page(visit, service, case_id, kind, kept=form)
    try:
        once, event = reader.once(), read_event(reader, kind)
        writer = CaseWriter(service, visit.caller, once)
        if step != "confirm":
            _record(reader, lambda: writer.check(case_id, event))
            return _check_page(visit, service, case_id, event, form)
        _record(reader, lambda: writer.add(case_id, event))
    except FormError as error:
        return _form_page(visit, service, case_id, kind, kept=form, wrong=error.mistakes)
    return to_case(case_id, "recorded")


Done = TypeVar("Done")


def _read_case(
    reader: FormReader,
    service: Runtime,
    caller: Caller,
    found: Mapping[str, str],
    post: str | None,
) -> CaseOpening:
    """Return the case that a form opens; of a decision, at its post."""
    known: dict[str, Any] = {"post": post}
    if "decision_id" in found:
        known["post"] = DecisionReader(service, caller).locate(found["decision_id"]).post
    if "seizure_id" in found:
        known = {"seizure_id": found["seizure_id"]}
    if "post" in known and known["post"] not in service.network.posts and service.network.posts:
        reader.refuse("post", "unknown_enumeration")
    with service.store.read() as snapshot:
        classes = read_goods_classes(snapshot)
    return read_opening(reader, classes, **known)


def _link_decision(
    service: Runtime, caller: Caller, case_id: str, decision_id: str, once: str
) -> None:
    """Record what a case from a decision is about: its vehicle with its files, act, declaration."""
    known = DecisionReader(service, caller).locate(decision_id)
    CaseWriter(service, caller, None).take_files(case_id, known.crossing_id)
    with service.store.read() as snapshot:
        body = service.journal.body(snapshot, known.seq)
        acted = None if known.act_seq is None else service.journal.body(snapshot, known.act_seq)
    arrival = body["arrival"]
    things = {
        "vehicle": arrival["crossing"].get("plate"),
        "act": None if acted is None else acted["inspection"]["inspection_id"],
        "declaration": (arrival.get("declaration") or {}).get("declaration_id"),
    }
    for kind, name in things.items():
        if name:
            made = {"event": {"kind": "link", "of": kind, "id": name}}
            link = CaseEvent.model_validate(made, strict=False)
            with suppress(NotFoundError):  # an act of an agency whose acts are hidden
                CaseWriter(service, caller, f"{once}-{kind}").add(case_id, link)


def _record(reader: FormReader, take: Callable[[], Done]) -> Done:
    """Take a step; what a record of another kind says of a field becomes a mistake of the form."""
    try:
        return take()
    except RecordError as error:
        refuse_field(reader, error.field, error.rule)
        raise FormError(*reader.mistakes) from None
    except NotFoundError as error:
        if error.kind not in ("act", "seizure", "inspection"):
            raise
        refuse_field(reader, "id", "unknown_report")
        raise FormError(*reader.mistakes) from None


def to_case(case_id: str, done: str) -> Response:
    """Return to a case's page, which says what was done."""
    return RedirectResponse(f"/cases/{quote(case_id, safe='')}?done={done}#done", 303)


def show_refused_case(
    visit: Visit,
    service: Runtime,
    case_id: str,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake],
) -> Response:
    """Show a case with what was typed about a file that was not taken, and why it was not."""
    return _case_page(
        visit,
        service,
        case_id,
        "case.html",
        status=422,
        kept={name: list(values) for name, values in kept.items()},
        wrong=corrections(wrong, visit.speech, names=LABELS),
    )


def _case_page(
    visit: Visit,
    service: Runtime,
    case_id: str,
    template: str,
    *,
    status: int = 200,
    **more: Any,
) -> Response:
    found = describe_case(service, visit.caller, case_id)
    with service.store.read() as connection:
        pages = find_pages(connection, visit.visitor, found.links)
    values: dict[str, Any] = {
        "json_address": f"/v1/cases/{quote(case_id, safe='')}",
        "post": found.post,
        "found": found,
        "pages": pages,
        "fields": EVENT_FIELDS,
        "file_fields": FILE_FIELDS,
        "about": ABOUT,
        "offered": OFFERED if found.state == "open" else {"case": ("reopened",)},
        "agencies": list_agencies(service),
        "handlings": HANDLINGS,
        "handling_at": HANDLING,
        "once": secrets.token_hex(12),
        "kept": {},
        "wrong": {},
    }
    return visit.page(template, status=status, **(values | more))


def _form_page(
    visit: Visit,
    service: Runtime,
    case_id: str,
    kind: str,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    if kind not in EVENT_FIELDS:
        raise NotFoundError("event", kind)
    return _case_page(
        visit,
        service,
        case_id,
        "case_event.html",
        status=422 if wrong else 200,
        kind=kind,
        asked=(*EVENT_FIELDS[kind], *(() if kind in BARE else ABOUT)),
        kept={name: list(values) for name, values in kept.items()},
        wrong=corrections(wrong, visit.speech, names=LABELS),
    )


def _check_page(
    visit: Visit, service: Runtime, case_id: str, event: CaseEvent, form: Form
) -> Response:
    read = event.model_dump(mode="json", exclude_none=True)
    signs = {f"{PREFIX}{at.rpartition('.')[2]}" for at in find_name_signs(read)}
    sent = [(name, one) for name, every in form.items() if name != TOKEN for one in every]
    return _case_page(visit, service, case_id, "case_check.html", read=read, signs=signs, sent=sent)


def _opening_page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    return visit.form_page(
        "case_new.html",
        post=visit.caller.post,
        asked=OPENING_FIELDS,
        classes=offer_classes(service, visit.speech.code),
        posts=list_posts(service, visit.caller),
        agencies=list_agencies(service),
        handlings=HANDLINGS,
        handling_at=HANDLING,
        kept=kept or {},
        wrong=wrong,
        field_names=LABELS,
    )


def offer_classes(service: Runtime, language: str) -> list[tuple[str, str, str]]:
    """Return code, name and usual unit of each class of goods."""
    with service.store.read() as snapshot:
        return list_classes(read_goods_classes(snapshot), language)


def list_posts(service: Runtime, caller: Caller) -> list[str]:
    """Return the posts that a caller reaches."""
    return [code for code in service.network.posts if caller.reaches(code)]


def find_pages(
    connection: Connection, visitor: Visitor, links: Sequence[CaseLinkView]
) -> dict[tuple[str, str], str]:
    """Return the address of each linked thing that has a page this visitor may open."""
    found: dict[tuple[str, str], str] = {}
    for one in links:
        address = _find_page(connection, visitor, one.of, one.id)
        if address is not None:
            found[one.of, one.id] = address
    return found


def _find_page(connection: Connection, visitor: Visitor, kind: str, name: str) -> str | None:
    if kind in ("vehicle", "declaration"):
        is_open = visitor.may("GET", "/v1/search")
        return f"/search?q={quote(name, safe='')}" if is_open else None
    if kind == "attention":
        is_open = visitor.may("GET", "/v1/attentions")
        return f"/attentions#{quote(name, safe='')}" if is_open else None
    return _find_decision(connection, visitor, kind, name)


def _find_decision(connection: Connection, visitor: Visitor, kind: str, name: str) -> str | None:
    """Return the page of the last decision on the crossing of an act or a seizure."""
    try:
        if kind == "act":
            crossing = read_stated_act(connection, name).body["inspection"]["crossing_id"]
        else:
            crossing = read_stated_seizure(connection, name).body["linked_crossing_id"]
    except (NotFoundError, ConflictError):  # erased, withdrawn or not confirmed
        return None
    column = DECISIONS.c
    query = select(column.decision_id, column.post).where(column.crossing_id == crossing)
    row = connection.execute(query.order_by(column.seq.desc()).limit(1)).one_or_none()
    if row is None or not visitor.caller.sees_post(row.post):
        return None
    return f"/decisions/{quote(row.decision_id, safe='')}"


file_page_router = APIRouter(prefix="/cases", route_class=PageRoute, include_in_schema=False)


@file_page_router.post("/{case_id}/files")
async def add_file(visit: TheVisit, service: TheService, case_id: Identifier) -> Response:
    """Add the file of a form to a case; a refusal keeps what was typed."""
    form, fields = await open_form(visit.request, service)
    reader = FormReader(fields, speech_of(visit.request, await _find_post(visit, service, case_id)))
    try:
        done = await _receive(visit, service, case_id, reader, form)
    except FormError as error:
        await form.drain()
        return await run_in_threadpool(
            show_refused_case, visit, service, case_id, kept=fields, wrong=error.mistakes
        )
    return to_case(case_id, "file_warned" if done.warnings else "file_added")


async def _find_post(visit: Visit, service: Runtime, case_id: str) -> str:
    def find() -> str:
        with service.store.read() as connection:
            return must_see(connection, visit.caller, case_id).case.post

    return await run_in_threadpool(find)


async def _receive(
    visit: Visit, service: Runtime, case_id: str, reader: FormReader, form: UploadedForm
) -> AcknowledgedFile:
    """Return the answer about the file; raises ``FormError`` with what is wrong with it."""
    about = _read_about(reader)
    writer = CaseFileWriter(service, visit.caller, None)
    try:
        return await writer.receive(case_id, form.content(), about)
    except RecordError as error:
        refuse_field(reader, "file", error.rule)
    except BodyTooLargeError:
        refuse_field(reader, "file", "file_too_large")
    except FilesFullError:
        refuse_field(reader, "file", "full")
    except ConflictError as error:
        if error.kind != CASE_EVENT:  # the case was closed
            raise
        refuse_field(reader, "file", "known_file")
    raise FormError(*reader.mistakes)


def _read_about(reader: FormReader) -> AboutFile:
    values = read_values(reader, FILE_FIELDS)
    if limits := reader.every(HANDLING):
        values["handling"] = limits
    return reader.finish(make_record(reader, AboutFile, values))
