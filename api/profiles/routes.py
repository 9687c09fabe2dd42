"""Risk profiles: proposed with a backtest, approved by another person, retired by two."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.http.answers import AcknowledgedStep
from api.http.dependencies import TheCaller, TheService
from api.http.periods import Asked
from api.http.request_bodies import TheReason, body_of
from api.http.responses import answer, creates, json_router, takes
from api.profiles.answers import (
    AcknowledgedProfile,
    ProfileBacktest,
    ProfileCheck,
    ProfileFields,
    Profiles,
    ProfileView,
    check_expression,
    fields,
    read_profile,
    read_profiles,
)
from api.profiles.steps import (
    PROFILE,
    BacktestAsked,
    CheckAsked,
    Period,
    attach_backtest,
    try_out,
)
from api.proposals.matters import Approval
from api.proposals.routes import TheApproval, TheDesk
from engine.criteria.profiles.profile import ProfileProposal
from engine.domain.records import StatedReason

router = json_router("/v1/profiles", "profiles", 404, 409, 413)
Code = Annotated[str, Path(pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")]


@router.get("", response_model=Profiles)
def profiles(caller: TheCaller, service: TheService) -> Response:
    """Return every profile with its backtest and what became of its matches."""
    return answer(Profiles(profiles=read_profiles(service, caller)))


@router.post("", **creates(AcknowledgedProfile, body=ProfileProposal))
def propose(
    desk: TheDesk, proposed: Annotated[ProfileProposal, Depends(body_of(ProfileProposal))]
) -> Response:
    """Propose a profile; its backtest over the last 90 days is attached and answered."""
    return answer(desk.propose(PROFILE, proposed), 201)


@router.post("/backtests", response_model=ProfileBacktest, openapi_extra=takes(BacktestAsked))
def try_profile(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[BacktestAsked, Depends(body_of(BacktestAsked))],
) -> Response:
    """Return what an expression would have done; nothing is recorded."""
    return answer(try_out(service, caller, asked))


@router.post("/checks", response_model=ProfileCheck, openapi_extra=takes(CheckAsked))
def check(
    _caller: TheCaller,
    service: TheService,
    asked: Annotated[CheckAsked, Depends(body_of(CheckAsked))],
) -> Response:
    """Say where an expression does not fit, or what it would read; nothing is recorded."""
    return answer(check_expression(asked.expression, service.plan.names))


@router.get("/fields", response_model=ProfileFields)
def offered(_caller: TheCaller, service: TheService) -> Response:
    """Return all that an expression may ask for."""
    return answer(ProfileFields(fields=fields(service.plan.names)))


@router.get("/{code}", response_model=ProfileView)
def profile(caller: TheCaller, service: TheService, code: Code, asked: Asked) -> Response:
    """Return one profile; ``from`` and ``to`` bound the matches whose outcome is counted."""
    return answer(read_profile(service, code, caller, asked))


@router.post("/{code}/backtests", **creates(AcknowledgedProfile, body=Period, is_owed=False))
def attach(
    desk: TheDesk,
    code: Code,
    period: Annotated[Period, Depends(body_of(Period, is_owed=False))],
) -> Response:
    """Run the backtest of a profile again and attach it in place of the last one."""
    return answer(attach_backtest(desk, code, days=period.days), 201)


@router.post("/{code}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False))
def approve(desk: TheDesk, code: Code, approval: TheApproval) -> Response:
    """Agree to what waits: that it comes into force, or that it leaves; never its author."""
    return answer(desk.approve(PROFILE, code, approval), 201)


@router.post("/{code}/retirements", **creates(AcknowledgedStep, body=StatedReason))
def retire(desk: TheDesk, code: Code, wanted: TheReason) -> Response:
    """Propose that a profile leaves; it stays until another person approves that."""
    return answer(desk.retire(PROFILE, code, wanted), 201)
