"""Documents asked for in place of an act: what is open and overdue, and what came."""

import secrets
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.decisions.page import LABELS, render_page
from api.decisions.questions import OpenQuestionView, describe_questions
from api.http.access import check_path, fill_agency
from api.http.answers import Acknowledged, Answer, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.web.forms import FormError, FormReader, TheReader, corrections, list_mistakes
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit
from api.web.templates_env import speech_of
from api.web.visitor import TheForm
from engine.domain.field_types import Identifier, PostCode
from engine.domain.rights import Matter
from engine.errors import NotFoundError, RecordError
from engine.journal.idempotency import claim, inspection_name
from engine.journal.journal import JournalReader
from engine.journal.kinds import DOCUMENTS_CAME, INSPECTION
from engine.queue.documents_asked import (
    DocumentsAsked,
    DocumentsCame,
    draft_answer,
    list_questions,
    read_question,
)
from engine.queue.queue import QueuedDecision, read_decision

MOST = 500
"""Questions in one answer, those due first."""


@dataclass(frozen=True, slots=True)
class OpenQuestions(Answer):
    """Questions without an act, those due first first."""

    tables = ("questions",)
    questions: list[OpenQuestionView]


def open_questions(
    service: Runtime, caller: Caller, post: str | None, *, is_overdue: bool = False
) -> list[OpenQuestionView]:
    """Return the questions at a post, or at all that the caller reaches; the overdue ones alone."""
    if post is not None:
        check_path(service.network, caller, post)
    with service.store.read() as snapshot:
        now, asked = service.journal.now(snapshot), post or caller.post
        found = list_questions(
            snapshot,
            asked,
            hidden=caller.hidden_posts,
            due_before=now if is_overdue else None,
            most=MOST,
        )
        seen = describe_questions(snapshot, caller, found, now=now)
    return [one for one in seen if one.is_overdue] if is_overdue else seen


def record_what_came(
    service: Runtime, caller: Caller, sequence: int, came: DocumentsCame, key: str | None = None
) -> Acknowledged:
    """Record what came of a question; raises ``NotFoundError`` and ``ConflictError``."""
    with service.store.read() as snapshot:
        question = read_question(snapshot, sequence)
        agency = JournalReader(snapshot).body(sequence)["inspection"].get("agency")
    if not (caller.reaches(question.post) and caller.sees_post(question.post)):
        raise NotFoundError("documents_asked", str(sequence))
    if not caller.sees(Matter.ACTS, agency):
        raise NotFoundError("documents_asked", str(sequence))
    name = f"{DOCUMENTS_CAME}:{sequence}"
    asked = claim(DOCUMENTS_CAME, came, post=question.post, name=name, key=key, about=name)
    done = service.recording.once_here(
        asked,
        lambda snapshot: draft_answer(snapshot, sequence, came, asked, by=caller.person),
    )
    return acknowledge(service, done, question.crossing_id)


router = json_router("/v1/documents-asked", "acts", 404, 409, 413)
Number = Annotated[int, Path(ge=1, lt=1 << 63)]
PostQuery = Annotated[PostCode | None, Query()]
OverdueQuery = Annotated[bool, Query(description="Leave out what is not due yet, or came.")]


@router.get("", response_model=OpenQuestions)
def questions(
    caller: TheCaller, service: TheService, post: PostQuery = None, *, overdue: OverdueQuery = False
) -> Response:
    """List the documents asked for, those due first first, 500 at most; an act ends one."""
    return answer(OpenQuestions(open_questions(service, caller, post, is_overdue=overdue)))


@router.post("/{sequence}/answers", **creates(Acknowledged, body=DocumentsCame))
def receive(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    sequence: Number,
    came: Annotated[DocumentsCame, Depends(body_of(DocumentsCame))],
) -> Response:
    """Record what came; the act on the vehicle says what follows from it."""
    return answer(record_what_came(service, caller, sequence, came, key), 201)


page_router = APIRouter(route_class=PageRoute, include_in_schema=False)


@page_router.get("/documents-asked")
def show(visit: TheVisit, service: TheService, post: PostQuery = None) -> Response:
    """Show the documents asked for, those due first first."""
    address = "/v1/documents-asked" if post is None else f"/v1/documents-asked?post={post}"
    found = open_questions(service, visit.caller, post)
    return visit.page("documents_asked.html", json_address=address, questions=found)


@page_router.post("/documents-asked/{sequence}/answers")
def send_answer(
    visit: TheVisit, service: TheService, reader: TheReader, sequence: Number
) -> Response:
    """Record what came."""
    fields = {"documents": _split(reader.text("documents"))} | reader.texts("note")
    came = reader.finish(reader.record(DocumentsCame, fields))
    record_what_came(service, visit.caller, sequence, came)
    return RedirectResponse("/documents-asked?done=came", 303)


@page_router.post("/decisions/{decision_id}/documents")
def send_question(
    visit: TheVisit,
    service: TheService,
    form: TheForm,
    decision_id: Annotated[Identifier, Path()],
) -> Response:
    """Ask for documents on a vehicle, until the end of a day of its post."""
    with service.store.read() as snapshot:
        known = read_decision(snapshot, decision_id)
    caller = visit.caller
    if not (caller.reaches(known.post) and caller.sees_post(known.post)):
        raise NotFoundError("decision", decision_id)
    reader = FormReader(form, speech_of(visit.request, known.post))
    try:
        _ask_for_documents(service, caller, known, reader)
    except (FormError, RecordError) as error:
        mistakes = [
            replace(one, at="doubt") if one.at == "reason" else one for one in list_mistakes(error)
        ]
        wrong = corrections(mistakes, visit.speech, names=_NAMES)
        return render_page(
            visit, service, decision_id, status=422, kept=form, wrong=wrong, at="documents"
        )
    return RedirectResponse("/documents-asked?done=asked", 303)


_NAMES = LABELS | {"documents": N_("Documents"), "due_at": N_("Until"), "doubt": N_("Reason")}
"""What the form calls its fields: ``doubt`` is the reason, because a verdict on the same page has
one too."""


def _ask_for_documents(
    service: Runtime, caller: Caller, known: QueuedDecision, reader: FormReader
) -> None:
    """Record what a form asks for; raises ``FormError`` and ``RecordError``."""
    once = reader.once()
    fields: dict[str, Any] = {
        "reason": reader.text("doubt") or None,
        "inspection_id": f"ask-{secrets.token_hex(8)}",
        "crossing_id": known.crossing_id,
        "outcome": "documents_asked",
        "documents": _split(reader.text("documents")),
        "due_at": reader.day("due_at", is_last=True),
    }
    asked = reader.finish(reader.record(DocumentsAsked, fields))
    asked = fill_agency(caller, asked)
    name = inspection_name(asked.inspection_id)
    own = claim(INSPECTION, asked, post=known.post, name=name, key=caller.own(once))
    service.recording.ask_for_documents(asked, own, person=caller.person)


def _split(text: str) -> list[str]:
    """Return what a person wrote with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
