"""Crossings that ask for no decision, and vehicles that have left."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from api.answering import answer, said, takes
from api.bodies import optional_body_of, reported_arrival
from api.dependencies import IdempotencyKey, RunningService, Team, TheCaller
from api.reading import check_arrival, post_of
from api.schemas import Acknowledged
from engine.domain.records import Arrival, Identifier
from engine.journal.idempotency import claim, crossing_name
from engine.queue.queue import RELEASE
from engine.selection.team_assignment import Handling
from engine.targeting.reports import CROSSING, ReleaseReason

router = APIRouter(prefix="/v1/crossings", tags=["crossings"], responses=said(401, 403, 422, 503))


@router.post(
    "",
    status_code=201,
    response_model=Acknowledged,
    responses=said(409, 413),
    openapi_extra=takes(Arrival),
)
async def record(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    arrival: Annotated[Arrival, Depends(reported_arrival)],
) -> Response:
    """Record a crossing, bare or with its declaration: an exit, the paired post's, a late one."""
    check_arrival(runtime, caller, arrival)
    crossing = arrival.crossing
    name = crossing_name(crossing.crossing_id)
    asked = claim(CROSSING, arrival, post=crossing.post, name=name, key=key)
    found = await asyncio.to_thread(runtime.recording.crossing, arrival, asked)
    return answer(runtime.acknowledged(found, identifier=crossing.crossing_id), 201)


@router.post(
    "/{crossing_id:path}/release",  # an identifier may hold a slash, which comes as one from %2F
    status_code=201,
    response_model=Acknowledged,
    responses=said(404, 409, 413),
    openapi_extra=takes(ReleaseReason, is_owed=False),
)
async def release(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    crossing_id: Annotated[Identifier, Path()],
    reason: Annotated[ReleaseReason, Depends(optional_body_of(ReleaseReason))],
    team: Team = None,
) -> Response:
    """Record that a vehicle has left the queue; the body says why, where the sender knows."""
    post = await asyncio.to_thread(post_of, runtime, caller, crossing_id)
    content = reason.about(crossing_id)
    asked = claim(RELEASE, content, post=post, name=f"{RELEASE}:{crossing_id}", key=key)
    by, record = Handling(caller.person, team), runtime.recording.release
    found = await asyncio.to_thread(record, content, asked, by=by)
    return answer(runtime.acknowledged(found, identifier=crossing_id), 201)
