"""The journal as an auditor reads it, and the draws of its shifts.

What a post's integrity officer is to look at.
"""

from typing import Annotated

from fastapi import Path, Query, Response

from api.audit.reads import draws, list_records, open_record, verify_journal
from api.audit.schemas import JournalCheck, JournalPage, OpenedRecord, PostDraws
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.guards import ReachedPost
from api.http.responses import answer, creates, document_problems, json_router
from engine.domain.records import Identifier

router = json_router("/v1", "audit")
LONGEST = 500
Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
Kind = Annotated[str, Query(max_length=64, pattern=r"^[a-z_]*$")]
Shift = Annotated[Identifier | None, Query()]
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
    """Check the journal, its last 50,000 records, from inside; the result is a record.

    One check runs at a time.
    """
    return answer(await service.executors.checks.run(verify_journal, service, caller, key), 201)


@router.get("/posts/{post}/draws", response_model=PostDraws, responses=document_problems(404))
def redrawn(service: TheService, post: ReachedPost, shift: Shift = None) -> Response:
    """Return a post's shifts, and the numbers of one drawn again from its revealed seed."""
    return answer(draws(service, post, shift))
