"""Finds that a checkpoint reported by plate on another post's vehicle."""

from fastapi import Response

from api.confirmations.reads import Sequence, confirm_find, waiting_finds
from api.confirmations.schemas import ConfirmedFind, PendingFinds
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, creates, json_router

router = json_router("/v1/finds", "finds")


@router.get("", response_model=PendingFinds)
def finds(caller: TheCaller, service: TheService) -> Response:
    """List the finds that wait to be confirmed, the oldest first, 500 at most."""
    return answer({"finds": waiting_finds(service, caller)})


@router.post("/{sequence}/confirmations", **creates(ConfirmedFind, 404))
def confirm(caller: TheCaller, service: TheService, sequence: Sequence) -> Response:
    """Confirm that a find belongs to its crossing; never by the person who reported it."""
    return answer(confirm_find(service, caller, sequence), 201)
