"""Models, their approvals, and the way back to rules alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Response
from sqlalchemy.exc import IntegrityError

from api.auth.callers import Caller
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import TheOptionalReason, TheReason, body_of
from api.http.responses import answer, creates, document_problems, json_router
from api.models.answers import (
    ModelComparison,
    ModelStanding,
    ModelStandings,
    ModelView,
    Version,
    Versions,
    compare_models,
    list_models,
    read_model,
    read_report,
    read_standing,
)
from api.models.steps import ModelSteps
from api.service.runtime import Runtime
from engine.domain.field_types import Text
from engine.domain.records import OptionalReason, Record, StatedReason
from engine.errors import PromotionRefusedError
from engine.journal.idempotency import IdempotencyClaim, claim, find_answer, find_holders
from engine.storage.database import Store
from models.lifecycle.states import ModelStates

router = json_router("/v1/models", "models")


class ModelApproval(Record):
    """One person's word for a model; the key or the session says whose."""

    note: Text | None = None
    EXAMPLE: ClassVar = {"note": "Read the report of the random stream."}


TheApproval = Annotated[ModelApproval, Depends(body_of(ModelApproval, is_owed=False))]


@dataclass(frozen=True, slots=True)
class StepRequest:
    """A caller's request for a step."""

    service: Runtime
    caller: Caller
    key: str | None

    def take(
        self,
        about: str,
        body: Record,
        step: Callable[[ModelSteps], ModelStates],
        version: str | None = None,
    ) -> Response:
        """Take a step, once for each of the caller's keys, and answer where models stand then.

        That is where one ``version`` stands, or all of them.
        """
        asked, service, caller = None, self.service, self.caller
        if self.key is not None:
            made = claim(f"model:{about}", body, post="", name="", key=caller.own(self.key))
            asked = replace(made, names=made.names[:1])  # a step has no other name than its key
        steps = ModelSteps(service.home, service.store, caller.person, asked)
        _once(service.store, asked, partial(step, steps))
        if version is None:
            return answer(list_models(service), 201)
        return answer(read_standing(service, version), 201)


async def step_request(caller: TheCaller, service: TheService, key: IdempotencyKey) -> StepRequest:
    """Return the request."""
    return StepRequest(service, caller, key)


TheRequest = Annotated[StepRequest, Depends(step_request)]


@router.get("", response_model=ModelStandings)
def models(_caller: TheCaller, service: TheService) -> Response:
    """List every model with where it stands, and which one decides."""
    return answer(list_models(service))


@router.get("/comparison", response_model=ModelComparison, responses=document_problems(404))
def comparison(_caller: TheCaller, service: TheService, version: Versions) -> Response:
    """Return the figures of some models' stored reports side by side."""
    return answer(compare_models(service, version))


@router.get("/{version}", response_model=ModelView, responses=document_problems(404))
def model(_caller: TheCaller, service: TheService, version: Version) -> Response:
    """Return one model: its state and why, its card, and how far its shadow agreed."""
    return answer(read_model(service, version))


@router.get("/{version}/report", response_model=dict[str, Any], responses=document_problems(404))
def report(_caller: TheCaller, service: TheService, version: Version) -> Response:
    """Return a model's stored report, as docs/evaluation.md describes it."""
    return answer(read_report(service, version))


@router.post("/rules-only", **creates(ModelStandings, 409, 413, body=OptionalReason, is_owed=False))
def rules_only(asked: TheRequest, body: TheOptionalReason) -> Response:
    """Take the model out of force, so that rules and random checks decide; one person is enough."""
    return asked.take("rules-only", body, lambda steps: steps.withdraw(body.reason or ""))


@router.post("/rollback", **creates(ModelStandings, 404, 409, 413, body=StatedReason))
def roll_back(asked: TheRequest, body: TheReason) -> Response:
    """Put the model before the present one back into force; two people approved it once."""
    return asked.take("rollback", body, lambda steps: steps.roll_back(body.reason))


@router.post("/end-trial", **creates(ModelStandings, 409, 413, body=StatedReason))
def end_trial(asked: TheRequest, body: TheReason) -> Response:
    """Take the model on trial off it; one person is enough."""
    return asked.take("end-trial", body, lambda steps: steps.end_trial(body.reason))


_APPROVES = creates(ModelStanding, 404, 409, 413, body=ModelApproval, is_owed=False)


@router.post("/{version}/shadow", **_APPROVES)
def shadow(asked: TheRequest, version: Version, body: TheApproval) -> Response:
    """Let a candidate score in the shadow, unseen by officers."""
    note = body.note or ""
    return asked.take(f"{version}:shadow", body, lambda one: one.shadow(version, note), version)


@router.post("/{version}/challenges", **_APPROVES)
def challenge(asked: TheRequest, version: Version, body: TheApproval) -> Response:
    """Approve a trial; the second person lets the model share what the one in force may pick."""
    note = body.note or ""

    def step(steps: ModelSteps) -> ModelStates:
        return steps.approve(version, note, is_trial=True)

    return asked.take(f"{version}:challenge", body, step, version)


@router.post("/{version}/approvals", **_APPROVES)
def approve(asked: TheRequest, version: Version, body: TheApproval) -> Response:
    """Approve a model; the second person puts it into force, and neither may have trained it."""
    note = body.note or ""
    return asked.take(version, body, lambda steps: steps.approve(version, note), version)


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
