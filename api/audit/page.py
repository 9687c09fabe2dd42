"""Pages of the audit: records of the journal, its last check, and numbers drawn again."""

import json

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.audit.reads import draws, list_records, open_record, verify_journal
from api.audit.routes import Before, Kind, Sequence, Shift
from api.http.dependencies import TheService
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from api.web.visitor import TheForm

router = APIRouter(route_class=PageRoute, include_in_schema=False)

A_PAGE = 50
"""Records shown at once."""
ROWS = 40
"""Decisions of a shift whose numbers are listed."""


@router.get("/journal")
def show(visit: TheVisit, service: TheService, kind: Kind = "", before: Before = None) -> Response:
    """Show records, the newest first, and when the journal was last checked."""
    found = list_records(service, visit.caller, kind=kind, before=before, most=A_PAGE)
    return visit.page(
        "journal.html",
        json_address=f"/v1/journal?kind={kind}",
        found=found,
        kind=kind,
        kinds=TABLES["kind"],
        before=before,
    )


@router.post("/journal/verifications")
async def verify(visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Check the journal now."""
    await service.executors.checks.run(verify_journal, service, visit.caller)
    return RedirectResponse("/journal#check", 303)


@router.get("/journal/{sequence}")
def record(visit: TheVisit, service: TheService, sequence: Sequence) -> Response:
    """Open one record; who opened it is recorded first."""
    found = open_record(service, visit.caller, sequence)
    body = json.dumps(found["body"], ensure_ascii=False, indent=2, sort_keys=True)
    return visit.page("record.html", found=found, body=body)


@router.get("/posts/{post}/draws")
def show_draws(
    visit: TheVisit, service: TheService, post: VisitedPost, shift: Shift = None
) -> Response:
    """Show a post's shifts, and the numbers of one drawn again."""
    address, found = f"/v1/posts/{post}/draws", draws(service, post, shift)
    return visit.page("draws.html", post=post, json_address=address, found=found, rows=ROWS)
