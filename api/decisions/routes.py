"""Routes that ask for a decision: they are there before the first answer of a service.

Those about stored decisions (:mod:`api.decisions.stored_routes`) are loaded after the start.
"""

import asyncio
from concurrent.futures import Future
from typing import Annotated, Any, cast

import orjson
from fastapi import Depends, Request, Response

from api.auth.callers import Caller
from api.decisions.answers import CheckpointView
from api.http.access import check_arrival
from api.http.answers import Problem
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.problems import refusal
from api.http.request_bodies import LARGEST_BATCH, body_of, find_formats, reported_batch
from api.http.responses import answer, creates, document_problems, json_router, takes_many
from api.service.runtime import Runtime
from engine.domain.records import Arrival
from engine.errors import MalformedBodyError, RiskError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim, crossing_name
from engine.journal.kinds import DECISION

FORMATS = find_formats()
router = json_router("/v1/decisions", "decisions")

SentArrival = Annotated[Arrival, Depends(FORMATS.arrival_body(body_of(Arrival)))]
"""An arrival as JSON, or as a standard message with the crossing's fields in the query."""


@router.post("", **FORMATS.document(creates(CheckpointView, 409, 413, body=Arrival)))
async def decide(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    arrival: SentArrival,
) -> Response:
    """Decide on an arrival; sent again, it gets the same answer.

    The answer leaves only when its record is durable.
    """
    found = await await_decision(service, caller, arrival, key)
    return FORMATS.answer(request, found, arrival.declaration)


async def await_decision(
    service: Runtime, caller: Caller, arrival: Arrival, key: str | None
) -> dict[str, Any]:
    """Return the decision on an arrival, once its record is durable."""
    found = await service.bridge.wait(_submit_arrival(service, caller, arrival, key))
    service.metrics.count_decision(found)
    return service.answers.view_decision(found, is_blind=True)


def _submit_arrival(
    service: Runtime, caller: Caller, arrival: Arrival, key: str | None
) -> "Future[StoredRecord]":
    check_arrival(service.network, caller, arrival, now=service.present.now())
    crossing = arrival.crossing
    name = crossing_name(crossing.crossing_id)
    asked = claim(DECISION, arrival, post=crossing.post, name=name, key=key)
    return service.targeting.decide(arrival, asked)


@router.post(
    "/batch",
    response_model=list[CheckpointView | Problem],
    responses=document_problems(413),
    openapi_extra=takes_many(Arrival, most=LARGEST_BATCH),
)
async def decide_batch(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    arrivals: Annotated[list[Arrival | MalformedBodyError], Depends(reported_batch)],
) -> Response:
    """Decide on up to 1,000 arrivals: a decision or a problem for each, in their order.

    A row is refused for itself alone; sent again, each gets the same answer, as one by one. A key
    names every row by its place.
    """
    keys = [None if key is None else f"{key} {place}" for place in range(len(arrivals))]
    asked = [_submit_row(service, caller, *one) for one in zip(arrivals, keys, strict=True)]
    for one in reversed(asked):  # decided together: where the last one is, all are
        if isinstance(one, Future) and not one.done():
            await asyncio.gather(service.bridge.wait(one), return_exceptions=True)
    rows = []
    for one in asked:
        error = one.exception() if isinstance(one, Future) else one
        if isinstance(one, Future) and error is None:
            service.metrics.count_decision(one.result())
            rows.append(service.answers.view_decision(one.result(), is_blind=True))
        else:
            refused = refusal(cast("BaseException", error), instance="/v1/decisions/batch")
            rows.append(orjson.loads(refused.body))
    return answer(rows)


def _submit_row(
    service: Runtime,
    caller: Caller,
    arrival: Arrival | MalformedBodyError,
    key: str | None,
) -> "Future[StoredRecord] | RiskError":
    try:
        if isinstance(arrival, MalformedBodyError):
            return arrival
        return _submit_arrival(service, caller, arrival, key)
    except RiskError as error:
        return error
