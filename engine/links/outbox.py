"""Envelopes that leave: sealed, numbered and recorded in one transaction, sent until receipted.

An envelope is sealed once and its bytes are kept in its record, so that whatever is sent again is
the same. An envelope that waits too long is refused by its receiver as expired, and so settled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from engine.domain.field_types import HandlingCode
from engine.domain.records import Record
from engine.domain.time_units import HOUR
from engine.errors import ConflictError, ErasedError
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.journal import JournalReader
from engine.journal.power_records import find_last_sequence, read_record
from engine.links.agreement import select_fields
from engine.links.area import (
    LINK_RECEIPTED,
    LINK_RESUMPTION_APPROVED,
    LINK_SENT,
    LINK_STOPPED,
    LinkReceiptedBody,
    LinkSentBody,
    LinkStoppedBody,
    LinkSubjectBody,
)
from engine.links.envelope import (
    MOST_REPLACED,
    Envelope,
    EnvelopeHead,
    LinkReceipt,
    Position,
    read_envelope,
    read_form,
    seal_envelope,
)
from engine.links.identity import LinkKeys
from engine.links.ledger import (
    EnvelopeRow,
    list_sent_since,
    list_waiting,
    read_envelope_row,
    read_position,
    read_receipted_part,
)
from engine.links.messages import KIND_OF
from engine.links.parcel import Parcel, ReceiptedMark
from engine.links.state import AlarmRule, Link

MOST_AT_ONCE = 200
"""Envelopes of one parcel."""
LARGEST_PARCEL = 6 * 1024 * 1024
"""Bytes of the envelopes of one parcel; a single larger one goes alone."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message before the agreement's fields are selected and it is sealed."""

    message: Record
    handling: tuple[HandlingCode, ...] = ()
    about: LinkSubjectBody | None = None
    """Where a record of this house made it due; it stays here."""
    by: str = ""
    """Who sends it; empty where the service does by itself."""
    claim: IdempotencyClaim | None = None

    @property
    def kind(self) -> str:
        """Kind of the message."""
        return KIND_OF[type(self.message)]


def draft_messages(
    connection: Connection,
    now: int,
    link: Link,
    *,
    keys: LinkKeys,
    messages: Iterable[OutgoingMessage],
) -> list[Draft]:
    """Return the records of the next envelopes; the caller holds the writer's lock.

    Raises ``ConflictError`` where the link is not in force, ``RecordError`` where the agreement
    does not let a message travel.
    """
    phase = link.phase(now)
    if phase != "in_force":
        raise ConflictError("link", link.agreement.name, f"it is {phase.replace('_', ' ')}")
    last = read_position(connection, link.name, "sent")
    drafts = []
    for one in messages:
        body = select_fields(link.agreement, sender=link.us, message=one.message)
        head = _next_head(link, last, now=now, kind=one.kind, handling=one.handling)
        envelope = seal_envelope(head, body, keys=keys, receiver=link.them.identity)
        last = Position(head.number, envelope.digest)
        marks = {"about": one.about, "by": one.by, "claim": one.claim and one.claim.as_dict()}
        drafts.append(_draft_sent(link, envelope, body, marks=marks))
    return drafts


def _next_head(
    link: Link, last: Position, *, now: int, kind: str, handling: tuple[HandlingCode, ...]
) -> EnvelopeHead:
    rule = link.agreement.rule(kind, link.us)
    hours = 0 if rule is None else rule.expires_hours  # a kind without a rule was refused before
    if link.agreement.kind == "post":  # what a post that was cut off recorded is never too old
        hours = 24 * 365 * 100
    return EnvelopeHead(
        link=link.name,
        sender=link.us.identity.fingerprint,
        receiver=link.them.identity.fingerprint,
        number=last.number + 1,
        previous=last.digest,
        sent_at=now,
        expires=min(now + hours * HOUR, link.agreement.expires_at),
        kind=kind,
        handling=handling,
    )


def _draft_sent(
    link: Link, envelope: Envelope, body: dict[str, Any], *, marks: Mapping[str, Any]
) -> Draft:
    sent: LinkSentBody = {
        "link": link.name,
        "number": envelope.number,
        "message": envelope.kind,
        "body": body,
        "envelope": envelope.raw.decode(),
        "digest": envelope.digest.hex(),
        "expires": envelope.expires,
    }
    kept: Any = {name: mark for name, mark in marks.items() if mark}
    sent |= kept
    return LINK_SENT.draft(link.name, sent)


def draft_renumbered(
    connection: Connection, now: int, link: Link, *, keys: LinkKeys, after: Position
) -> list[Draft]:
    """Return the envelopes that wait, sealed again after the last one that the other side has.

    The other side may have taken one of them already, and its receipt was lost: each names what it
    replaces, so that it is not taken twice.
    """
    rows = list_waiting(connection, link.name)
    bodies = JournalReader(connection).bodies([row.seq for row in rows])
    drafts, last = [], after
    for row in rows:
        stored = bodies[row.seq]
        before = read_envelope(stored["envelope"].encode())
        head = _next_head(link, last, now=now, kind=row.kind, handling=before.handling)
        replaced = *before.replaces, (before.number, before.digest.hex())
        head = replace(head, replaces=replaced[-MOST_REPLACED:])
        body = move_branch(row.kind, stored["body"])
        envelope = seal_envelope(head, body, keys=keys, receiver=link.them.identity)
        last = Position(head.number, envelope.digest)
        marks = {name: stored.get(name) for name in ("about", "by")}
        drafts.append(_draft_sent(link, envelope, body, marks=marks))
    return drafts


