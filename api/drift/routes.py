"""Drift of traffic from what the model in force learnt, as last measured."""

from typing import Annotated

from fastapi import Depends, Response

from api.drift.reads import DriftAsked, measure, read_drift
from api.drift.schemas import DriftAnswer
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router

router = json_router("/v1/drift", "models")


@router.get("", response_model=DriftAnswer)
def drift(_caller: TheCaller, service: TheService) -> Response:
    """Return the last measurement."""
    return answer(read_drift(service))


@router.post("", **creates(DriftAnswer, 409, 413, body=DriftAsked, is_owed=False))
def measure_anew(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    asked: Annotated[DriftAsked, Depends(body_of(DriftAsked, is_owed=False))],
) -> Response:
    """Measure again, in a process of its own, record it, and return it."""
    measure(service, caller, asked, key=key)
    return answer(read_drift(service), 201)
