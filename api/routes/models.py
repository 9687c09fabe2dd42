"""Which models there are, who approves them, and the way back to rules alone."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from api.answering import answer, said, takes
from api.bodies import body_of
from api.dependencies import IdempotencyKey, RunningService, TheCaller
from api.model_reading import MOST, ReadingModels
from api.promoting import approved, rolled_back, shadowed, withdrawn
from api.runtime import Runtime
from api.schemas_models import ModelComparison, ModelStanding, ModelStandings, ModelView
from engine.answers import Claim, answered, claim, taken
from engine.records import Identifier, Record, Text
from models.promotion import State
from models.promotions import read_state

Version = Annotated[Identifier, Path()]
router = APIRouter(prefix="/v1/models", tags=["models"], responses=said(401, 403, 422, 503))


class ModelApproval(Record):
    """One person's word for a model; the key or the session says whose."""

    note: Text | None = None


class RollBack(Record):
    """That the model before the present one shall decide again."""

    reason: Text


class RulesOnly(Record):
    """That no model shall decide until one is approved or rolled back to."""

    reason: Text


@router.get("", response_model=ModelStandings)
def models(caller: TheCaller, runtime: RunningService) -> Response:
    """List every model with where it stands, and which one decides."""
    return answer(ReadingModels(runtime).all())


@router.get("/comparison", response_model=ModelComparison, responses=said(404))
def comparison(
    _caller: TheCaller,
    runtime: RunningService,
    version: Annotated[list[Identifier], Query(min_length=1, max_length=MOST)],
) -> Response:
    """Return the figures of some models' stored reports side by side."""
    return answer(ReadingModels(runtime).comparison(version))


@router.get("/{version}", response_model=ModelView, responses=said(404))
def model(_caller: TheCaller, runtime: RunningService, version: Version) -> Response:
    """Return one model: where it stands and why, its card, and its shadow beside what decided."""
    return answer(ReadingModels(runtime).one(version))


@router.get("/{version}/report", response_model=dict[str, Any], responses=said(404))
def report(_caller: TheCaller, runtime: RunningService, version: Version) -> Response:
    """Return a model's stored report, as docs/models.md describes it."""
    return answer(ReadingModels(runtime).report(version))


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
        return withdrawn(runtime.store, by=caller.person, why=body.reason, claim=asked)

    await asyncio.to_thread(_once, runtime, body, "rules-only", key, act)
    return answer(ReadingModels(runtime).all(), 201)


@router.post(
    "/rollback",
    status_code=201,
    response_model=ModelStandings,
    responses=said(404, 409, 413),
    openapi_extra=takes(RollBack),
)
async def roll_back(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    body: Annotated[RollBack, Depends(body_of(RollBack))],
) -> Response:
    """Put the model before the present one back into force; two people approved it once."""

    def act(asked: Claim | None) -> State:
        by, role = caller.person, caller.role
        home, store, why = runtime.home, runtime.store, body.reason
        return rolled_back(home, store, by=by, role=role, why=why, claim=asked)

    await asyncio.to_thread(_once, runtime, body, "rollback", key, act)
    return answer(ReadingModels(runtime).all(), 201)


@router.post(
    "/{version}/shadow",
    status_code=201,
    response_model=ModelStanding,
    responses=said(404, 409, 413),
    openapi_extra=takes(ModelApproval),
)
async def shadow(
    caller: TheCaller,
    runtime: RunningService,
    key: IdempotencyKey,
    version: Version,
    body: Annotated[ModelApproval, Depends(body_of(ModelApproval))],
) -> Response:
    """Let a candidate score in the shadow, unseen by officers."""

    def act(asked: Claim | None) -> State:
        by, role = caller.person, caller.role
        return shadowed(runtime.home, runtime.store, version, by=by, role=role, claim=asked)

    await asyncio.to_thread(_once, runtime, body, f"{version}:shadow", key, act)
    return answer(ReadingModels(runtime).standing(version), 201)


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
    version: Version,
    body: Annotated[ModelApproval, Depends(body_of(ModelApproval))],
) -> Response:
    """Approve a model; the second person puts it into force, and neither may have trained it."""

    def act(asked: Claim | None) -> State:
        by, role = caller.person, caller.role
        return approved(runtime.home, runtime.store, version, by=by, role=role, claim=asked)

    await asyncio.to_thread(_once, runtime, body, version, key, act)
    return answer(ReadingModels(runtime).standing(version), 201)


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