def move_branch(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message that is sealed again after this journal's disk was restored.

    Copied records count the branch of their journal: on the one before, the other side may hold
    others under their numbers, and would refuse them.
    """
    moved = dict(body)
    if kind == "record":
        moved["branch"] = moved.get("branch", 0) + 1
    return moved


def check_resendable(connection: Connection, link: Link, *, since: int) -> None:
    """Refuse to send envelopes again of which one was erased; raises ``ErasedError``.

    No later envelope could pass it: such a link can only be ended and agreed again.
    """
    rows = list_sent_since(connection, link.name, since)
    bodies = JournalReader(connection).bodies([row.seq for row in rows])
    if any(row.seq not in bodies for row in rows):
        raise ErasedError("envelope", link.agreement.name)


def read_waiting(connection: Connection, link: str) -> list[str]:
    """Return the bytes, as text, of the next envelopes without a receipt, in their order."""
    rows = list_waiting(connection, link, most=MOST_AT_ONCE)
    bodies = JournalReader(connection).bodies([row.seq for row in rows])
    found: list[str] = []
    size = 0
    for row in rows:
        envelope = bodies[row.seq]["envelope"]
        size += len(envelope)
        if found and size > LARGEST_PARCEL:
            break
        found.append(envelope)
    return found


def draft_settlement(connection: Connection, link: Link, stated: Parcel) -> list[Draft]:
    """Return the records of receipts that are new, then the alarm that a parcel raises.

    Receipts with a signature or a link that is not the other side's are passed over. A parcel that
    answers none of ours, and is older than the newest receipt, is out of date: that it names fewer
    envelopes raises nothing. Two receipts of one envelope that differ raise an alarm
    however late one of them comes: a receiver that took it twice lost its first record, and with it
    the journal that it had signed for. After a resumption, a late one may be what was known then.
    """
    part = read_receipted_part(connection, link.name)
    last = stated.last if _is_theirs(link, stated.last) else None
    held = [receipt for receipt in stated.receipts if _is_theirs(link, receipt)]
    drafts, foreign = _keep_receipts(connection, link, held, part.lost)
    if last is not None and _find_row(connection, link, last) is None:
        foreign = last
    if foreign is not None:
        return [*drafts, *_stop(link, "other_receipt", last or foreign)]
    known = part.number if stated.at > part.answered_at else 0
    echo = stated.echo
    is_answer = echo is not None and echo.resumed == read_mark(connection, link).resumed
    if echo is not None and is_answer:
        known = max(known, min(echo.number, part.number))
    if (0 if last is None else last.number) < known:
        return [*drafts, *_stop(link, "receiver_behind", last)]
    if is_answer or not link.doubted or stated.at > part.answered_at:
        other = _find_other(connection, link, held if last is None else [*held, last])
        if other is not None:
            return [*drafts, *_stop(link, "receiver_behind", other)]
    return drafts


def _find_other(
    connection: Connection, link: Link, receipts: Sequence[LinkReceipt]
) -> LinkReceipt | None:
    """Return the last receipt that says something else than the one that is held of its envelope.

    A receiver signs the same receipt again for as long as it has the record. Receipts that are held
    from before the link was resumed after such an alarm do not count.
    """
    for receipt in sorted(receipts, key=lambda one: one.number, reverse=True):
        row = _find_row(connection, link, receipt)
        if row is None or row.receipt_seq <= link.doubted:
            continue
        record = read_record(connection, row.receipt_seq)
        if record is None or record.kind != LINK_RECEIPTED or record.body is None:
            continue
        held = read_form(LinkReceipt, record.body["receipt"])
        if replace(held, signature=receipt.signature) != receipt:
            return receipt
    return None


def read_mark(connection: Connection, link: Link) -> ReceiptedMark:
    """Return how far receipts of the other side are held now."""
    resumed = find_last_sequence(connection, LINK_RESUMPTION_APPROVED) or 0
    return ReceiptedMark(read_receipted_part(connection, link.name).number, resumed)


def _keep_receipts(
    connection: Connection, link: Link, receipts: Sequence[LinkReceipt], lost: int
) -> tuple[list[Draft], LinkReceipt | None]:
    """Return the records of new receipts, and a receipt of what was never sent from here."""
    drafts: list[Draft] = []
    for receipt in sorted(receipts, key=lambda one: one.number):
        row = _find_row(connection, link, receipt)
        if row is None and receipt.number > lost:
            return drafts, receipt
        if row is not None and row.status == "waiting":
            body: LinkReceiptedBody = {"link": link.name, "receipt": receipt.to_json()}
            drafts.append(LINK_RECEIPTED.draft(link.name, body))
    return drafts, None


def _find_row(connection: Connection, link: Link, receipt: LinkReceipt) -> EnvelopeRow | None:
    """Return the envelope that a receipt is about, None where it was not sent from here."""
    row = read_envelope_row(connection, link.name, "sent", receipt.number)
    return row if row is not None and row.digest == receipt.envelope else None


def _is_theirs(link: Link, receipt: LinkReceipt | None) -> bool:
    if receipt is None or (receipt.link, receipt.sender) != (
        link.name,
        link.us.identity.fingerprint,
    ):
        return False
    return receipt.is_signed_by(link.them.identity)


def _stop(link: Link, rule: AlarmRule, receipt: LinkReceipt | None) -> list[Draft]:
    return [draft_alarm(link, rule, receipt=receipt)] if link.alarm is None else []


def draft_alarm(
    link: Link,
    rule: AlarmRule,
    *,
    receipt: LinkReceipt | None = None,
    number: int = 0,
    digest: str = "",
) -> Draft:
    """Return the record that stops a link."""
    body: LinkStoppedBody = {"link": link.name, "rule": rule, "number": number, "digest": digest}
    if receipt is not None:
        body["number"], body["digest"] = receipt.number, receipt.envelope
        body["receipt"] = receipt.to_json()
    return LINK_STOPPED.draft(link.name, body)
