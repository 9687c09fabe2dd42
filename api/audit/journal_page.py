"""The journal for whoever audits it: what is recorded, the last check, one record opened."""

import asyncio
import json

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.audit.journal_audit import list_records, open_record, verify_journal
from api.audit.routes import Before, Kind, Sequence
from api.http.dependencies import RunningService
from api.web.labels import KINDS
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheForm, TheVisitor

router = APIRouter(prefix="/journal", route_class=PageRoute, include_in_schema=False)

A_PAGE = 50
"""Records shown at once."""


@router.get("")
async def show(
    request: Request,
    runtime: RunningService,
    visitor: TheVisitor,
    kind: Kind = "",
    before: Before = None,
) -> Response:
    """Show records, the newest first, and when the journal was last checked."""
    found = await asyncio.to_thread(
        list_records, runtime, visitor.caller, kind=kind, before=before, most=A_PAGE
    )
    return page(
        request,
        "journal.html",
        visitor=visitor,
        twin=f"/v1/journal?kind={kind}",
        found=found,
        kind=kind,
        kinds=KINDS,
        before=before,
    )


@router.post("/verifications")
async def verify(
    request: Request, runtime: RunningService, visitor: TheVisitor, form: TheForm
) -> Response:
    """Check the journal now."""
    await asyncio.to_thread(verify_journal, runtime, visitor.caller)
    return RedirectResponse("/journal#check", 303)


@router.get("/{sequence}")
async def record(
    request: Request, runtime: RunningService, visitor: TheVisitor, sequence: Sequence
) -> Response:
    """Open one record; who opened it is recorded first."""
    found = await asyncio.to_thread(open_record, runtime, visitor.caller, sequence)
    body = json.dumps(found["body"], ensure_ascii=False, indent=2, sort_keys=True)
    return page(request, "record.html", visitor=visitor, found=found, body=body)
