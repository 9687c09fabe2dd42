"""The exchange of parcels with the other side of a link, over whatever carries bytes.

Each call is one durable transaction, or none where nothing changed. What a parcel answers is
recorded before the parcel is made, so whatever is lost on the way is only sent again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from sqlalchemy import Connection

from engine.domain.time_units import DAY, moment
from engine.errors import ConflictError, EnvelopeRefusedError, NotFoundError, RecordError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal
from engine.links.agreement import Agreement
from engine.links.area import LINK_RECEIPTED, LINK_STOPPED
from engine.links.envelope import LinkReceipt, Position
from engine.links.identity import LinkKeys
from engine.links.inbox import (
    ENVELOPE_KINDS,
    LONGEST_MESSAGE,
    EnvelopeAnswer,
    EnvelopeReceiver,
    LongMessageHandler,
    MessageHandler,
    OpenedEnvelope,
    open_envelope,
    read_receipt,
    receipt_of,
)
from engine.links.ledger import (
    EnvelopeRow,
    list_envelopes,
    read_envelope_row,
    read_last_sent_at,
    read_position,
)
from engine.links.messages import HEAD, HeadStatement
from engine.links.outbox import (
    OutgoingMessage,
    check_resendable,
    draft_messages,
    draft_renumbered,
    draft_settlement,
    read_mark,
    read_waiting,
)
from engine.links.parcel import (
    EnvelopeRefusal,
    FileCarrier,
    Parcel,
    ReceiptedMark,
    WantedFile,
    read_parcel,
)
from engine.links.state import (
    Link,
    draft_end,
    draft_link_approval,
    draft_link_proposal,
    draft_restart,
    find_link,
    read_links,
)
from engine.storage.database import Store

MOST_UNPACKED = 6_500 * 1024
"""Bytes that are unpacked of one parcel, if the first message is not longer: four batches of an
honest sender are less. The writer's lock is held for no more; the rest is answered by ``gap`` and
comes again."""
RECEIPTS_IN_FILE = 1_000
"""Newest receipts that a parcel repeats which is no answer: an earlier one may have been lost."""


@dataclass(frozen=True, slots=True)
class TakenParcel:
    """What became of a parcel."""

    link: str
    receipts: tuple[LinkReceipt, ...] = ()
    refusals: tuple[EnvelopeRefusal, ...] = ()
    new: int = 0
    """Envelopes that took their place in the order by this parcel."""
    settled: int = 0
    """Own envelopes whose receipts it brought."""
    is_stopped: bool = False
    """It raised an alarm, or the link stood still before."""
    followed: int = 0
    """Messages that were followed up, each in a transaction after that of the parcel."""
    file_bytes: int = 0
    """New bytes of files."""
    heard: int = 0
    """After which instant of this journal the other side was there: that at which this side made
    the parcel that the other one had taken. UTC microseconds, 0 where it names none."""
    foreign: int = 0
    """Copied records without effect, because they name what is not of their installation."""


Follower = Callable[["LinkExchange", str], int]
"""Follows up what parcels brought on a link; returns how many messages it followed up."""


@dataclass(frozen=True, slots=True)
class LinkExchange:
    """The links of one installation."""

    store: Store
    journal: Journal
    keys: LinkKeys
    handlers: Mapping[str, MessageHandler] = field(default_factory=dict)
    """By kind of message: what follows from it here."""
    followers: Sequence[Follower] = ()
    """What follows after a parcel was taken, and needs time or sends envelopes."""
    files: FileCarrier = field(default_factory=FileCarrier)
    """Files that travel next to envelopes."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of this installation."""
        return self.keys.identity.fingerprint

    def read_links(self, connection: Connection) -> dict[str, Link]:
        """Return the links by name."""
        return read_links(connection, self.fingerprint)

    def find_link(self, name: str) -> Link:
        """Return the newest link of an agreement's name; raises ``NotFoundError``."""
        with self.store.read() as connection:
            return find_link(self.read_links(connection), name)

    def propose(self, agreement: Agreement, *, by: str) -> str:
        """Record a proposed agreement and return the link's name.

        Raises ``RecordError`` and ``ConflictError``; see
        :func:`engine.links.state.draft_link_proposal`.
        """
        ours = self.fingerprint

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            known = self.read_links(connection)
            return [draft_link_proposal(known, agreement, by=by, now=now, fingerprint=ours)]

        self.journal.append_found(find)
        return agreement.link

    def _append(
        self, name: str, draft: Callable[[Connection, int, Link], Sequence[Draft]]
    ) -> list[Entry]:
        """Append what is drafted under the writer's lock by the link as it stands then."""

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            return draft(connection, now, find_link(self.read_links(connection), name))

        return self.journal.append_found(find)

    def propose_resumption(self, name: str, *, by: str, why: str, is_lapsed: bool = False) -> None:
        """Record a proposal to resume a stopped link; raises ``ConflictError``.

        With ``is_lapsed`` the person who proposed it before has left: this one replaces theirs.
        """

        def draft(_: Connection, _now: int, link: Link) -> Sequence[Draft]:
            stopped = None if link.alarm is None else link.alarm.sequence
            before = link.resumption
            return [draft_restart(link, stopped, before, by=by, why=why, is_lapsed=is_lapsed)]

        self._append(name, draft)

    def approve(self, name: str, *, by: str) -> None:
        """Record a second person's approval of what waits, and what follows from it.

        Raises ``SecondPersonError``, ``ConflictError``, ``NotFoundError``, and ``ErasedError``
        where an envelope that the other side needs again was erased.
        """

        def draft(connection: Connection, now: int, link: Link) -> Sequence[Draft]:
            drafts = draft_link_approval(link, by=by)
            change = drafts[-1].body
            if "after" in change:
                last = Position(change["after"], bytes.fromhex(change["digest"]))
                drafts += draft_renumbered(connection, now, link, keys=self.keys, after=last)
            if "resend" in change:
                check_resendable(connection, link, since=change["resend"])
            return drafts

        self._append(name, draft)

    def end(self, name: str, *, by: str, why: str) -> None:
        """Record the end of a link; raises ``ConflictError`` where it is over."""
        self._append(name, lambda _, _now, link: [draft_end(link, by=by, why=why)])

    def send(self, name: str, messages: Iterable[OutgoingMessage]) -> list[Entry]:
        """Record messages as the next envelopes of a link, all or none.

        Raises ``ConflictError`` where the link is not in force, ``RecordError`` where the agreement
        does not let a message travel.
        """
        given = list(messages)
        return self._append(
            name, lambda *about: draft_messages(*about, keys=self.keys, messages=given)
        )

    def send_head(self, name: str) -> bool:
        """Record the journal's head as the next envelope, unless one was sent in the last day.

        The other side's receipt is its countersignature. Returns whether one was recorded.
        """

        def draft(connection: Connection, now: int, link: Link) -> Sequence[Draft]:
            sent_at = read_last_sent_at(connection, link.name, HEAD)
            if link.phase(now) != "in_force" or now - sent_at < DAY:
                return []
            head = self.journal.head(connection)
            statement = HeadStatement(
                journal_id=head.journal_id,
                sequence=head.seq,
                chain=head.chain.hex(),
                known_at=moment(head.known_at),
            )
            message = OutgoingMessage(statement)
            return draft_messages(connection, now, link, keys=self.keys, messages=[message])

        return bool(self._append(name, draft))

    def make_parcel(self, link: Link, *, with_receipts: bool = False) -> Parcel:
        """Return what waits for the other side; with the newest receipts, for a parcel by file.

        A link that is not in force hands over no envelope. Raises ``ConflictError`` before it is
        approved here.
        """
        with self.store.read() as connection:
            now = self.journal.now(connection)
            phase = link.phase(now)
            if phase == "proposed":
                raise ConflictError("link", link.agreement.name, "it is not approved here yet")
            envelopes = read_waiting(connection, link.name) if phase == "in_force" else []
            last = self._read_last(connection, link)
            rows: Sequence[EnvelopeRow] = ()
            if with_receipts:
                rows = list_envelopes(connection, link.name, "received", most=RECEIPTS_IN_FILE)
            receipts = [
                self._read_receipt(connection, link, row) for row in reversed(rows) if row.number
            ]
            mark = read_mark(connection, link)
            wanted = self.files.list_wanted(connection, link) if phase == "in_force" else ()
        ours, theirs = link.us.identity.fingerprint, link.them.identity.fingerprint
        about = link.name, ours, theirs, now
        held = tuple(envelopes), tuple(receipts)
        return Parcel(*about, *held, last=last, receipted=mark, wanted=tuple(wanted))

    def cut_parts(self, link: Link, wanted: Sequence[WantedFile], *, room: int) -> tuple[str, ...]:
        """Return parts of files that the other side lacks and may have, of at most so many bytes.

        None leave over a link that is not in force.
        """
        if not wanted or room <= 0:
            return ()
        with self.store.read() as connection:
            if link.phase(self.journal.now(connection)) != "in_force":
                return ()
            return tuple(self.files.cut(connection, link, wanted, room=room))

    def take_parts(self, link: Link, parts: Sequence[str]) -> int:
        """Keep parts of files that the other side sent; return how many bytes were new."""
        if not parts:
            return 0
        with self.store.read() as connection:
            if link.phase(self.journal.now(connection)) != "in_force":
                return 0
            return self.files.take(connection, link, parts, keys=self.keys)

    def _read_last(self, connection: Connection, link: Link) -> LinkReceipt | None:
        number = read_position(connection, link.name, "received").number
        row = read_envelope_row(connection, link.name, "received", number) if number else None
        return None if row is None else self._read_receipt(connection, link, row)

    def repeat_receipt(self, link: Link, mark: ReceiptedMark | None) -> tuple[LinkReceipt, ...]:
        """Return, again, the receipt of the last envelope of which the other side holds one.

        It compares the two: a journal that was given the envelope a second time signs another one,
        and would pass unnoticed where more envelopes follow. Empty where the envelope is not here.
        """
        if mark is None or not mark.number:
            return ()
        with self.store.read() as connection:
            row = read_envelope_row(connection, link.name, "received", mark.number)
            return () if row is None else (self._read_receipt(connection, link, row),)

    def _read_receipt(self, connection: Connection, link: Link, row: EnvelopeRow) -> LinkReceipt:
        journal_id = self.journal.head(connection).journal_id
        return self.sign(read_receipt(connection, row, link), journal_id)

    def sign(self, receipt: LinkReceipt, journal_id: str) -> LinkReceipt:
        """Return a receipt over this journal, signed."""
        return replace(receipt, journal_id=journal_id).signed_by(self.keys)

    def answer_parcel(self, raw: bytes, *, name: str) -> bytes:
        """Take a parcel of a link and return the signed parcel that answers it.

        Raises ``EnvelopeRefusedError`` for one that is not the other side's, ``NotFoundError``
        for an unknown link.
        """
        return self.answer(read_parcel(raw), name=name)[0]

    def answer(self, asked: Parcel, *, name: str) -> tuple[bytes, TakenParcel]:
        """Do the same, and return what became of the parcel too."""
        link, taken = self._take(asked, name=name)
        answer = replace(
            self.make_parcel(link),
            receipts=(*self.repeat_receipt(link, asked.receipted), *taken.receipts),
            refusals=taken.refusals,
            echo=asked.receipted,
            heard=asked.at,
        )
        parts = () if taken.is_stopped else self.cut_parts(link, asked.wanted, room=asked.room)
        return replace(answer, parts=parts).seal(self.keys), taken

    def take_parcel(self, raw: bytes, *, name: str | None = None) -> TakenParcel:
        """Take a parcel, of a link if it is named; raises as :meth:`answer_parcel` does."""
        return self.take(read_parcel(raw), name=name)

    def take(self, parcel: Parcel, *, name: str | None = None) -> TakenParcel:
        """Do the same with a parcel that was read before."""
        return self._take(parcel, name=name or parcel.link)[1]

    def _take(self, parcel: Parcel, *, name: str) -> tuple[Link, TakenParcel]:
        with self.store.read() as connection:
            links = self.read_links(connection)
            now = self.journal.now(connection)
        link = links.get(name)
        if link is None or link.phase(now) == "proposed":
            raise NotFoundError("link", name)
        if not parcel.is_signed_by(link.them.identity):
            why = "is not that of the other party of this link"
            raise EnvelopeRefusedError("signature", "not_signed", why)
        if (parcel.link, parcel.receiver) != (link.name, link.us.identity.fingerprint):
            raise EnvelopeRefusedError("to", "wrong_receiver", "names another link or installation")
        step = _ParcelStep(self, link, parcel)
        with self.store.read() as connection:
            step.unpack(connection, room=LONGEST_MESSAGE if link.phase(now) == "in_force" else 0)
        taken = step.result(self.journal.append_found(step.find))
        taken = replace(taken, heard=min(parcel.heard, now))
        if taken.is_stopped:
            return step.link, taken
        followed = sum(follow(self, link.name) for follow in self.followers)
        file_bytes = self.take_parts(step.link, parcel.parts)
        return step.link, replace(taken, followed=followed, file_bytes=file_bytes)


