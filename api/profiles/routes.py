"""Risk profiles: proposed with a backtest, approved by another person, retired by two."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from api.http.dependencies import IdempotencyKey, TheCaller, running_service
from api.http.request_bodies import body_of, optional_body_of
from api.http.responses import answer, creates, document_problems, takes
from api.profiles.proposals import (
    Approval,
    BacktestAsked,
    CheckAsked,
    Period,
    ProposalService,
    ProposalWriter,
    Retirement,
    figures_of,
)
from api.profiles.reads import ProposalReader, check_expression, fields
from api.profiles.schemas import (
    AcknowledgedProfile,
    AcknowledgedStep,
    ProfileBacktest,
    ProfileCheck,
    ProfileFields,
    Profiles,
    ProfileView,
)
from engine.criteria.profiles.profile import ProfileProposal

TheService = Annotated[ProposalService, Depends(running_service)]

router = APIRouter(
    prefix="/v1/profiles",
    tags=["profiles"],
    responses=document_problems(401, 403, 404, 409, 413, 422, 503),
)
Code = Annotated[str, Path(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")]


@router.get("", response_model=Profiles)
def profiles(_caller: TheCaller, service: TheService) -> Response:
    """Return every profile with its backtest and what became of its matches."""
    return answer({"profiles": ProposalReader(service).profiles()})


@router.post("", **creates(AcknowledgedProfile, body=ProfileProposal))
async def propose(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    proposed: Annotated[ProfileProposal, Depends(body_of(ProfileProposal))],
) -> Response:
    """Propose a profile; its backtest over the last 90 days is attached and answered."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.profile, proposed)
    figures = await asyncio.to_thread(proposing.first_backtest, proposed.code)
    return answer(service.answers.acknowledge_step(found) | {"backtest": figures}, 201)


@router.post("/backtests", response_model=ProfileBacktest, openapi_extra=takes(BacktestAsked))
async def try_out(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[BacktestAsked, Depends(body_of(BacktestAsked))],
) -> Response:
    """Return what an expression would have done; nothing is recorded."""
    return answer(await asyncio.to_thread(ProposalWriter(service, caller).try_out, asked))


@router.post("/checks", response_model=ProfileCheck, openapi_extra=takes(CheckAsked))
async def check(
    _caller: TheCaller,
    service: TheService,
    asked: Annotated[CheckAsked, Depends(body_of(CheckAsked))],
) -> Response:
    """Say where an expression does not fit, or what it would read; nothing is recorded."""
    return answer(await asyncio.to_thread(check_expression, asked.expression, service.plan.names))


@router.get("/fields", response_model=ProfileFields)
def offered(_caller: TheCaller, service: TheService) -> Response:
    """Return all that an expression may ask for."""
    return answer({"fields": fields(service.plan.names)})


@router.get("/{code}", response_model=ProfileView)
def profile(_caller: TheCaller, service: TheService, code: Code) -> Response:
    """Return one profile."""
    return answer(ProposalReader(service).profile(code))


@router.post("/{code}/backtests", **creates(AcknowledgedProfile, body=Period, is_owed=False))
async def attach(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    code: Code,
    period: Annotated[Period, Depends(optional_body_of(Period))],
) -> Response:
    """Run the backtest of a profile again and attach it in place of the last one."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.attach, code, days=period.days)
    return answer(service.answers.acknowledge_step(found) | {"backtest": figures_of(found)}, 201)


@router.post("/{code}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False))
async def approve(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    code: Code,
    approval: Annotated[Approval, Depends(optional_body_of(Approval))],
) -> Response:
    """Agree to what waits: that it comes into force, or that it leaves; never its author."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.approve, "profile", code, approval)
    return answer(service.answers.acknowledge_step(found), 201)


@router.post("/{code}/retirements", **creates(AcknowledgedStep, body=Retirement))
async def retire(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    code: Code,
    wanted: Annotated[Retirement, Depends(body_of(Retirement))],
) -> Response:
    """Propose that a profile leaves; it stays until another person approves that."""
    proposing = ProposalWriter(service, caller, key)
    found = await asyncio.to_thread(proposing.retire, "profile", code, wanted)
    return answer(service.answers.acknowledge_step(found), 201)
