"""The watch list, and the notices that a counterpart puts onto it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from api.http.dependencies import IdempotencyKey, TheCaller, running_service
from api.http.request_bodies import body_of, optional_body_of
from api.http.responses import answer, creates, document_problems
from api.profiles.proposals import Approval, ProposalService, ProposalWriter, Retirement
from api.profiles.schemas import AcknowledgedStep
from api.watchlist.reads import list_entries, read_entry
from api.watchlist.schemas import AcknowledgedNotice, WatchEntryView, WatchList
from engine.criteria.watchlist import NOTICE_CHANNEL, Notice, WatchEntry
from engine.domain.records import Identifier

TheService = Annotated[ProposalService, Depends(running_service)]

router = APIRouter(
    prefix="/v1", tags=["watchlist"], responses=document_problems(401, 403, 404, 409, 413, 422, 503)
)
EntryId = Annotated[Identifier, Path()]


@router.get("/watchlist", response_model=WatchList)
def entries(_caller: TheCaller, service: TheService) -> Response:
    """Return every entry, those that left included."""
    return answer({"entries": list_entries(service)})


@router.post("/watchlist", **creates(AcknowledgedStep, body=WatchEntry))
async def propose(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    entry: Annotated[WatchEntry, Depends(body_of(WatchEntry))],
) -> Response:
    """Propose an entry; it matches nothing until another person approves it."""
    found = await asyncio.to_thread(ProposalWriter(service, caller, key).entry, entry)
    return answer(service.answers.acknowledge_step(found), 201)


@router.get("/watchlist/{entry_id}", response_model=WatchEntryView)
def entry(_caller: TheCaller, service: TheService, entry_id: EntryId) -> Response:
    """Return one entry."""
    return answer(read_entry(service, entry_id))


@router.post(
    "/watchlist/{entry_id}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False)
)
async def approve(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    entry_id: EntryId,
    approval: Annotated[Approval, Depends(optional_body_of(Approval))],
) -> Response:
    """Agree to what waits: an entry, its leaving, or that a notice sends to red."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.approve, "watchlist", entry_id, approval)
    return answer(service.answers.acknowledge_step(found), 201)


@router.post("/watchlist/{entry_id}/retirements", **creates(AcknowledgedStep, body=Retirement))
async def retire(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    entry_id: EntryId,
    wanted: Annotated[Retirement, Depends(body_of(Retirement))],
) -> Response:
    """Propose that an entry leaves; it stays until another person approves that."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.retire, "watchlist", entry_id, wanted)
    return answer(service.answers.acknowledge_step(found), 201)


@router.post("/notices", **creates(AcknowledgedNotice, body=Notice))
async def notice(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    proposed: Annotated[Notice, Depends(body_of(Notice))],
) -> Response:
    """Put a counterpart's word onto the watch list at once."""
    found = await asyncio.to_thread(ProposalWriter(service, caller, key).notice, proposed)
    expiry = found.body["content"]["expiry"]
    about = {"is_notice": True, "channel": NOTICE_CHANNEL, "expiry": expiry}
    return answer(service.answers.acknowledge_step(found) | about, 201)