@dataclass(slots=True)
class _ParcelStep:
    """One parcel of the other side, taken under the writer's lock."""

    exchange: LinkExchange
    link: Link
    parcel: Parcel
    journal_id: str = ""
    answers: list[EnvelopeAnswer] = field(default_factory=list)
    refusals: list[EnvelopeRefusal] = field(default_factory=list)
    """Envelopes that are not the other side's, or not whole."""
    opened: list[OpenedEnvelope] = field(default_factory=list)
    settled: list[Draft] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the envelopes before the lock, so that other writers do not wait."""
        for text in self.parcel.envelopes:
            raw = text.encode()
            try:
                self.opened.append(open_envelope(raw, self.link, self.exchange.keys))
            except EnvelopeRefusedError as error:
                digest = sha256(raw).hexdigest()
                self.refusals.append(EnvelopeRefusal(0, digest, error.rule))
        self.opened.sort(key=lambda one: one.envelope.number)

    def unpack(self, connection: Connection, *, room: int) -> None:
        """Unpack, before the lock, the messages that come next in the order, as far as is room."""
        number = read_position(connection, self.link.name, "received").number
        for at, one in enumerate(self.opened):
            handler = self.exchange.handlers.get(one.envelope.kind)
            is_next = one.envelope.number == number + 1 and not one.is_misdirected
            number += is_next
            if one.message is not None and isinstance(handler, LongMessageHandler):
                most = room if is_next else 0
                self.opened[at] = opened = self._unpack(connection, handler, one, most=most)
                if is_next:
                    left = min(room, MOST_UNPACKED) - opened.size
                    room = 0 if opened.is_packed else max(left, 0)

    def _unpack(
        self,
        connection: Connection,
        handler: LongMessageHandler,
        one: OpenedEnvelope,
        *,
        most: int,
    ) -> OpenedEnvelope:
        assert one.message is not None  # noqa: S101  # else it is refused already
        try:
            found = handler.unpack(connection, self.link, one.message, most=most) if most else None
        except RecordError as error:
            return replace(one, message=None, field=error.field, rule=error.rule)
        if found is None:
            return replace(one, is_packed=True)
        return replace(one, content=found.content, size=found.size)

    def find(self, connection: Connection, now: int) -> Sequence[Draft]:
        """Return the records that follow from the parcel: receipts first, then envelopes."""
        self.link = self.exchange.read_links(connection)[self.link.name]
        self.journal_id = self.exchange.journal.head(connection).journal_id
        self.settled = draft_settlement(connection, self.link, self.parcel)
        receiver = EnvelopeReceiver(connection, now, self.link, self.exchange.handlers)
        receiver.is_stopped |= any(draft.kind == LINK_STOPPED for draft in self.settled)
        self.answers = [receiver.receive(one) for one in self.opened]
        self.drafts = receiver.drafts
        return [*self.settled, *self.drafts]

    def result(self, entries: Sequence[Entry]) -> TakenParcel:
        """Return what became of the parcel, once its records are durable."""
        own = entries[len(self.settled) :]
        receipts, refusals = [], list(self.refusals)
        for answer in self.answers:
            unsigned = answer.receipt
            if answer.entry is not None:
                unsigned = receipt_of(self.link, answer, own[answer.entry])
            if unsigned is None:
                refusals.append(EnvelopeRefusal(answer.number, answer.digest, answer.rule))
            else:
                receipts.append(self.exchange.sign(unsigned, self.journal_id))
        kinds = [draft.kind for draft in (*self.settled, *self.drafts)]
        return TakenParcel(
            link=self.link.name,
            receipts=tuple(receipts),
            refusals=tuple(refusals),
            new=sum(
                draft.kind in ENVELOPE_KINDS and draft.origin_seq is not None
                for draft in self.drafts
            ),
            settled=kinds.count(LINK_RECEIPTED),
            is_stopped=self.link.alarm is not None or LINK_STOPPED in kinds,
            foreign=sum("foreign" in draft.body for draft in self.drafts),
        )
