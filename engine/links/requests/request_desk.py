"""Requests and steps of this side, each sent with the person who took it.

A step counts by what this side knows when it is taken (:mod:`engine.links.requests.transitions`).
It is recorded once for each claim, in one transaction with what follows from it here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from engine.domain.records import Record
from engine.domain.time_units import DAY, micros
from engine.errors import ErasedError, RecordError
from engine.journal.batch_worker import StoredRecord, read_record
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, find_answer, find_holders
from engine.journal.power_records import read_record as read_proven_record
from engine.links.envelope import HandlingCode
from engine.links.exchange import LinkExchange
from engine.links.messages import FILE, Answer, Attention, CaseOffer, OutcomeReport, Withdraw
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.requests.facts import HeldRequest, find_request
from engine.links.requests.notices import draft_notice_end, draft_request_notice
from engine.links.requests.transitions import RequestStep, check_step
from engine.links.state import Link, find_link

LONGEST_DAYS = 30
"""A request is over then: its notice on the other side's watch list could not last longer."""
_KINDS = {Answer: "answer", OutcomeReport: "outcome", Withdraw: "withdraw"}
_STEPS: dict[str, RequestStep] = {"accepted": "accept", "declined": "decline", "returned": "return"}
StepMessage = Answer | OutcomeReport | Withdraw


@dataclass(frozen=True, slots=True)
class RequestSender:
    """Who sends, and the names that make a repeated request the same one."""

    by: str = ""
    """Empty where the service reports by itself."""
    claim: IdempotencyClaim | None = None
    handling: tuple[HandlingCode, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class RequestDesk:
    """Requests of one installation, and its answers to those of others."""

    exchange: LinkExchange

    def open(
        self, link: str, message: Attention | CaseOffer, sender: RequestSender
    ) -> StoredRecord:
        """Send a request over a link of this name.

        Raises ``NotFoundError`` for an unknown link, ``ConflictError`` where it is not in force,
        ``RecordError`` where the deadlines or the agreement do not let it travel.
        """

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            check_deadlines(message, now=now)
            found = find_link(self.exchange.read_links(connection), link)
            kind = "attention" if isinstance(message, Attention) else "case"
            if isinstance(message, CaseOffer) and message.files:
                _check_files(found)
            return self._draft(connection, now, found, kind=kind, message=message, sender=sender)

        return self._record(sender.claim, find)

    def take_step(self, name: str, message: StepMessage, sender: RequestSender) -> StoredRecord:
        """Send a step of a request: an answer, a report or a withdrawal.

        Raises ``NotFoundError`` for an unknown request, ``ConflictError`` where the step does not
        count or the link is not in force, ``RecordError`` where the agreement keeps it here.
        """

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            held = find_request(connection, name)
            return self.draft_step(connection, now, held, message=message, sender=sender)

        return self._record(sender.claim, find)

    def draft_step(
        self,
        connection: Connection,
        now: int,
        held: HeldRequest,
        *,
        message: StepMessage,
        sender: RequestSender,
    ) -> list[Draft]:
        """Return the records of a step; the caller holds the writer's lock."""
        step = _to_step(message)
        check_step(held.request, held.facts, side=held.side, step=step, at=now)
        link = find_link(self.exchange.read_links(connection), held.link)
        kind = _KINDS[type(message)]
        drafts = self._draft(connection, now, link, kind=kind, message=message, sender=sender)
        if held.request.kind == "attention" and not held.is_ours:
            drafts += _draft_effects(connection, now, link, held=held, step=step, by=sender.by)
        return drafts

    def _draft(
        self,
        connection: Connection,
        now: int,
        link: Link,
        *,
        kind: str,
        message: Record,
        sender: RequestSender,
    ) -> list[Draft]:
        out = OutgoingMessage(kind, message, sender.handling, by=sender.by, claim=sender.claim)
        return draft_messages(connection, now, link, keys=self.exchange.keys, messages=[out])

    def _record(
        self,
        claim: IdempotencyClaim | None,
        find: Callable[[Connection, int], Sequence[Draft]],
    ) -> StoredRecord:
        known: list[int] = []

        def find_once(connection: Connection, now: int) -> Sequence[Draft]:
            if claim is not None:
                seq = find_answer(claim, find_holders(connection, claim.names))
                if seq is not None:
                    known.append(seq)
                    return []
            return find(connection, now)

        entries = self.exchange.journal.append_found(find_once)
        seq = known[0] if known else entries[0].seq
        with self.exchange.store.read() as connection:
            return read_record(connection, self.exchange.journal, seq)


def _check_files(link: Link) -> None:
    """Refuse files that the agreement does not let travel: they would be left out unsaid."""
    rule = link.agreement.rule("case", link.us)
    is_agreed = rule is not None and "files.digest" in rule.fields
    if not is_agreed or link.agreement.rule(FILE, link.us) is None:
        why = "the agreement does not let files travel"
        raise RecordError("case", "files", "kind_not_agreed", why)


def check_deadlines(message: Attention | CaseOffer, *, now: int) -> None:
    """Refuse deadlines that lie behind, in the wrong order or too far ahead."""
    kind = "attention" if isinstance(message, Attention) else "case"
    answer_by = micros(message.answer_by)
    until = micros(message.until) if isinstance(message, Attention) else answer_by
    if answer_by <= now:
        raise RecordError(kind, "answer_by", "deadline", "must lie ahead")
    if until < answer_by:
        raise RecordError(kind, "until", "deadline", "must not lie before answer_by")
    if until > now + LONGEST_DAYS * DAY:
        at = "until" if isinstance(message, Attention) else "answer_by"
        raise RecordError(kind, at, "deadline", f"at most {LONGEST_DAYS} days ahead")


def _to_step(message: StepMessage) -> RequestStep:
    if isinstance(message, Answer):
        return _STEPS[message.answer]
    return "report" if isinstance(message, OutcomeReport) else "withdraw"


def _draft_effects(
    connection: Connection, now: int, link: Link, *, held: HeldRequest, step: RequestStep, by: str
) -> list[Draft[Any]]:
    """Return what a step of the side that is asked changes on its watch list."""
    if step != "accept":
        return draft_notice_end(connection, held.opened.name, by=by, why=step)
    record = read_proven_record(connection, held.opened.seq)
    if record is None or record.body is None:
        raise ErasedError("request", held.opened.name)
    attention = Attention.model_validate(record.body["body"], strict=False)
    return [draft_request_notice(link, attention, by=by, now=now)]
