"""Decisions read back, each as its reader may see it.

A caller bound to a post learns nothing of another post's decisions, not even that they exist. A
checkpoint sees its own blind; once it has filed what the channel asks for
(:mod:`engine.queue.referrals`) it reads what the reasons are about, in words. It never reads
features, explanations or the past.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection

from api.areas import list_parts
from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.decisions.reason_subjects import subjects
from api.decisions.vehicle_history import past
from api.http.agency_rows import visible_reasons
from api.http.dependencies import TheCaller, TheService
from api.service.runtime import Runtime
from engine.declarations.lodgings import alerts_of as declaration_alerts
from engine.domain.records import Inspection
from engine.domain.rights import Matter, Role
from engine.domain.time_units import rfc3339
from engine.errors import (
    ErasedError,
    LapsedProposalError,
    NotAllowedError,
    NotFoundError,
    SecondPersonError,
)
from engine.journal.batch_worker import read_record
from engine.journal.kinds import DECISION, INSPECTION
from engine.journal.power_records import read_proven
from engine.queue.mirror_alerts import alerts_of
from engine.queue.queue import QueuedDecision, list_waiting, read_decision, waits
from engine.queue.queue import list_decisions as select_decisions
from engine.queue.referrals import opens
from engine.queue.reviews import NEEDS_SECOND, order_of_review, read_channel, read_reviews
from engine.queue.takings import VehicleHolder, read_holder, read_holders

UNREAD = {"plate": None, "plate_country": None}
"""Fields that a crossing may lack and that every page shows."""


class DecisionReader:
    """Reads decisions for one caller, each call in one snapshot."""

    def __init__(self, service: Runtime, caller: Caller) -> None:
        self._service = service
        self._caller = caller

    def locate(self, decision_id: str) -> QueuedDecision:
        """Return where a decision stands; raises ``NotFoundError``."""
        with self._service.store.read() as connection:
            return self._reachable(connection, decision_id)

    def decision(self, decision_id: str) -> dict[str, Any]:
        """Return one decision; raises ``NotFoundError``."""
        with self._service.store.read() as connection:
            known = self._reachable(connection, decision_id)
            taken = _view_holder(self._read_holder(connection, known))
            if is_blind(self._caller):
                seen = self._view(connection, known, is_blind=True) | taken
                return seen | self._read_opened_reasons(connection, known)
            seen = self._view(connection, known, is_blind=False)
            seen |= {"reviews": self._reviews(connection, known)} | taken
            body = self._service.journal.body(connection, known.seq, of=DECISION)
            for read_notes in list_parts("decision_notes"):
                network, known_at = self._service.network, known.known_at
                seen = seen | read_notes(connection, network, body, known_at=known_at)
            return seen

    def list_decisions(
        self,
        post: str | None,
        *,
        channel: int | None,
        since: int,
        before: int | None,
        most: int,
    ) -> dict[str, Any]:
        """Return decisions, the newest first, and where to read on."""
        which: dict[str, Any] = {"post": post, "channel": channel, "since": since, "before": before}
        which["hidden"] = self._caller.hidden_posts
        with self._service.store.read() as connection:
            known = select_decisions(connection, most=most + 1, **which)
            views = list(self._views(connection, known[:most]))
        read_on = known[most - 1].seq if len(known) > most else None
        return {"decisions": views, "next_before": read_on}

    def queue(self, post: str) -> dict[str, Any]:
        """Return what waits at a post, ranked as of now, in the channel where it waits now."""
        with self._service.store.read() as connection:
            as_of = self._service.journal.head(connection).as_of
            known = list_waiting(connection, post, as_of=as_of)
            holders = read_holders(connection, post, as_of=as_of)
            views = [
                self._view(connection, one, is_blind=is_blind(self._caller))
                | {"channel": one.channel.code}
                | {"rank": {"position": position, "of": len(known)}}
                | _view_holder(holders.get(one.crossing_id))
                for position, one in enumerate(known, 1)
            ]
        return {"post": post, "as_of": rfc3339(as_of), "waiting": views}

    def features(self, decision_id: str) -> dict[str, Any]:
        """Return the features of a decision by name."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            as_of, found = self._service.recompute.features(connection, known.seq)
        values = {name: None if math.isnan(value) else value for name, value in found.items()}
        return {"decision_id": decision_id, "as_of": rfc3339(as_of), "features": values}

    def explanation(self, decision_id: str) -> dict[str, Any]:
        """Return the reasons for and against a decision."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            reasons = self._service.recompute.reasons(connection, known.seq)
        return {
            "decision_id": decision_id,
            "reasons": [asdict(reason) for reason in reasons],
        }

    def past(self, decision_id: str) -> dict[str, Any]:
        """Return what was known of a decision's vehicle and parties when it was made."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            return past(self._service, connection, known, self._caller)

    def _read_holder(self, connection: Connection, known: QueuedDecision) -> VehicleHolder | None:
        """Return who has taken a vehicle that waits."""
        if not waits(connection, known.decision_id):
            return None
        as_of = self._service.journal.now(connection)
        return read_holder(connection, known.crossing_id, as_of=as_of)

    def _reachable(self, connection: Connection, decision_id: str) -> QueuedDecision:
        known = read_decision(connection, decision_id)
        if not (self._caller.reaches(known.post) and self._caller.sees_post(known.post)):
            raise NotFoundError("decision", decision_id)
        return known

    def _open(self, connection: Connection, decision_id: str) -> QueuedDecision:
        known = self._reachable(connection, decision_id)
        if is_blind(self._caller):
            raise NotAllowedError("a checkpoint does not see this")
        return known

    def _read_opened_reasons(self, connection: Connection, known: QueuedDecision) -> dict[str, Any]:
        """Return what the act on a referred vehicle opens; nothing where it opens nothing."""
        if known.act_seq is None:
            return {}
        filed = read_proven(connection, known.act_seq, INSPECTION).body
        decided = self._service.journal.body(connection, known.seq, of=DECISION)
        channel = read_channel(read_reviews(connection, known), decided)
        act = Inspection.model_validate(filed["inspection"], strict=False)
        if filed["crossing_id"] != known.crossing_id or not opens(act, channel):
            return {}
        reasons = decided["decision"]["reasons"]
        return {"reasons": subjects(one["code"] for one in reasons)}

    def _reviews(self, connection: Connection, known: QueuedDecision) -> list[dict[str, Any]]:
        return [
            one.body["review"]
            | {"person": one.body["person"], "recorded_at": rfc3339(one.known_at)}
            | ({NEEDS_SECOND: True} if one.body.get(NEEDS_SECOND) else {})
            for one in read_reviews(connection, known)
            if self._caller.sees(Matter.REVIEWS, one.body.get("agency"))
        ]

    def _views(
        self, connection: Connection, known: Sequence[QueuedDecision]
    ) -> Iterator[dict[str, Any]]:
        """Yield decisions as listed, without those that are erased."""
        for one in known:
            with suppress(ErasedError):
                yield self._view(connection, one, is_blind=False)

    def _view(
        self, connection: Connection, known: QueuedDecision, *, is_blind: bool
    ) -> dict[str, Any]:
        found = read_record(connection, self._service.journal, known.seq)
        alerts = [
            one | {"known_at": rfc3339(one["known_at"])}
            for one in alerts_of(connection, known.decision_id)
        ]
        seen = self._service.answers.view_decision(found, is_blind=is_blind)
        if "reasons" in seen:
            seen["reasons"] = visible_reasons(self._caller, seen["reasons"])
        if not seen["search_order"]:
            order = order_of_review(connection, known)
            seen = seen | {"search_order": order}
        later = [
            one | {"known_at": rfc3339(one["known_at"])}
            for one in declaration_alerts(connection, known.decision_id)
        ]
        seen = seen | {"declaration_alerts": later} if later else seen
        return seen | {"alerts": alerts} if alerts else seen


def _view_holder(holder: VehicleHolder | None) -> dict[str, Any]:
    """Return who has taken a vehicle as JSON values; nothing where it is free."""
    if holder is None:
        return {}
    times = {"since": rfc3339(holder.taken_at), "until": rfc3339(holder.until)}
    by = {"by": holder.person, "team": holder.team, "sequence": holder.seq}
    return {"taken": by | times}


async def reader_of(caller: TheCaller, service: TheService) -> DecisionReader:
    """Return what reads decisions for the caller."""
    return DecisionReader(service, caller)


TheReading = Annotated[DecisionReader, Depends(reader_of)]


def is_blind(caller: Caller) -> bool:
    """Tell whether a caller sees where vehicles go, and never why."""
    return caller.role is Role.CHECKPOINT


def first_words(accounts: Accounts, caller: Caller) -> Callable[[str], bool]:
    """Return the test whether a caller may second a person's word."""

    def may_second(first: str) -> bool:
        try:
            accounts.must_second(Matter.REVIEWS, first=first, second=caller.person)
        except (LapsedProposalError, SecondPersonError):
            return False
        return True

    return may_second
