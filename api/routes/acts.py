"""Inspection acts and seizures."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.answering import answer, said, takes
from api.bodies import ReportedAct, body_of
from api.dependencies import IdempotencyKey, RunningService, Team, TheCaller
from api.reading import post_of
from api.schemas import Acknowledged, AcknowledgedAct
from engine.domain.records import Seizure
from engine.journal.idempotency import claim, inspection_name, seizure_name
from engine.queue.queue import INSPECTION
from engine.selection.team_assignment import Handling
from engine.targeting.find_confirmation import SEIZURE

router = APIRouter(prefix="/v1", tags=["acts"], responses=said(401, 403, 404, 409, 413, 422, 503))


@router.post(
    "/inspections",
    status_code=201,
    response_model=AcknowledgedAct,
    openapi_extra=takes(ReportedAct),
)
async def inspect(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    act: Annotated[ReportedAct, Depends(body_of(ReportedAct))],
    team: Team = None,
) -> Response:
    """File an inspection act; why it took place is the engine's to say where it referred."""
    post = await asyncio.to_thread(post_of, runtime, caller, act.crossing_id)
    name = inspection_name(act.inspection_id)
    asked = claim(INSPECTION, act, post=post, name=name, key=key)
    by, record = Handling(caller.person, team), runtime.recording.inspection
    found = await asyncio.to_thread(record, act, asked, said=act.basis, by=by)
    return answer(runtime.acknowledged_act(found), 201)


@router.post(
    "/seizures", status_code=201, response_model=Acknowledged, openapi_extra=takes(Seizure)
)
async def seize(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    seizure: Annotated[Seizure, Depends(body_of(Seizure))],
) -> Response:
    """Record goods taken; a plate alone is linked to its last entry within 30 days before.

    Where that entry is at another post than the sender's, the find waits to be confirmed.
    """
    post = caller.post or ""
    if seizure.crossing_id is not None:
        post = await asyncio.to_thread(post_of, runtime, caller, seizure.crossing_id)
    name = seizure_name(seizure.seizure_id)
    asked = claim(SEIZURE, seizure, post=post, name=name, key=key)
    record, person = runtime.recording.seizure, caller.person
    found = await asyncio.to_thread(record, seizure, asked, person=person, within=caller.post)
    return answer(runtime.acknowledged(found, identifier=seizure.seizure_id), 201)
