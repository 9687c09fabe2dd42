"""Envelopes that arrive: taken once, in order, or refused by name, in one transaction.

An envelope takes its place in the order when it is taken, and when it is refused for what it
says. It takes none where its signature, link or receiver is wrong, where an earlier one is missing
(it comes again), or while the link is stopped. A number that is taken with other content stops the
link: the sender's disk was restored, or its keys are in two places.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from engine.domain.records import Record
from engine.errors import ConflictError, EnvelopeRefusedError, RecordError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JOURNAL
from engine.journal.power_records import read_record
from engine.links.agreement import check_body
from engine.links.area import LINK_RECEIVED, LINK_REFUSED, LinkReceivedBody, LinkRefusedBody
from engine.links.envelope import (
    REPEATED,
    Envelope,
    LinkReceipt,
    Position,
    open_body,
    read_envelope,
)
from engine.links.identity import LinkKeys
from engine.links.ledger import EnvelopeRow, is_recorded, read_envelope_row, read_position
from engine.links.outbox import draft_alarm
from engine.links.state import AlarmRule, Link


@dataclass(frozen=True, slots=True)
class ArrivedMessage:
    """A message that the agreement lets travel, before anything follows from it."""

    link: Link
    now: int
    """UTC microseconds."""
    number: int
    """Of its envelope."""
    message: Record
    pending: Sequence[Draft[Any]] = ()
    """Records of the same parcel before it, which the store does not have yet."""
    content: Any = None
    """What a :class:`LongMessageHandler` unpacked."""


MessageHandler = Callable[[Connection, ArrivedMessage], Sequence[Draft[Any]]]
"""Returns the records that follow from a message; raises ``RecordError`` to refuse the message. The
records get the origin of the message, with the place of each in it, where they have none."""


LONGEST_MESSAGE = 10 * 1024 * 1024
"""Bytes that are unpacked of one message at most."""


class UnpackedMessage(NamedTuple):
    """What a message holds, as its handler reads it."""

    content: Any
    size: int
    """Bytes."""


class LongMessageHandler(ABC):
    """A :data:`MessageHandler` of messages that are packed, and can be long."""

    @abstractmethod
    def __call__(self, connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
        """Return the records that follow from what was unpacked; raises ``RecordError``."""

    @abstractmethod
    def unpack(
        self, connection: Connection, link: Link, message: Record, *, most: int
    ) -> UnpackedMessage | None:
        """Unpack a message before the writer's lock, None where it is longer than ``most`` bytes.

        Raises ``RecordError``.
        """


ENVELOPE_KINDS = frozenset({LINK_RECEIVED, LINK_REFUSED})
_LIVE = ("in_force", "stopped")
"""Phases in which a misdirected envelope is recorded: one whose link is over fills no journal."""


def name_origin(link: Link) -> str:
    """Return the origin of what the other side of a link sends."""
    return f"{link.name}:{link.them.identity.fingerprint}"


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """A genuine envelope of the other side, opened as far as it can be."""

    envelope: Envelope
    body: dict[str, Any]
    message: Record | None = None
    """None where it is refused for what it says."""
    field: str = ""
    rule: str = ""
    is_misdirected: bool = False
    """Signed by the other side for another receiver: it takes no place in the order."""
    content: Any = None
    """What its handler unpacked, of so many bytes (``size``)."""
    size: int = 0
    is_packed: bool = False
    """It was not unpacked, for want of room or of its turn: it waits, as after a gap."""


@dataclass(frozen=True, slots=True)
class EnvelopeAnswer:
    """What became of one envelope: a receipt, or the rule that kept it from a place in the order.

    ``entry`` is the place of its record among those that were appended, where it is a new one.
    """

    number: int
    digest: str
    rule: str = ""
    receipt: LinkReceipt | None = None
    entry: int | None = None


def open_envelope(raw: bytes, link: Link, keys: LinkKeys) -> OpenedEnvelope:
    """Return an envelope that the other side of a link signed for this installation.

    Raises ``EnvelopeRefusedError`` for any other; one for another receiver is marked as such. Needs
    no store.
    """
    envelope = read_envelope(raw)
    if envelope.link != link.name:
        raise EnvelopeRefusedError("link", "other_link", "is of another link")
    if not envelope.is_signed_by(link.them.identity):
        why = "is not that of the other party of this link"
        raise EnvelopeRefusedError("signature", "not_signed", why)
    if envelope.receiver != link.us.identity.fingerprint:
        return OpenedEnvelope(envelope, {}, None, "to", "wrong_receiver", is_misdirected=True)
    try:
        body = open_body(envelope, keys)
        message = check_body(link.agreement, kind=envelope.kind, sender=link.them, body=body)
    except (EnvelopeRefusedError, RecordError) as error:
        return OpenedEnvelope(envelope, {}, None, error.field, error.rule)
    return OpenedEnvelope(envelope, body, message)


@dataclass(slots=True)
class EnvelopeReceiver:
    """Receives the envelopes of one link, in one transaction under the writer's lock."""

    connection: Connection
    now: int
    """UTC microseconds."""
    link: Link
    handlers: Mapping[str, MessageHandler]
    drafts: list[Draft] = field(default_factory=list)
    is_stopped: bool = False
    _last: Position = field(init=False)

    def __post_init__(self) -> None:
        self._last = read_position(self.connection, self.link.name, "received")
        self.is_stopped = self.link.phase(self.now) != "in_force"

    def receive(self, opened: OpenedEnvelope) -> EnvelopeAnswer:
        """Return what becomes of an envelope, and add its records to ``drafts``."""
        number, digest = opened.envelope.number, opened.envelope.digest.hex()
        phase = self.link.phase(self.now)
        if opened.is_misdirected and phase in _LIVE:
            return self._record_misdirected(opened)
        if number <= self._last.number and not opened.is_misdirected:
            return self._answer_again(opened)
        if self.is_stopped:
            return EnvelopeAnswer(number, digest, "stopped" if phase == "in_force" else phase)
        if number > self._last.number + 1:
            return EnvelopeAnswer(number, digest, "gap")
        if opened.envelope.previous != self._last.digest:
            return self._stop(opened, "other_history")
        if opened.is_packed:
            return EnvelopeAnswer(number, digest, "gap")
        self._last = Position(number, opened.envelope.digest)
        return self._append(opened)

    def _record_misdirected(self, opened: OpenedEnvelope) -> EnvelopeAnswer:
        body = _build_refusal(opened, opened.field, opened.rule)
        del body["number"]
        digest = body["digest"]
        known = any(draft.body.get("digest") == digest for draft in self.drafts)
        if not known and not is_recorded(self.connection, self.link.name, digest):
            self.drafts.append(LINK_REFUSED.draft(self.link.name, body))
        return EnvelopeAnswer(opened.envelope.number, digest, opened.rule)

    def _answer_again(self, opened: OpenedEnvelope) -> EnvelopeAnswer:
        number, digest = opened.envelope.number, opened.envelope.digest.hex()
        for at, draft in enumerate(self.drafts):  # twice in one parcel
            is_envelope = draft.kind in ENVELOPE_KINDS and draft.origin_seq == number
            if is_envelope and draft.body["digest"] == digest:
                return EnvelopeAnswer(number, digest, draft.body.get("rule", ""), entry=at)
        row = read_envelope_row(self.connection, self.link.name, "received", number)
        if row is None or row.digest != digest:
            return self._stop(opened, "other_content")
        receipt = read_receipt(self.connection, row, self.link)
        return EnvelopeAnswer(number, digest, row.rule, receipt)

    def _stop(self, opened: OpenedEnvelope, rule: AlarmRule) -> EnvelopeAnswer:
        number, digest = opened.envelope.number, opened.envelope.digest.hex()
        if not self.is_stopped and self.link.alarm is None:
            self.drafts.append(draft_alarm(self.link, rule, number=number, digest=digest))
        self.is_stopped = True
        return EnvelopeAnswer(number, digest, rule)

    def _append(self, opened: OpenedEnvelope) -> EnvelopeAnswer:
        head, digest = opened.envelope, opened.envelope.digest.hex()
        field_name, rule = opened.field, opened.rule
        following: Sequence[Draft[Any]] = ()
        if any(self._is_taken(*one) for one in head.replaces):
            field_name, rule = "replaces", REPEATED
        elif head.expires <= self.now:
            field_name, rule = "expires", "expired"
        elif opened.message is not None and (handler := self.handlers.get(head.kind)):
            try:
                about = self.link, self.now, head.number, opened.message
                arrived = ArrivedMessage(*about, self.drafts, opened.content)
                following = handler(self.connection, arrived)
            except RecordError as error:
                field_name, rule = error.field, error.rule
        answer = EnvelopeAnswer(head.number, digest, rule, entry=len(self.drafts))
        if rule:
            draft: Draft[Any] = LINK_REFUSED.draft(
                self.link.name, _build_refusal(opened, field_name, rule)
            )
        else:
            draft = LINK_RECEIVED.draft(self.link.name, _build_received(opened))
        origin = name_origin(self.link)
        self.drafts.append(replace(draft, origin=origin, origin_seq=head.number))
        self.drafts += [
            one  # a copy of a record has the origin of that record
            if one.origin_seq is not None
            else replace(one, origin=f"{origin}:{place}", origin_seq=head.number)
            for place, one in enumerate(following, 1)
        ]
        return answer

    def _is_taken(self, number: int, digest: str) -> bool:
        """Tell whether an envelope was taken before; by the journal, which loses no rows."""
        columns = JOURNAL.c
        query = select(columns.seq).where(
            columns.origin == name_origin(self.link), columns.origin_seq == number
        )
        seq = self.connection.scalar(query)
        record = None if seq is None else read_record(self.connection, seq)
        if record is None or record.kind != LINK_RECEIVED:
            return False
        if record.body is not None:
            return bool(record.body["digest"] == digest)
        row = read_envelope_row(self.connection, self.link.name, "received", number)
        return row is not None and row.digest == digest  # its body was erased


