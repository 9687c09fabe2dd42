"""Which models there are, who approves them, and the way back to rules alone."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy.exc import IntegrityError

from api.auth.callers import Caller
from api.http.dependencies import IdempotencyKey, TheCaller, running_service
from api.http.request_bodies import body_of, optional_body_of
from api.http.responses import answer, creates, document_problems
from api.models.lifecycle import (
    approve_model,
    rolled_back,
    shadow_model,
    trial_ended,
    withdraw_model,
)
from api.models.reads import MOST, ModelReader, ModelService
from api.models.schemas import ModelComparison, ModelStanding, ModelStandings, ModelView
from engine.domain.records import Identifier, Record, Text
from engine.errors import PromotionRefusedError
from engine.journal.idempotency import IdempotencyClaim, claim, find_answer, find_holders
from engine.storage.database import Store
from models.lifecycle.states import ModelStates

TheService = Annotated[ModelService, Depends(running_service)]

Version = Annotated[Identifier, Path()]
router = APIRouter(
    prefix="/v1/models", tags=["models"], responses=document_problems(401, 403, 422, 503)
)


class ModelApproval(Record):
    """One person's word for a model; the key or the session says whose."""

    note: Text | None = None


class RollBack(Record):
    """That the model before the present one shall decide again."""

    reason: Text


class EndOfTrial(Record):
    """That the model in force shall decide alone again."""

    reason: Text


class RulesOnly(Record):
    """That no model shall decide until one is approved or rolled back to."""

    reason: Text | None = None
    """Expected, but not required: stopping a model must not wait for it."""


@router.get("", response_model=ModelStandings)
def models(caller: TheCaller, service: TheService) -> Response:
    """List every model with where it stands, and which one decides."""
    return answer(ModelReader(service).list_models())


@router.get("/comparison", response_model=ModelComparison, responses=document_problems(404))
def comparison(
    _caller: TheCaller,
    service: TheService,
    version: Annotated[list[Identifier], Query(min_length=1, max_length=MOST)],
) -> Response:
    """Return the figures of some models' stored reports side by side."""
    return answer(ModelReader(service).comparison(version))


@router.get("/{version}", response_model=ModelView, responses=document_problems(404))
def model(_caller: TheCaller, service: TheService, version: Version) -> Response:
    """Return one model: its state and why, its card, and how far its shadow agreed."""
    return answer(ModelReader(service).read_model(version))


@router.get("/{version}/report", response_model=dict[str, Any], responses=document_problems(404))
def report(_caller: TheCaller, service: TheService, version: Version) -> Response:
    """Return a model's stored report, as docs/evaluation.md describes it."""
    return answer(ModelReader(service).report(version))


@router.post("/rules-only", **creates(ModelStandings, 409, 413, body=RulesOnly, is_owed=False))
async def rules_only(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    body: Annotated[RulesOnly, Depends(optional_body_of(RulesOnly))],
) -> Response:
    """Take the model out of force, so that rules and random checks decide; one person is enough."""
    step = partial(withdraw_model, service.store, why=body.reason or "")
    await _take(service, caller, key=key, body=body, about="rules-only", step=step)
    return answer(ModelReader(service).list_models(), 201)


@router.post("/rollback", **creates(ModelStandings, 404, 409, 413, body=RollBack))
async def roll_back(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    body: Annotated[RollBack, Depends(body_of(RollBack))],
) -> Response:
    """Put the model before the present one back into force; two people approved it once."""
    step = partial(rolled_back, service.home, service.store, why=body.reason)
    await _take(service, caller, key=key, body=body, about="rollback", step=step)
    return answer(ModelReader(service).list_models(), 201)


@router.post("/end-trial", **creates(ModelStandings, 409, 413, body=EndOfTrial))
async def end_trial(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    body: Annotated[EndOfTrial, Depends(body_of(EndOfTrial))],
) -> Response:
    """Take the model on trial off it; one person is enough."""
    step = partial(trial_ended, service.store, why=body.reason)
    await _take(service, caller, key=key, body=body, about="end-trial", step=step)
    return answer(ModelReader(service).list_models(), 201)


@router.post(
    "/{version}/shadow", **creates(ModelStanding, 404, 409, 413, body=ModelApproval, is_owed=False)
)
async def shadow(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    version: Version,
    body: Annotated[ModelApproval, Depends(optional_body_of(ModelApproval))],
) -> Response:
    """Let a candidate score in the shadow, unseen by officers."""
    step = partial(shadow_model, service.home, service.store, version, why=body.note or "")
    await _take(service, caller, key=key, body=body, about=f"{version}:shadow", step=step)
    return answer(ModelReader(service).read_standing(version), 201)


@router.post(
    "/{version}/challenges",
    **creates(ModelStanding, 404, 409, 413, body=ModelApproval, is_owed=False),
)
async def challenge(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    version: Version,
    body: Annotated[ModelApproval, Depends(optional_body_of(ModelApproval))],
) -> Response:
    """Approve a trial; the second person lets the model share what the one in force may pick."""
    why = body.note or ""
    step = partial(approve_model, service.home, service.store, version, why=why, is_trial=True)
    await _take(service, caller, key=key, body=body, about=f"{version}:challenge", step=step)
    return answer(ModelReader(service).read_standing(version), 201)


@router.post(
    "/{version}/approvals",
    **creates(ModelStanding, 404, 409, 413, body=ModelApproval, is_owed=False),
)
async def approve(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    version: Version,
    body: Annotated[ModelApproval, Depends(optional_body_of(ModelApproval))],
) -> Response:
    """Approve a model; the second person puts it into force, and neither may have trained it."""
    step = partial(approve_model, service.home, service.store, version, why=body.note or "")
    await _take(service, caller, key=key, body=body, about=version, step=step)
    return answer(ModelReader(service).read_standing(version), 201)


async def _take(
    service: ModelService,
    caller: Caller,
    *,
    key: str | None,
    body: Record,
    about: str,
    step: "partial[ModelStates]",
) -> None:
    """Let the caller take a step, once for each of their idempotency keys."""
    asked = None
    if key is not None:
        made = claim(f"model:{about}", body, post="", name="", key=caller.own(key))
        asked = replace(made, names=made.names[:1])  # a step has no other name than its key
    act = partial(step, by=caller.person, role=caller.role, claim=asked)
    await asyncio.to_thread(_once, service.store, asked, act)


def _once(store: Store, asked: IdempotencyClaim | None, act: "partial[ModelStates]") -> None:
    """Act, unless the same request did; where both come at once the second finds the first."""
    if asked is not None and _is_done(store, asked):
        return
    try:
        act()
    except (IntegrityError, PromotionRefusedError):
        if asked is None or not _is_done(store, asked):
            raise


def _is_done(store: Store, asked: IdempotencyClaim) -> bool:
    """Tell whether this was done; raises ``ConflictError`` where the key named something else."""
    with store.read() as connection:
        return find_answer(asked, find_holders(connection, asked.names)) is not None
