"""The envelopes of each link, sent and received, as a table made from the journal's records.

Rows grant nothing: what an envelope says stands in the record with the row's number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Index, String, case, func, select, text, update

from engine.journal.entries import Draft, Entry
from engine.journal.power_records import read_records
from engine.links.area import (
    LINK_ENDED,
    LINK_RECEIPTED,
    LINK_RECEIVED,
    LINK_REFUSED,
    LINK_RESUMED,
    LINK_SENT,
)
from engine.links.envelope import REPEATED, Position
from engine.storage.database import Int64, declare_columns, insert_rows, record_table

Direction = Literal["sent", "received"]
Status = Literal["waiting", "taken", "refused", "replaced", "lost"]
"""``waiting``: no receipt yet. ``replaced``: sealed again under a later number. ``lost``: the other
side has it, and this journal does not, because its disk was restored."""

ENVELOPES = record_table(
    "link_envelopes",
    *declare_columns(String, "link", "direction", "kind", "digest", "status", "rule"),
    *declare_columns(Int64, "number", "known_at", "sent_at", "settled_at"),
    *declare_columns(Int64, "receipt_seq", "answered_at"),
    Index("link_envelopes_number_ix", "link", "direction", "number"),
    Index("link_envelopes_kind_ix", "link", "kind", "seq"),
)
"""``number`` is 0 for an envelope that took no place in the order. Of a receipt: when it became
known here (``settled_at``), its record (``receipt_seq``), and its time by the receiver's journal
(``answered_at``); 0 without one. Times are UTC microseconds."""
_WAITING = "status = 'waiting'"
Index(
    "link_envelopes_waiting_ix",
    ENVELOPES.c.link,
    ENVELOPES.c.number,
    sqlite_where=text(_WAITING),
    postgresql_where=text(_WAITING),
)
_E = ENVELOPES.c


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """One envelope."""

    seq: int
    link: str
    direction: Direction
    kind: str
    digest: str
    status: Status
    rule: str
    number: int
    known_at: int
    sent_at: int
    settled_at: int
    receipt_seq: int
    answered_at: int


_ENVELOPES: Mapping[str, tuple[Direction, Status]] = {
    LINK_SENT: ("sent", "waiting"),
    LINK_RECEIVED: ("received", "taken"),
    LINK_REFUSED: ("received", "refused"),
}


def project_envelopes(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Write what these records say of envelopes, in their order."""
    for entry, draft in entries:
        if entry.kind in _ENVELOPES:
            row = _row(entry, *_ENVELOPES[entry.kind], draft.body)
            insert_rows(connection, ENVELOPES, [row])
        elif entry.kind == LINK_RECEIPTED:
            _write_receipt(connection, entry, draft.body)
        elif entry.kind == LINK_RESUMED:
            _write_resumption(connection, entry, draft.body)


def _row(entry: Entry, direction: Direction, status: Status, body: Mapping[str, Any]) -> Any:
    """Return a row in the order of the table's columns."""
    about = entry.seq, body["link"], direction, body["message"], body["digest"], status
    sent_at = body.get("sent_at", 0 if status == "lost" else entry.known_at)
    settled_at = 0 if status == "waiting" else entry.known_at
    times = entry.known_at, sent_at, settled_at
    return (*about, body.get("rule", ""), body.get("number", 0), *times, 0, 0)


def _write_receipt(connection: Connection, entry: Entry, body: Mapping[str, Any]) -> None:
    receipt = body["receipt"]
    connection.execute(
        update(ENVELOPES)
        .where(_E.link == body["link"], _E.direction == "sent", _E.number == receipt["number"])
        .where(_E.digest == receipt["envelope"])
        .values(
            status="taken" if receipt["rule"] == REPEATED else receipt["status"],
            rule=receipt["rule"],
            settled_at=entry.known_at,
            receipt_seq=entry.seq,
            answered_at=receipt["known_at"],
        )
    )


def _write_resumption(connection: Connection, entry: Entry, body: Mapping[str, Any]) -> None:
    sent = (_E.link == body["link"], _E.direction == "sent")
    if "after" in body:
        waiting = update(ENVELOPES).where(*sent, _E.status == "waiting")
        connection.execute(waiting.values(status="replaced", settled_at=entry.known_at))
        known = {"link": body["link"], "message": "", "number": body["after"]}
        lost = _row(entry, "sent", "lost", known | {"digest": body["digest"]})
        insert_rows(connection, ENVELOPES, [lost])
    if "resend" in body:
        settled = (_E.number >= body["resend"], _E.status.in_(("taken", "refused")))
        again = update(ENVELOPES).where(*sent, *settled)
        connection.execute(again.values(_UNSETTLED))


_UNSETTLED = {"status": "waiting", "rule": "", "settled_at": 0, "receipt_seq": 0, "answered_at": 0}