def _build_received(opened: OpenedEnvelope) -> LinkReceivedBody:
    head = opened.envelope
    return {
        "link": head.link,
        "number": head.number,
        "message": head.kind,
        "handling": list(head.handling),
        "sent_at": head.sent_at,
        "body": opened.body,
        "envelope": opened.envelope.raw.decode(),
        "digest": opened.envelope.digest.hex(),
    }


def _build_refusal(opened: OpenedEnvelope, field_name: str, rule: str) -> LinkRefusedBody:
    """Return the record of a refusal; what the envelope says was not agreed, and is not kept."""
    head = opened.envelope
    return {
        "link": head.link,
        "number": head.number,
        "message": head.kind,
        "sent_at": head.sent_at,
        "digest": opened.envelope.digest.hex(),
        "field": field_name,
        "rule": rule,
    }


def read_receipt(connection: Connection, row: EnvelopeRow, link: Link) -> LinkReceipt:
    """Return the receipt, unsigned, of an envelope that was received: always the same.

    What is signed is what the record says, whatever the row does; of an erased one the row is all
    there is. Raises ``ConflictError`` for a row that is of another record.
    """
    record = read_record(connection, row.seq)
    if record is None or record.kind not in (LINK_RECEIVED, LINK_REFUSED):
        why = "the journal has no such envelope: darvoza rebuild"
        raise ConflictError("link", link.agreement.name, why)
    body = record.body or {"number": row.number, "digest": row.digest, "rule": row.rule}
    about = body["number"], body["digest"], body.get("rule", "")
    columns = JOURNAL.c
    query = select(columns.seq, columns.known_at, columns.chain).where(columns.seq == row.seq)
    seq, known_at, chain = connection.execute(query).one()
    return _receipt(link, *about, (seq, known_at, bytes(chain)))


def receipt_of(link: Link, answer: EnvelopeAnswer, entry: Entry) -> LinkReceipt:
    """Return the receipt, unsigned, of an envelope whose record was just appended."""
    place = entry.seq, entry.known_at, entry.chain
    return _receipt(link, answer.number, answer.digest, answer.rule, place)


def _receipt(
    link: Link, number: int, digest: str, rule: str, place: tuple[int, int, bytes]
) -> LinkReceipt:
    """Return a receipt without its journal, which the one who signs it fills in."""
    seq, known_at, chain = place
    return LinkReceipt(
        link=link.name,
        sender=link.them.identity.fingerprint,
        receiver=link.us.identity.fingerprint,
        number=number,
        envelope=digest,
        status="refused" if rule else "taken",
        rule=rule,
        journal_id="",
        sequence=seq,
        known_at=known_at,
        chain=chain.hex(),
    )
