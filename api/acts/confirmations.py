"""Finds that a checkpoint reported by plate on another post's vehicle, until they are confirmed.

A second person confirms each, over HTTP or on the page of the finds that wait.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.http.answers import Answer, Recorded, Time
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm
from engine.domain.records import SubstanceClass
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError
from engine.journal.idempotency import claim
from engine.journal.kinds import FIND_CONFIRMED
from engine.queue.pending_finds import Confirmation, pending_find, pending_finds


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFindView(Answer):
    """A find by plate, and the entry at another post that it would belong to."""

    sequence: int
    """The seizure's record."""
    seizure_id: str
    reported_by: str
    plate: str
    substance_class: SubstanceClass
    quantity_g: float | None
    goods_class: str | None
    amount: float | None
    unit: str | None
    recorded_at: Time
    """When the journal had it."""
    post: str
    """Where the vehicle entered."""
    crossing_id: str


@dataclass(frozen=True, slots=True)
class PendingFinds(Answer):
    """The finds that wait, the oldest first."""

    tables = ("finds",)
    finds: list[PendingFindView]


@dataclass(frozen=True, slots=True)
class ConfirmedFind(Recorded):
    """That a find belongs to a crossing from now on."""

    seizure_id: str
    crossing_id: str


Sequence = Annotated[int, Path(ge=1, lt=1 << 63)]
MOST = 500
"""Finds in one answer; the oldest come first, so that none is hidden by those that follow."""


def waiting_finds(service: Runtime, caller: Caller) -> list[PendingFindView]:
    """Return the finds that wait at the posts that a caller reaches."""
    with service.store.read() as snapshot:
        found = pending_finds(snapshot, caller.post, hidden=caller.hidden_posts, most=MOST)
    return [
        PendingFindView(
            sequence=one.seq,
            seizure_id=one.body["seizure"]["seizure_id"],
            reported_by=one.body["by"],
            plate=one.body["seizure"]["plate"],
            substance_class=one.body["seizure"]["substance_class"],
            quantity_g=one.body["seizure"].get("quantity_g"),
            goods_class=one.body["seizure"].get("goods_class"),
            amount=one.body["seizure"].get("amount"),
            unit=one.body["seizure"].get("unit"),
            recorded_at=rfc3339(one.known_at),
            post=one.post,
            crossing_id=one.crossing_id,
        )
        for one in found
        if caller.sees(Matter.SEIZURES, one.agency)
    ]


def confirm_find(service: Runtime, caller: Caller, sequence: int) -> ConfirmedFind:
    """Confirm a find, once.

    Raises ``NotFoundError``, ``SecondPersonError`` and ``LapsedProposalError``.
    """
    with service.store.read() as snapshot:
        find = pending_find(snapshot, sequence, caller.reaches)
    if not (caller.sees(Matter.SEIZURES, find.agency) and caller.covers(find.agency)):
        raise NotFoundError("find", str(sequence))
    first = str(find.body["by"])
    accounts, second = service.accounts, caller.person
    accounts.must_second(Matter.SEIZURES, first=first, second=second, by_anyone=True)
    name = f"{FIND_CONFIRMED}:{sequence}"
    asked = claim(FIND_CONFIRMED, Confirmation(), post=find.post, name=name)
    done = service.recording.confirm(find, asked, person=caller.person)
    return ConfirmedFind(
        seizure_id=done.body["seizure"]["seizure_id"],
        crossing_id=done.body["linked_crossing_id"],
        **service.answers.receipt(done),
    )


router = json_router("/v1/finds", "finds")


@router.get("", response_model=PendingFinds)
def finds(caller: TheCaller, service: TheService) -> Response:
    """List the finds that wait to be confirmed, the oldest first, 500 at most."""
    return answer(PendingFinds(waiting_finds(service, caller)))


@router.post("/{sequence}/confirmations", **creates(ConfirmedFind, 404))
def confirm(caller: TheCaller, service: TheService, sequence: Sequence) -> Response:
    """Confirm that a find belongs to its crossing; never by the person who reported it."""
    return answer(confirm_find(service, caller, sequence), 201)


page_router = APIRouter(prefix="/finds", route_class=PageRoute, include_in_schema=False)


@page_router.get("")
def show(visit: TheVisit, service: TheService, find: Annotated[str, Query()] = "") -> Response:
    """Show the finds that wait, the oldest first."""
    found = waiting_finds(service, visit.caller)
    return visit.page(
        "finds.html",
        json_address="/v1/finds",
        finds=found,
        confirmed=find,
        once=secrets.token_hex(12),
    )


@page_router.post("/{sequence}/confirmations")
def send_confirmation(
    visit: TheVisit, service: TheService, _: TheForm, sequence: Sequence
) -> Response:
    """Confirm a find."""
    done = confirm_find(service, visit.caller, sequence)
    find = quote(done.seizure_id, safe="")
    return RedirectResponse(f"/finds?done=confirmed&find={find}#done", 303)
