"""Profiles as a matter of two people, and their backtests."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from api.auth.callers import Caller
from api.http.access import check_post
from api.http.answers import AcknowledgedStep, acknowledge_step, describe_step
from api.profiles.answers import AcknowledgedProfile, ProfileBacktest, read_figures
from api.proposals.desk import ProposalDesk
from api.proposals.matters import ProposalMatter, Step
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState, draft_backtest, read_approval_state
from engine.criteria.profiles.parser import LONGEST_EXPRESSION
from engine.criteria.profiles.profile import (
    BacktestSubject,
    ProfileChannel,
    ProfileProposal,
    Tolerance,
    Tolerances,
    check_total_steps,
    profile_content,
    read_profiles,
    to_profile,
)
from engine.domain.field_types import PostCode
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role
from engine.errors import BusyError, NotEnoughDataError, RecordError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.kinds import PROFILE_PROPOSED

Days = Annotated[int, Field(ge=1, le=366)]


class Period(Record):
    """How far a backtest looks back."""

    days: Days = 90
    EXAMPLE: ClassVar = {"days": 30}


class CheckAsked(Record):
    """An expression as it stands in the editor; it need not fit."""

    expression: Annotated[str, Field(max_length=2 * LONGEST_EXPRESSION)]
    EXAMPLE: ClassVar = {"expression": "features.night == 1 && features.carrier_crossings_30d == 0"}


class BacktestAsked(Record):
    """A profile to try out; nothing is recorded."""

    expression: Annotated[str, Field(min_length=1, max_length=2000)]
    channel: ProfileChannel = "red"
    percentage: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 100.0
    post: PostCode | None = None
    tolerance: Tolerance | None = None
    tolerances: Tolerances = Field(default_factory=dict)
    days: Days = 90
    EXAMPLE: ClassVar = {"expression": "crossing.weighed_mass_kg > 17000.0", "days": 30}


def _prepare(step: Step, proposed: ProfileProposal) -> Mapping[str, Any]:
    proposed.trial.compile(step.service.plan.names)
    other = proposed.instead_of
    if other is not None and other not in read_profiles(step.connection):
        raise RecordError("profile", "instead_of", "unknown", "no profile has this code")
    return profile_content(proposed, now=step.now)


def _check(step: Step, state: ApprovalState) -> None:
    names = step.service.plan.names
    check_total_steps(step.connection, to_profile(state), names=names, as_of=step.now)


def _answer(service: Runtime, done: StoredRecord) -> AcknowledgedStep:
    """Return the acknowledgement of a step; of a new profile with its first backtest."""
    if done.entry.kind != PROFILE_PROPOSED:
        return acknowledge_step(service, done)
    code, period = done.entry.subject, Period()
    asked = claim("profile_backtested", period, post="", name=f"profile:{code}:first-backtest")
    try:
        found = _record_backtest(
            service, code, asked, days=period.days, by=done.body["by"], is_first=True
        )
    except (BusyError, NotEnoughDataError):
        return AcknowledgedProfile(**describe_step(service, done), backtest=None)
    figures = read_figures(found.body["figures"], sees_acts=False)
    return AcknowledgedProfile(**describe_step(service, done), backtest=figures)


PROFILE = ProposalMatter(
    name="profile",
    content=ProfileProposal,
    about=Matter.PROFILES,
    shown=("GET", "/v1/profiles/{code}"),
    may={
        Right.ACT: frozenset({Role.ANALYST, Role.SUPERVISOR}),
        Right.APPROVE: frozenset({Role.SUPERVISOR}),
    },
    page="/profiles/{}",
    is_of_post=True,
    subject=lambda _step, proposed: proposed.code,
    post=lambda _caller, proposed: proposed.post,
    prepare=_prepare,
    check=_check,
    answer=_answer,
)


def attach_backtest(desk: ProposalDesk, code: str, *, days: int) -> AcknowledgedProfile:
    """Run a backtest of a proposed profile and attach it in place of the last one."""
    service, caller = desk.service, desk.caller
    name, period = f"profile:{code}:backtest:{secrets.token_hex(8)}", Period(days=days)
    asked = claim(f"{code}_backtested", period, post="", name=name, key=caller.own(desk.key))
    with service.store.read() as connection:
        found = to_profile(read_approval_state(connection, PROFILE.name, code))
    desk.check_reach(PROFILE, caller, found.proposed.post)
    done = _record_backtest(service, code, asked, days=days, by=caller.person)
    figures = read_figures(done.body["figures"], sees_acts=caller.sees_all(Matter.ACTS))
    return AcknowledgedProfile(**describe_step(service, done), backtest=figures)


def _record_backtest(
    service: Runtime,
    code: str,
    asked: IdempotencyClaim,
    *,
    days: int,
    by: str,
    is_first: bool = False,
) -> StoredRecord:
    """Return the backtest that was recorded for a claim, or run and record it."""
    if (known := service.recording.before(asked)) is not None:
        return known
    with service.store.read() as connection:
        found = to_profile(read_approval_state(connection, PROFILE.name, code))
    run = service.backtests.run_once if is_first else service.backtests.run
    figures = run(found.proposed.trial, days=days)
    draft = draft_backtest(PROFILE.name, code, by=by, state=found.standing.state, figures=figures)
    body = {"claim": asked.as_dict(), **draft.body}
    return service.recording.once(asked, lambda _: replace(draft, body=body))


def try_out(service: Runtime, caller: Caller, asked: BacktestAsked) -> ProfileBacktest:
    """Run a backtest of which nothing is recorded."""
    trial = BacktestSubject(
        asked.expression,
        asked.channel,
        asked.percentage,
        asked.post,
        asked.tolerance,
        asked.tolerances,
    )
    trial.compile(service.plan.names)
    if asked.post is not None:
        check_post(service.network, caller, asked.post)
    figures = service.backtests.try_out(trial, days=asked.days)
    return read_figures(figures, sees_acts=caller.sees_all(Matter.ACTS))
