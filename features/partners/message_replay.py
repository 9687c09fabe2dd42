"""Replay of the messages of two administrations, in the order in which each knew its records.

A vehicle that leaves for the other side is a manifest at once. An act or a find on a vehicle whose
manifest has arrived is an outcome at once; if the manifest comes later, it is an outcome then. So
is the word that a vehicle was let go, unless its manifest comes later. Every message is an
envelope's bytes and arrives ``LINE_DELAY`` later: that is when the receiver knows it, whatever
times it names. Requests for attention are not replayed: they are a person's, and no history holds
them.

Nothing but the bytes of envelopes passes from one side to the other, through agreement, envelope
and checks, so what comes out is what would have travelled: fields that the agreement does not name
are gone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count

from engine.domain.records import Record
from engine.domain.time_units import HOUR, MINUTE
from engine.errors import EnvelopeRefusedError
from engine.links.agreement import Agreement, Party, check_body, select_fields
from engine.links.envelope import (
    Envelope,
    EnvelopeHead,
    Position,
    open_body,
    read_envelope,
    seal_envelope,
)
from engine.links.identity import LinkKeys
from engine.links.messages import Manifest, OutcomeReport
from features.history.record_rows import Row
from features.partners.movements import (
    Consignment,
    Passage,
    PassageIndex,
    name_record,
    to_act,
    to_entry,
    to_exit,
    to_manifest,
    to_outcome,
)


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
        body = select_fields(self.agreement, sender=self.party, message=message)
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
        self.last = Position(envelope.number, envelope.digest)
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
        message = check_body(self.agreement, kind=envelope.kind, sender=sender, body=body)
        self.last = Position(envelope.number, envelope.digest)
        return message

    def _check(self, envelope: Envelope, at: int) -> None:
        head, sender = envelope, self.agreement.other(self.party).identity
        if not envelope.is_signed_by(sender):
            raise EnvelopeRefusedError("signature", "signature", "is not the partner's")
        if (head.link, head.receiver) != self._address:
            raise EnvelopeRefusedError("link", "wrong_receiver", "is not for this link and side")
        if (head.number, head.previous) != (self.last.number + 1, self.last.digest):
            raise EnvelopeRefusedError("number", "out_of_order", "is not the next envelope")
        if at >= head.expires:
            raise EnvelopeRefusedError("expires", "expired", "arrived after its time")


LINE_DELAY = MINUTE
"""Microseconds from a record to the partner's knowledge of it."""


@dataclass(frozen=True, slots=True)
class VehicleLeft:
    """An exit towards the other side."""

    consignment: Consignment


@dataclass(frozen=True, slots=True)
class VehicleSearched:
    """An act, or a find, on an arrival from the other side; neither where it was let go."""

    arrival: Passage
    act: Row | None
    find: Row | None


Event = VehicleLeft | VehicleSearched | bytes
"""What happens at one side; bytes are an envelope that arrives."""


@dataclass(slots=True)
class LinkSide:
    """One administration within one link: what it sent, what reached it, what it made of that."""

    partner: str
    opposite: Mapping[str, str]
    """The post that faces each of its own."""
    sender: MessageSender
    receiver: MessageReceiver
    received: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Rows of partner messages, by table."""
    _sent: dict[str, Consignment] = field(default_factory=dict)
    _manifests: PassageIndex = field(default_factory=PassageIndex)
    _searched: PassageIndex = field(default_factory=PassageIndex)
    _waiting: dict[str, list[VehicleSearched]] = field(default_factory=lambda: defaultdict(list))
    _entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, event: Event, *, at: int) -> list[bytes]:
        """Return the envelopes that an event makes this side send at UTC microseconds."""
        if isinstance(event, VehicleLeft):
            return self._announce(event.consignment, at)
        if isinstance(event, VehicleSearched):
            return self._report(event, at)
        message = self.receiver.read(event, at=at)
        if isinstance(message, Manifest):
            return self._expect(message, at)
        if isinstance(message, OutcomeReport):
            self._learn(message, at)
        return []

    def _announce(self, consignment: Consignment, at: int) -> list[bytes]:
        if not self.sender.may_send("manifest"):
            return []
        movement = f"m-{len(self._sent) + 1}"
        self._sent[movement] = consignment
        return [self.sender.write("manifest", to_manifest(consignment, movement), at=at)]

    def _report(self, searched: VehicleSearched, at: int) -> list[bytes]:
        arrival = searched.arrival
        movement = self._manifests.find_left(arrival, self.opposite[arrival.post])
        if movement is None:
            if searched.act is None and searched.find is None:
                return []  # as in a service: of a release before the manifest nothing is told
            self._searched.add(arrival)
            self._waiting[arrival.name].append(searched)
            return []
        return self._tell(searched, movement, at)

    def _expect(self, manifest: Manifest, at: int) -> list[bytes]:
        consignment = to_exit(manifest, partner=self.partner, known_at=at)
        self._keep(consignment)
        left = consignment.passage(manifest.movement)
        self._manifests.add(left)
        here = next(own for own, other in self.opposite.items() if other == manifest.post)
        arrival = self._searched.find_arrived(left, here)
        late = [] if arrival is None else self._waiting.pop(arrival, [])
        return [raw for one in late for raw in self._tell(one, manifest.movement, at)]

    def _tell(self, searched: VehicleSearched, movement: str, at: int) -> list[bytes]:
        if not self.sender.may_send("outcome"):
            return []
        post = searched.arrival.post
        about = to_outcome(searched.act, searched.find, movement=movement, post=post, at=at)
        return [self.sender.write("outcome", about, at=at)]

    def _learn(self, outcome: OutcomeReport, at: int) -> None:
        entry = f"{name_record(self.partner, outcome.outcome_of)}:entry"
        self._entries[entry] += 1
        if self._entries[entry] == 1:
            own = self._sent[outcome.outcome_of]
            comparable = frozenset(self.sender.agreement.identifiers)
            self._keep(to_entry(outcome, own, name=entry, known_at=at, comparable=comparable))
        name = f"{entry}:{self._entries[entry]}"
        inspection, seizure = to_act(outcome, crossing=entry, name=name, known_at=at)
        for table, row in (("inspections", inspection), ("seizures", seizure)):
            if row is not None:
                self.received[table].append(row)

    def _keep(self, consignment: Consignment) -> None:
        self.received["crossings"].append(consignment.crossing)
        if consignment.declaration is not None:
            self.received["declarations"].append(consignment.declaration)
            self.received["goods_items"].extend(consignment.items)


def replay_messages(
    sides: tuple[LinkSide, LinkSide], events: Iterable[tuple[int, int, Event]]
) -> None:
    """Play (UTC microseconds, side, event) of both sides, and the messages that follow from them.

    Raises ``RecordError`` and ``EnvelopeRefusedError`` where a message breaks the agreement.
    """
    numbers = count()
    queue = [(at, next(numbers), side, event) for at, side, event in events]
    heapify(queue)
    while queue:
        at, _, side, event = heappop(queue)
        for raw in sides[side].take(event, at=at):
            heappush(queue, (at + LINE_DELAY, next(numbers), 1 - side, raw))
