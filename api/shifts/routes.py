"""The inspection minutes of a shift: put by a supervisor, read with what is left of them.

What a shift found, and how sure one may be of it.
"""

import asyncio
import secrets
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Query, Response

from api.auth.permissions import Role
from api.http.dependencies import IdempotencyKey, TheCaller, running_service
from api.http.guards import check_path
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, document_problems
from api.http.schema_base import Acknowledged
from api.service.signed_answers import SignedAnswers
from api.shifts.reads import ShiftService, read_now, read_shift_roster, report
from api.shifts.schemas import ShiftReport, ShiftRoster
from engine.domain.records import PostCode, Time
from engine.domain.time_units import micros
from engine.journal.idempotency import claim
from engine.journal.kinds import ROSTER
from engine.shifts.rosters import Roster
from engine.targeting.reports import Recording


class RosterService(ShiftService, Protocol):
    """The running service, as rosters are put and shifts reported."""

    recording: Recording
    answers: SignedAnswers


TheService = Annotated[RosterService, Depends(running_service)]

router = APIRouter(
    prefix="/v1/posts", tags=["roster"], responses=document_problems(401, 403, 404, 422, 503)
)


@router.put("/{post}/roster", **creates(Acknowledged, 409, 413, body=Roster))
async def put_roster(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    post: Annotated[PostCode, Path()],
    roster: Annotated[Roster, Depends(body_of(Roster))],
) -> Response:
    """Put the minutes of the shift, altogether; they hold until others are put."""
    check_path(service.network, caller, post)
    name = f"{ROSTER}:{secrets.token_hex(12)}"
    asked = claim(ROSTER, roster, post=post, name=name, key=caller.own(key))
    found = await asyncio.to_thread(service.recording.roster, roster, asked)
    return answer(service.answers.acknowledge(found, identifier=post), 201)


@router.get("/{post}/roster", response_model=ShiftRoster)
def read_roster(
    caller: TheCaller, service: TheService, post: Annotated[PostCode, Path()]
) -> Response:
    """Return where the shift stands: its minutes, what they went to, and what is expected."""
    check_path(service.network, caller, post)
    return answer(read_shift_roster(service, post, is_blind=caller.role is Role.CHECKPOINT))


report_router = APIRouter(
    prefix="/v1/posts", tags=["shift"], responses=document_problems(401, 403, 404, 422, 503)
)


@report_router.get("/{post}/shift", response_model=ShiftReport)
def shift(
    caller: TheCaller,
    service: TheService,
    post: Annotated[PostCode, Path()],
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Return the report of the shift that a time falls into, by default the running one."""
    check_path(service.network, caller, post)
    return answer(report(service, post, read_now(service) if at is None else micros(at)))
