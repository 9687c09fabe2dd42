"""Profiles and the watch list for one request: who may take which step, recorded once.

A person is whom the caller's session names, or who owns the key. A key without an owner takes no
step, and what it, or a person since removed, began is not completed.
Which of their steps count is for :mod:`engine.criteria.dual_control`.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends
from pydantic import Field
from sqlalchemy import Connection

from api.auth.callers import OTHER_AGENCY, Caller
from api.http.access import check_post, fill_agency
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.service.runtime import Runtime
from engine.criteria import dual_control, watchlist
from engine.criteria.dual_control import ApprovalState, Matter, read_approval_state
from engine.criteria.profiles import profile as profiles_profile
from engine.criteria.profiles.checker import program
from engine.criteria.profiles.parser import LONGEST_EXPRESSION
from engine.criteria.profiles.profile import BacktestSubject, ProfileChannel, ProfileProposal
from engine.criteria.watchlist import Notice, WatchEntry
from engine.domain.records import PostCode, Record, Text
from engine.domain.rights import Matter as RouteMatter
from engine.errors import (
    BusyError,
    NotAllowedError,
    NotEnoughDataError,
    NotFoundError,
    RecordError,
)
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim

MATTERS: Mapping[Matter, RouteMatter] = {
    "profile": RouteMatter.PROFILES,
    "watchlist": RouteMatter.WATCHLIST,
}
"""The matter of routes for each matter of dual control that has routes."""
Days = Annotated[int, Field(ge=1, le=366)]


class Approval(Record):
    """One person's agreement to what waits: that it enters, or that it leaves."""

    shadow: bool = False
    """Let a proposed profile match for a while without selecting."""
    note: Text | None = None


class Retirement(Record):
    """A request to retire a profile or an entry; another person has to agree."""

    reason: Annotated[Text, Field(min_length=1)]


TheApproval = Annotated[Approval, Depends(body_of(Approval, is_owed=False))]
TheRetirement = Annotated[Retirement, Depends(body_of(Retirement))]


class Period(Record):
    """How far a backtest looks back."""

    days: Days = 90


class CheckAsked(Record):
    """An expression as it stands in the editor; it need not fit."""

    expression: Annotated[str, Field(max_length=2 * LONGEST_EXPRESSION)]


class BacktestAsked(Record):
    """A profile to try out; nothing is recorded."""

    expression: Annotated[str, Field(min_length=1, max_length=2000)]
    channel: ProfileChannel = "red"
    percentage: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = 100.0
    post: PostCode | None = None
    days: Days = 90