def read_position(connection: Connection, link: str, direction: Direction) -> Position:
    """Return the last envelope of one direction, number 0 where there is none."""
    query = (
        select(_E.number, _E.digest)
        .where(_E.link == link, _E.direction == direction, _E.number > 0)
        .where(_E.status != "replaced")
        .order_by(_E.number.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return Position() if row is None else Position(row.number, bytes.fromhex(row.digest))


def read_envelope_row(
    connection: Connection, link: str, direction: Direction, number: int
) -> EnvelopeRow | None:
    """Return the envelope of a number, None where there is none."""
    query = select(ENVELOPES).where(
        _E.link == link, _E.direction == direction, _E.number == number, _E.status != "replaced"
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else EnvelopeRow(*row)


def is_recorded(connection: Connection, link: str, digest: str) -> bool:
    """Tell whether an envelope that took no place in the order was recorded before."""
    query = select(_E.seq).where(
        _E.link == link, _E.direction == "received", _E.number == 0, _E.digest == digest
    )
    return connection.execute(query).first() is not None


def list_waiting(
    connection: Connection, link: str, *, most: int | None = None
) -> list[EnvelopeRow]:
    """Return the envelopes that have no receipt, in their order."""
    query = (
        select(ENVELOPES)
        .where(_E.link == link, _E.direction == "sent", _E.status == "waiting")
        .order_by(_E.number)
        .limit(most)
    )
    return [EnvelopeRow(*row) for row in connection.execute(query)]


def read_last_heard(connection: Connection, link: str) -> int:
    """Return after which instant the other side was there, by its envelopes and receipts.

    UTC microseconds, 0 where nothing says so. What it signed for was sealed here before, and what
    it sent is as old as it says, however late both arrived. The highest number is the newest, or
    nearly so.
    """
    of_link = [_E.link == link, _E.number > 0]
    is_ahead = _E.sent_at > _E.known_at
    arrived = select(case((is_ahead, _E.known_at), else_=_E.sent_at))
    arrived = arrived.where(*of_link, _E.direction == "received")
    signed = select(_E.known_at).where(*of_link, _E.direction == "sent")
    signed = signed.where(_E.status.in_(("taken", "refused")))
    last = [query.order_by(_E.number.desc()).limit(1) for query in (arrived, signed)]
    return max(connection.scalar(query) or 0 for query in last)


def read_last_sent_at(connection: Connection, link: str, kind: str) -> int:
    """Return when the last message of a kind was sent, 0 where none was: UTC microseconds."""
    query = select(func.max(_E.known_at)).where(
        _E.link == link, _E.direction == "sent", _E.kind == kind
    )
    return connection.scalar(query) or 0


def find_received(connection: Connection, link: str, kind: str, *, after: int) -> int | None:
    """Return the record of the first message of a kind that was taken after a record."""
    query = select(func.min(_E.seq)).where(
        _E.link == link, _E.kind == kind, _E.seq > after, _E.direction == "received"
    )
    found: int | None = connection.scalar(query.where(_E.status == "taken"))
    return found


def list_sent_since(connection: Connection, link: str, number: int) -> list[EnvelopeRow]:
    """Return the envelopes that were sent from a number on, in their order."""
    query = (
        select(ENVELOPES)
        .where(_E.link == link, _E.direction == "sent", _E.number >= number)
        .where(_E.status.in_(("waiting", "taken", "refused")))
        .order_by(_E.number)
    )
    return [EnvelopeRow(*row) for row in connection.execute(query)]


def list_unsettled(connection: Connection) -> list[int]:
    """Return the records of the envelopes that may still be sent: those without a receipt.

    A link that has ended hands over none, so that what it left unsent can be erased.
    """
    ended = [one.subject for one in read_records(connection, (LINK_ENDED,)) if one.body is not None]
    query = select(_E.seq).where(text(_WAITING), _E.link.not_in(ended))
    return list(connection.scalars(query))


def select_unsettled(
    connection: Connection, groups: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return the groups of records that are an envelope without a receipt."""
    return {("record", str(seq)) for seq in list_unsettled(connection)}.intersection(groups)


def list_envelopes(
    connection: Connection, link: str, direction: Direction, *, most: int | None = None
) -> list[EnvelopeRow]:
    """Return the envelopes of one direction, the newest first; all of them without ``most``."""
    query = (
        select(ENVELOPES)
        .where(_E.link == link, _E.direction == direction)
        .order_by(_E.seq.desc())
        .limit(most)
    )
    return [EnvelopeRow(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class ReceiptedPart:
    """What the other side signed for, of the envelopes that were sent on one link."""

    number: int
    """The highest number with a receipt, 0 where none has one."""
    lost: int
    """The highest number that the other side has and this journal lost; 0 where none was."""
    answered_at: int
    """Newest time of a receipt, by the other side's journal: UTC microseconds."""


def read_receipted_part(connection: Connection, link: str) -> ReceiptedPart:
    """Return how far the receipts of one link reach."""
    lost = case((_E.status == "lost", _E.number))
    query = select(func.max(_E.number), func.max(lost), func.max(_E.answered_at)).where(
        _E.link == link, _E.direction == "sent", _E.status.in_(("taken", "refused", "lost"))
    )
    return ReceiptedPart(*(value or 0 for value in connection.execute(query).one()))


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """Envelopes of one link, direction, kind and status."""

    link: str
    direction: Direction
    kind: str
    status: Status
    envelopes: int
    oldest: int
    """When the first one became known here: UTC microseconds."""
    newest: int
    slowest: int
    """Longest time from its sender's journal to its receipt here, microseconds; 0 where no time of
    sending is known, as of lost envelopes."""


def count_traffic(connection: Connection) -> list[TrafficCount]:
    """Return the envelopes of all links, counted."""
    groups = (_E.link, _E.direction, _E.kind, _E.status)
    query = (
        select(
            *groups,
            func.count(),
            func.min(_E.known_at),
            func.max(_E.known_at),
            func.coalesce(func.max(case((_E.sent_at > 0, _E.settled_at - _E.sent_at))), 0),
        )
        .group_by(*groups)
        .order_by(*groups)
    )
    return [TrafficCount(*row) for row in connection.execute(query)]
