"""One direction of a link: messages through agreement, envelope and checks.

Nothing but the bytes of envelopes passes from one side to the other, so what comes out is what
would have travelled: fields that the agreement does not name are gone.
"""

from dataclasses import dataclass, field

from engine.domain.records import Record
from engine.domain.time_units import HOUR
from engine.errors import EnvelopeRefusedError
from engine.links.agreement import Agreement, Party
from engine.links.disclosure import check_body, select_fields
from engine.links.envelope import (
    Envelope,
    EnvelopeHead,
    Position,
    is_signed_by,
    open_body,
    read_envelope,
    seal_envelope,
)
from engine.links.identity import LinkKeys


@dataclass(slots=True)
class MessageSender:
    """The side that writes envelopes, with its keys."""

    agreement: Agreement
    party: Party
    keys: LinkKeys
    last: Position = field(default_factory=Position)
    _link: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the link's name once."""
        self._link = self.agreement.link

    def may_send(self, kind: str) -> bool:
        """Tell whether the agreement lets this side send a kind of message."""
        return self.agreement.rule(kind, self.party) is not None

    def write(self, kind: str, message: Record, *, at: int) -> bytes:
        """Return the envelope of a message, sent at UTC microseconds; raises ``RecordError``."""
        body = select_fields(self.agreement, kind=kind, sender=self.party, message=message)
        rule = self.agreement.rule(kind, self.party)
        hours = 0 if rule is None else rule.expires_hours  # select_fields refuses None
        receiver = self.agreement.other(self.party).identity
        head = EnvelopeHead(
            link=self._link,
            sender=self.party.identity.fingerprint,
            receiver=receiver.fingerprint,
            number=self.last.number + 1,
            previous=self.last.digest,
            sent_at=at,
            expires=at + hours * HOUR,
            kind=kind,
        )
        envelope = seal_envelope(head, body, keys=self.keys, receiver=receiver)
        self.last = Position(head.number, envelope.digest)
        return envelope.raw


@dataclass(slots=True)
class MessageReceiver:
    """The side that reads the other's envelopes, with its own keys."""

    agreement: Agreement
    party: Party
    keys: LinkKeys
    last: Position = field(default_factory=Position)
    _address: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Compute what every envelope must name once."""
        self._address = self.agreement.link, self.party.identity.fingerprint

    def read(self, raw: bytes, *, at: int) -> Record:
        """Return the message of an envelope that arrived at UTC microseconds.

        Raises ``EnvelopeRefusedError`` and ``RecordError`` naming the broken rule.
        """
        envelope = read_envelope(raw)
        self._check(envelope, at)
        body = open_body(envelope, self.keys)
        sender = self.agreement.other(self.party)
        message = check_body(self.agreement, kind=envelope.head.kind, sender=sender, body=body)
        self.last = Position(envelope.head.number, envelope.digest)
        return message

    def _check(self, envelope: Envelope, at: int) -> None:
        head, sender = envelope.head, self.agreement.other(self.party).identity
        if not is_signed_by(envelope, sender):
            raise EnvelopeRefusedError("signature", "signature", "is not the partner's")
        if (head.link, head.receiver) != self._address:
            raise EnvelopeRefusedError("link", "wrong_receiver", "is not for this link and side")
        if (head.number, head.previous) != (self.last.number + 1, self.last.digest):
            raise EnvelopeRefusedError("number", "out_of_order", "is not the next envelope")
        if at >= head.expires:
            raise EnvelopeRefusedError("expires", "expired", "arrived after its time")