class ProposalWriter:
    """Takes the steps of one caller; each is answered as JSON values, with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None = None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def profile(self, proposed: ProfileProposal) -> dict[str, Any]:
        """Propose a profile, and attach its backtest where that can be made now."""
        program(proposed.expression, features=self._service.plan.names)
        self._reach(proposed.post)
        asked = claim(
            "profile_proposed",
            proposed,
            post=proposed.post or "",
            name=f"profile:{proposed.code}",
            key=self._key,
        )

        def draft(connection: Connection) -> Draft:
            other = proposed.instead_of
            if other is not None and other not in dual_control.read_approval_states(
                connection, "profile", other
            ):
                raise RecordError("profile", "instead_of", "unknown", "no profile has this code")
            return profiles_profile.draft_profile(
                proposed, by=self._caller.person, now=self._now(connection)
            )

        known = self._acknowledge(self._once(asked, draft))
        return known | {"backtest": self._first_backtest(proposed.code)}

    def entry(self, entry: WatchEntry) -> dict[str, Any]:
        """Propose an entry of the watch list."""
        made = watchlist.draft_entry
        return self._acknowledge(self._propose_entry(entry, "watchlist_proposed", made))

    def notice(self, proposed: Notice) -> dict[str, Any]:
        """Put a counterpart's word onto the list."""
        found = self._propose_entry(proposed, "watchlist_noticed", watchlist.draft_notice)
        about = {"is_notice": True, "channel": watchlist.NOTICE_CHANNEL}
        return self._acknowledge(found) | about | {"expiry": found.body["content"]["expiry"]}

    def _propose_entry(self, entry: Any, kind: str, made: Callable[..., Draft]) -> StoredRecord:
        source = entry.source_post or self._caller.post
        if source is not None:
            check_post(self._service.network, self._caller, source)
        entry = entry.model_copy(update={"source_post": source})
        entry_id = watchlist.new_entry_id()
        asked = claim(kind, entry, post=source or "", name=f"watch:{entry_id}", key=self._key)
        entry = fill_agency(self._caller, entry)
        return self._once(
            asked,
            lambda connection: made(
                entry, entry_id, by=self._caller.person, now=self._now(connection)
            ),
        )

    def approve(self, matter: Matter, subject: str, approval: Approval) -> dict[str, Any]:
        """Agree to what waits about one thing."""

        def draft(connection: Connection) -> Draft:
            now = read_approval_state(connection, matter, subject)
            self._reach(now.content.get("post"), matter)
            self._must_cover(matter, now)
            by, shadow = self._caller.person, approval.shadow
            made = dual_control.draft_approval(matter, now, by=by, shadow=shadow)
            self._must_second(matter, now)
            if matter == "profile" and now.leaving is None:
                profiles_profile.check_total_steps(
                    connection,
                    profiles_profile.to_profile(now),
                    names=self._service.plan.names,
                    as_of=self._now(connection),
                )
            return replace(made, body={**made.body, "note": approval.note})

        return self._step("approval", matter, subject, approval, draft=draft)

    def retire(self, matter: Matter, subject: str, wanted: Retirement) -> dict[str, Any]:
        """Propose that something leaves."""

        def draft(connection: Connection) -> Draft:
            now = read_approval_state(connection, matter, subject)
            self._reach(now.content.get("post"), matter)
            self._must_cover(matter, now)
            is_active = self._service.accounts.is_active
            is_lapsed = now.leaving is not None and not is_active(now.leaving.by)
            return dual_control.draft_retirement(
                matter, now, by=self._caller.person, why=wanted.reason, is_lapsed=is_lapsed
            )

        return self._step("retirement", matter, subject, wanted, draft=draft)

    def _step(
        self,
        what: str,
        matter: Matter,
        subject: str,
        record: Record,
        *,
        draft: Callable[[Connection], Draft],
    ) -> dict[str, Any]:
        with self._service.store.read() as connection:
            pending = read_approval_state(connection, matter, subject).pending
        about = f"{matter}:{subject}"
        name = f"{about}:{what}:{pending}:{self._caller.person}"
        kind, key = f"{matter}_{what}", self._key
        asked = claim(kind, record, post="", name=name, key=key, about=about)
        return self._acknowledge(self._once(asked, draft))

    def attach(self, code: str, *, days: int) -> dict[str, Any]:
        """Run a backtest of a proposed profile and attach it in place of the last one."""
        name = f"profile:{code}:backtest:{secrets.token_hex(8)}"
        asked = claim(f"{code}_backtested", Period(days=days), post="", name=name, key=self._key)
        found = self._backtest(code, asked, days)
        return self._acknowledge(found) | {"backtest": found.body["figures"]}

    def _first_backtest(self, code: str) -> Any:
        """Return the figures made when a profile was proposed; None where they cannot be made."""
        name, period = f"profile:{code}:first-backtest", Period()
        asked = claim("profile_backtested", period, post="", name=name)
        try:
            return self._backtest(code, asked, period.days).body["figures"]
        except (BusyError, NotEnoughDataError):
            return None

    def _backtest(self, code: str, asked: IdempotencyClaim, days: int) -> StoredRecord:
        """Return the backtest that was recorded for a claim, or run and record it."""
        if (known := self._service.recording.before(asked)) is not None:
            return known
        with self._service.store.read() as connection:
            found = profiles_profile.to_profile(read_approval_state(connection, "profile", code))
        self._reach(found.proposed.post)
        figures = self._service.backtests.run(found.proposed.trial, days=days)
        by, state = self._caller.person, found.standing.state
        draft = dual_control.draft_backtest("profile", code, by=by, state=state, figures=figures)
        return self._once(asked, lambda _: draft)

    def try_out(self, asked: BacktestAsked) -> dict[str, Any]:
        """Run a backtest of which nothing is recorded."""
        program(asked.expression, features=self._service.plan.names)
        if asked.post is not None:
            check_post(self._service.network, self._caller, asked.post)
        trial = BacktestSubject(asked.expression, asked.channel, asked.percentage, asked.post)
        return self._service.backtests.run(trial, days=asked.days)

    def _reach(self, post: str | None, matter: Matter = "profile") -> None:
        """Refuse a post out of reach; who is bound to one may not steer the others."""
        if post is not None:
            check_post(self._service.network, self._caller, post)
        elif self._caller.post is not None and matter == "profile":
            raise NotAllowedError("this key is for one post: name it in the profile")

    def _must_second(self, matter: Matter, now: ApprovalState) -> None:
        """Refuse to complete what was begun by a removed person, or by a key without an owner."""
        about, accounts, second = MATTERS[matter], self._service.accounts, self._caller.person
        is_notice = now.leaving is None and now.is_notice  # a counterpart's own key
        first = now.author if now.leaving is None else now.leaving.by
        accounts.must_second(about, first=first, second=second, by_anyone=is_notice)
        accounts.must_be_two(about, first=now.author, second=second)

    def _must_cover(self, matter: Matter, now: ApprovalState) -> None:
        """Refuse an entry of another agency, and one that selects nothing: not found if hidden."""
        agency = now.content.get("agency")
        is_entry = matter != "watchlist" or watchlist.is_selecting(now.content)
        if not is_entry or not self._caller.sees(MATTERS[matter], agency):
            raise NotFoundError(matter, now.subject)
        if not self._caller.covers(agency):
            raise NotAllowedError(OTHER_AGENCY, "agency")

    def _now(self, connection: Connection) -> int:
        return self._service.journal.now(connection)

    def _once(self, asked: IdempotencyClaim, draft: Callable[[Connection], Draft]) -> StoredRecord:
        def draft_with_claim(connection: Connection) -> Draft:
            made = draft(connection)
            return replace(made, post=asked.post, body={"claim": asked.as_dict(), **made.body})

        return self._service.recording.once(asked, draft_with_claim)

    def _acknowledge(self, found: StoredRecord) -> dict[str, Any]:
        return self._service.answers.acknowledge_step(found)


async def writer_of(caller: TheCaller, service: TheService, key: IdempotencyKey) -> ProposalWriter:
    """Return what takes the caller's steps, once for each of their idempotency keys."""
    return ProposalWriter(service, caller, key)


TheWriter = Annotated[ProposalWriter, Depends(writer_of)]
