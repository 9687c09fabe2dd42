"""The journal, its last check, and the draws of its shifts, over HTTP and as pages.

They are for the integrity officer of a post.
"""

import json
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.audit.answers import (
    JournalCheck,
    JournalFilter,
    JournalPage,
    OpenedRecord,
    PostDraws,
    draws,
    list_records,
    open_record,
    verify_journal,
)
from api.http.access import ReachedPost
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.responses import answer, creates, document_problems, json_router
from api.web.labels import KINDS
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from api.web.visitor import TheForm
from engine.domain.field_types import Identifier, PostCode

router = json_router("/v1", "audit")
LONGEST = 500
Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
Kind = Annotated[str, Query(max_length=64, pattern=r"^[a-z_]*$")]
Shift = Annotated[Identifier | None, Query()]
Before = Annotated[int | None, Query(ge=1, lt=1 << 63)]


def read_filter(
    kind: Kind = "",
    post: Annotated[PostCode | Literal[""], Query()] = "",
    until: Annotated[date | Literal[""], Query(description="The last day, by UTC.")] = "",
    before: Before = None,
    person: Annotated[Identifier | Literal[""], Query(description="Who acted.")] = "",
) -> JournalFilter:
    """Return which records a list is to hold."""
    return JournalFilter(kind, post, until or None, before, person)


Wanted = Annotated[JournalFilter, Depends(read_filter)]


@router.get("/journal", response_model=JournalPage)
def journal(
    caller: TheCaller,
    service: TheService,
    wanted: Wanted,
    limit: Annotated[int, Query(ge=1, le=LONGEST)] = 100,
) -> Response:
    """List records without their bodies, the newest first; and the last check of the journal."""
    return answer(list_records(service, caller, wanted, most=limit))


@router.get("/journal/{sequence}", response_model=OpenedRecord, responses=document_problems(404))
def record(caller: TheCaller, service: TheService, sequence: Sequence) -> Response:
    """Open a record; who opened it is recorded first."""
    return answer(open_record(service, caller, sequence))


@router.post("/journal/verifications", **creates(JournalCheck, 409))
async def verify(caller: TheCaller, service: TheService, key: IdempotencyKey) -> Response:
    """Check the journal, its last 50,000 records, from inside; the result is a record.

    One check runs at a time.
    """
    return answer(await service.executors.checks.run(verify_journal, service, caller, key), 201)


@router.get("/posts/{post}/draws", response_model=PostDraws, responses=document_problems(404))
def redrawn(service: TheService, post: ReachedPost, shift: Shift = None) -> Response:
    """Return a post's shifts, and the numbers of one drawn again from its revealed seed."""
    return answer(draws(service, post, shift))


page_router = APIRouter(route_class=PageRoute, include_in_schema=False)

A_PAGE = 50
"""Records shown at once."""
ROWS = 40
"""Decisions of a shift whose numbers are listed."""


@page_router.get("/journal")
def show(visit: TheVisit, service: TheService, wanted: Wanted) -> Response:
    """Show records, the newest first, and when the journal was last checked."""
    asked = {"kind": wanted.kind, "post": wanted.post, "until": wanted.until or ""}
    asked["person"] = wanted.person
    query = urlencode({name: value for name, value in asked.items() if value})
    return visit.page(
        "journal.html",
        json_address=f"/v1/journal?{query}" if query else "/v1/journal",
        found=list_records(service, visit.caller, wanted, most=A_PAGE),
        wanted=wanted,
        query=query,
        kinds=KINDS,
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
    )


@page_router.post("/journal/verifications")
async def ask_verification(visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Check the journal now."""
    await service.executors.checks.run(verify_journal, service, visit.caller)
    return RedirectResponse("/journal#check", 303)


@page_router.get("/journal/{sequence}")
def show_record(visit: TheVisit, service: TheService, sequence: Sequence) -> Response:
    """Open one record; who opened it is recorded first."""
    found = open_record(service, visit.caller, sequence)
    body = json.dumps(found.body, ensure_ascii=False, indent=2, sort_keys=True)
    return visit.page("record.html", found=found, body=body)


@page_router.get("/posts/{post}/draws")
def show_draws(
    visit: TheVisit, service: TheService, post: VisitedPost, shift: Shift = None
) -> Response:
    """Show a post's shifts, and the numbers of one drawn again."""
    address, found = f"/v1/posts/{post}/draws", draws(service, post, shift)
    return visit.page("draws.html", post=post, json_address=address, found=found, rows=ROWS)
