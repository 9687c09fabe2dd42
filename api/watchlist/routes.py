"""The watch list, and the notices that a counterpart puts onto it."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router, takes
from api.profiles.proposals import Approval, Retirement, TheApproval, TheRetirement, TheWriter
from api.profiles.schemas import AcknowledgedStep
from api.watchlist.preview import PreviewRequest, preview_entry
from api.watchlist.reads import list_entries, read_entry
from api.watchlist.schemas import AcknowledgedNotice, WatchEntryView, WatchList, WatchPreview
from engine.criteria.watchlist import Notice, WatchEntry
from engine.domain.records import Identifier

router = json_router("/v1", "watchlist", 404, 409, 413)
EntryId = Annotated[Identifier, Path()]


@router.get("/watchlist", response_model=WatchList)
def entries(caller: TheCaller, service: TheService) -> Response:
    """Return every entry, those that left included."""
    return answer({"entries": list_entries(service, caller)})


@router.post("/watchlist", **creates(AcknowledgedStep, body=WatchEntry))
def propose(
    writer: TheWriter, entry: Annotated[WatchEntry, Depends(body_of(WatchEntry))]
) -> Response:
    """Propose an entry; it matches nothing until another person approves it."""
    return answer(writer.entry(entry), 201)


@router.post(
    "/watchlist/previews", response_model=WatchPreview, openapi_extra=takes(PreviewRequest)
)
def preview(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[PreviewRequest, Depends(body_of(PreviewRequest))],
) -> Response:
    """Return what an entry would have matched, before it is proposed; nothing is recorded."""
    return answer(preview_entry(service, caller, asked))


@router.get("/watchlist/{entry_id}", response_model=WatchEntryView)
def entry(caller: TheCaller, service: TheService, entry_id: EntryId) -> Response:
    """Return one entry."""
    return answer(read_entry(service, entry_id, caller))


@router.post(
    "/watchlist/{entry_id}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False)
)
def approve(writer: TheWriter, entry_id: EntryId, approval: TheApproval) -> Response:
    """Agree to what waits: an entry, its leaving, or that a notice sends to red."""
    return answer(writer.approve("watchlist", entry_id, approval), 201)


@router.post("/watchlist/{entry_id}/retirements", **creates(AcknowledgedStep, body=Retirement))
def retire(writer: TheWriter, entry_id: EntryId, wanted: TheRetirement) -> Response:
    """Propose that an entry leaves; it stays until another person approves that."""
    return answer(writer.retire("watchlist", entry_id, wanted), 201)


@router.post("/notices", **creates(AcknowledgedNotice, body=Notice))
def notice(writer: TheWriter, proposed: Annotated[Notice, Depends(body_of(Notice))]) -> Response:
    """Put a counterpart's word onto the watch list at once."""
    return answer(writer.notice(proposed), 201)
