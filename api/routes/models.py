"""Which models there are, who approves them, and the way back to rules alone."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from api.answering import answer, said, takes
from api.bodies import body_of
from api.dependencies import IdempotencyKey, RunningService, TheCaller
from api.promoting import approved, withdrawn
from api.runtime import Runtime
from api.schemas import ModelStanding, ModelStandings
from engine.answers import Claim, answered, claim, taken
from engine.records import Identifier, Record, Text
from models.promotion import State
from models.promotions import read_state

router = APIRouter(prefix="/v1/models", tags=["models"], responses=said(401, 403, 422, 503))


class ModelApproval(Record):
    """One person's word for a model; the key or the session says whose."""

    note: Text | None = None


class RulesOnly(Record):
    """That no model shall decide until one is approved or rolled back to."""

    reason: Text


@router.get("", response_model=ModelStandings)
def models(caller: TheCaller, runtime: RunningService) -> Response:
    """List every model with where it stands, and which one decides."""
    with runtime.store.read() as connection:
        return answer(_standings(runtime, read_state(connection)))


@router.post(
    "/rules-only",
    status_code=201,
    response_model=ModelStandings,
    responses=said(409, 413),
    openapi_extra=takes(RulesOnly),
)
async def rules_only(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    body: Annotated[RulesOnly, Depends(body_of(RulesOnly))],
) -> Response:
    """Take the model out of force, so that rules and the lot decide; one person is enough."""

    def act(asked: Claim | None) -> State:
        return withdrawn(runtime.store, by=caller.name, why=body.reason, claim=asked)

    now = await asyncio.to_thread(_once, runtime, body, "rules-only", key, act)
    return answer(_standings(runtime, now), 201)


@router.post(
    "/{version}/approvals",
    status_code=201,
    response_model=ModelStanding,
    responses=said(404, 409, 413),
    openapi_extra=takes(ModelApproval),
)
async def approve(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    version: Annotated[Identifier, Path()],
    body: Annotated[ModelApproval, Depends(body_of(ModelApproval))],
) -> Response:
    """Approve a model; the second person puts it into force, and neither may have trained it."""

    def act(asked: Claim | None) -> State:
        by, role = caller.name, caller.role
        return approved(runtime.home, runtime.store, version, by=by, role=role, claim=asked)

    now = await asyncio.to_thread(_once, runtime, body, version, key, act)
    return answer(_standing(now, version), 201)


def _once(
    runtime: Runtime,
    body: Record,
    subject: str,
    key: str | None,
    act: Callable[[Claim | None], State],
) -> State:
    """Act, or say where the models stand where the same key asked before."""
    if key is None:
        return act(None)
    asked = claim(f"model:{subject}", body, post="", name="", key=key)
    asked = Claim(asked.kind, asked.post, asked.names[:1], asked.fingerprint)
    with runtime.store.read() as connection:
        if answered(asked, taken(connection, asked.names)) is not None:
            return read_state(connection)
    return act(asked)


def _standings(runtime: Runtime, now: State) -> dict[str, Any]:
    return {
        "in_force": now.in_force,
        "mode": runtime.watch.in_force().mode,
        "models": [_standing(now, version) for version in now.models],
    }


def _standing(now: State, version: str) -> dict[str, Any]:
    model = now.models[version]
    return {
        "version": version,
        "role": model.role,
        "trained_by": model.trained_by,
        "approvals": list(model.approvals),
        "evaluation": model.evaluation or None,
        "card": model.card or None,
    }
