"""Pages of the audit: records of the journal, its last check, and numbers drawn again."""

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.audit.reads import AuditService, draws, list_records, open_record, verify_journal
from api.audit.routes import Before, Kind, Sequence
from api.http.dependencies import running_service
from api.http.guards import check_path
from api.web.labels import TABLES
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheForm, TheVisitor
from engine.domain.records import Identifier, PostCode

TheService = Annotated[AuditService, Depends(running_service)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

A_PAGE = 50
"""Records shown at once."""


@router.get("/journal")
async def show(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    kind: Kind = "",
    before: Before = None,
) -> Response:
    """Show records, the newest first, and when the journal was last checked."""
    found = await asyncio.to_thread(
        list_records, service, visitor.caller, kind=kind, before=before, most=A_PAGE
    )
    return page(
        request,
        "journal.html",
        visitor=visitor,
        json_address=f"/v1/journal?kind={kind}",
        found=found,
        kind=kind,
        kinds=TABLES["kind"],
        before=before,
    )


@router.post("/journal/verifications")
async def verify(
    request: Request, service: TheService, visitor: TheVisitor, form: TheForm
) -> Response:
    """Check the journal now."""
    await asyncio.to_thread(verify_journal, service, visitor.caller)
    return RedirectResponse("/journal#check", 303)


@router.get("/journal/{sequence}")
async def record(
    request: Request, service: TheService, visitor: TheVisitor, sequence: Sequence
) -> Response:
    """Open one record; who opened it is recorded first."""
    found = await asyncio.to_thread(open_record, service, visitor.caller, sequence)
    body = json.dumps(found["body"], ensure_ascii=False, indent=2, sort_keys=True)
    return page(request, "record.html", visitor=visitor, found=found, body=body)


ROWS = 40
"""Decisions of a shift whose numbers are listed."""


@router.get("/posts/{post}/draws")
async def show_draws(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
    shift: Annotated[Identifier | None, Query()] = None,
) -> Response:
    """Show a post's shifts, and the numbers of one drawn again."""
    check_path(service.network, visitor.caller, post)
    found = await asyncio.to_thread(draws, service, post, shift)
    return page(
        request,
        "draws.html",
        visitor=visitor,
        post=post,
        json_address=f"/v1/posts/{post}/draws",
        found=found,
        rows=ROWS,
    )
