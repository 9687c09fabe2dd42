"""How far traffic has moved from what the model in force learnt, as last measured."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.answering import answer, said, takes
from api.bodies import body_of
from api.dependencies import RunningService, TheCaller
from api.model_reading import ReadingModels
from api.schemas_models import DriftAnswer
from engine.records import Record

router = APIRouter(prefix="/v1/drift", tags=["models"], responses=said(401, 403, 422, 503))


class DriftAsked(Record):
    """A new measurement."""

    days: Annotated[int, Field(ge=1, le=366)]
    """How far it looks back."""


@router.get("", response_model=DriftAnswer)
def drift(_caller: TheCaller, runtime: RunningService) -> Response:
    """Return the last measurement."""
    return answer(ReadingModels(runtime).drift())


@router.post(
    "",
    status_code=201,
    response_model=DriftAnswer,
    responses=said(409, 413),
    openapi_extra=takes(DriftAsked),
)
async def measure(
    caller: TheCaller,
    runtime: RunningService,
    asked: Annotated[DriftAsked, Depends(body_of(DriftAsked))],
) -> Response:
    """Measure anew, in a process of its own, record it, and return it."""
    run = runtime.measurements.run
    await asyncio.to_thread(run, days=asked.days, by=caller.person)
    return answer(ReadingModels(runtime).drift(), 201)
