"""The journal as an auditor reads it, and the draws of its shifts.

What a post's integrity officer is to look at.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.audit.reads import AuditService, draws, list_records, open_record, verify_journal
from api.audit.schemas import JournalCheck, JournalPage, OpenedRecord, PostDraws
from api.http.dependencies import IdempotencyKey, TheCaller, running_service
from api.http.guards import check_path
from api.http.responses import answer, creates, document_problems
from engine.domain.records import Identifier, PostCode

TheService = Annotated[AuditService, Depends(running_service)]

router = APIRouter(prefix="/v1", tags=["audit"], responses=document_problems(401, 403, 422, 503))
LONGEST = 500
Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
Kind = Annotated[str, Query(max_length=64, pattern=r"^[a-z_]*$")]
Before = Annotated[int | None, Query(ge=1, lt=1 << 63)]


@router.get("/journal", response_model=JournalPage)
def journal(
    caller: TheCaller,
    service: TheService,
    kind: Kind = "",
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST)] = 100,
) -> Response:
    """List records without their bodies, the newest first; and the last check of the journal."""
    return answer(list_records(service, caller, kind=kind, before=before, most=limit))


@router.get("/journal/{sequence}", response_model=OpenedRecord, responses=document_problems(404))
def record(caller: TheCaller, service: TheService, sequence: Sequence) -> Response:
    """Open a record; who opened it is recorded first."""
    return answer(open_record(service, caller, sequence))


@router.post("/journal/verifications", **creates(JournalCheck, 409))
async def verify(caller: TheCaller, service: TheService, key: IdempotencyKey) -> Response:
    """Check the journal, its last 50,000 records, from inside; the result is a record."""
    return answer(await asyncio.to_thread(verify_journal, service, caller, key), 201)


@router.get("/posts/{post}/draws", response_model=PostDraws, responses=document_problems(404))
def redrawn(
    caller: TheCaller,
    service: TheService,
    post: Annotated[PostCode, Path()],
    shift: Annotated[Identifier | None, Query()] = None,
) -> Response:
    """Return a post's shifts, and the numbers of one drawn again from its revealed seed."""
    check_path(service.network, caller, post)
    return answer(draws(service, post, shift))
