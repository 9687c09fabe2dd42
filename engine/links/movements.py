"""Movements that were announced to the other side of a link, or by it, as tables of the journal.

A row of a message that was sent stands for the record that made it due, so that no record makes one
due twice. A row of one that arrived stands for the record that follows from it here.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, Connection, Index, String, Table, func, select

from engine.domain.time_units import micros
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JournalReader
from engine.journal.kinds import CROSSING, ArrivalBody
from engine.links.area import LINK_RECEIVED, LINK_SENT, LinkSentBody
from engine.links.ledger import ENVELOPES
from engine.queue.mirror_alerts import fold_arrival_keys
from engine.storage.database import (
    METADATA,
    Int64,
    declare_columns,
    insert_rows,
    record_table,
    split_in_slices,
)

Direction = Literal["sent", "received"]
MOVEMENTS = record_table(
    "link_movements",
    *declare_columns(String, "link", "direction", "kind", "movement", "crossing_id", "post"),
    *declare_columns(Int64, "about_seq", "passed_at", "known_at"),
    Index("link_movements_movement_ix", "movement"),
    Index("link_movements_crossing_ix", "crossing_id"),
    Index("link_movements_about_ix", "link", "direction", "about_seq"),
)
"""``seq`` is the envelope's record of a message that was sent, and of one that arrived the record
that followed from it. ``about_seq`` is the record that made a sent one due, else 0; ``passed_at``
is when the vehicle passed, of one that arrived, else 0. Times are UTC microseconds."""
KEYS = Table(
    "link_movement_keys",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("kind", String, primary_key=True),
    *declare_columns(String, "post", "value"),
    *declare_columns(Int64, "passed_at"),
    Index("link_movement_keys_ix", "post", "kind", "value", "passed_at"),
)
"""By what a vehicle that the other side announced is recognised here."""
_M, _K = MOVEMENTS.c, KEYS.c
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One message about a movement."""

    seq: int
    link: str
    direction: Direction
    kind: str
    movement: str
    crossing_id: str
    post: str
    about_seq: int
    passed_at: int
    known_at: int


def project_movements(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the tables of movements."""
    rows = [
        _sent_row(entry, body) for entry, body in list_bodies(entries, LINK_SENT) if "about" in body
    ]
    keys: list[tuple[object, ...]] = []
    for entry, body in list_bodies(entries, CROSSING):
        if (origin := body.get("message")) is not None:
            about = entry.seq, origin["link"], "received", origin["message"]
            at = passed_at(body["arrival"])
            named = (origin["movement"], entry.subject, entry.post)
            rows.append((*about, *named, 0, at, entry.known_at))
            if origin["message"] == "manifest":
                found = fold_arrival_keys(body["arrival"]).items()
                keys += [(entry.seq, kind, entry.post, value, at) for kind, value in found]
    insert_rows(connection, MOVEMENTS, rows)
    insert_rows(connection, KEYS, keys)


def _sent_row(entry: Entry, body: LinkSentBody) -> tuple[object, ...]:
    about = body["about"]
    named = about["movement"], about["name"], ""
    return (
        *(entry.seq, body["link"], "sent", body["message"]),
        *(*named, about["sequence"], 0, entry.known_at),
    )


def passed_at(arrival: ArrivalBody) -> int:
    """Return when an arrival passed its post, UTC microseconds."""
    return micros(datetime.fromisoformat(arrival["crossing"]["arrived_at"]))


def read_last_sequence(connection: Connection, link: str) -> int:
    """Return the last record that made a message of a link due, 0 where none did."""
    query = select(func.max(_M.about_seq)).where(_M.link == link, _M.direction == "sent")
    return connection.scalar(query) or 0


def list_announced(connection: Connection, link: str, movements: Collection[str]) -> frozenset[str]:
    """Return which of these movements were announced to the other side of a link."""
    found: set[str] = set()
    for some in split_in_slices(sorted(movements), _AT_ONCE):
        query = select(_M.movement).where(_M.movement.in_(some), _M.link == link)
        query = query.where(_M.direction == "sent", _M.kind == "manifest")
        found.update(connection.scalars(query))
    return frozenset(found)


def find_sent_manifest(
    connection: Connection, movement: str, *, links: Collection[str]
) -> MovementRow | None:
    """Return the first manifest of an own movement on some links, None where none was sent."""
    query = select(MOVEMENTS).where(_M.movement == movement, _M.link.in_(links))
    query = query.where(_M.direction == "sent", _M.kind == "manifest").order_by(_M.seq)
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else MovementRow(*row)


def find_received_manifest(
    connection: Connection, arrival: ArrivalBody, post: str, *, longest: int, before: int
) -> MovementRow | None:
    """Return the manifest of the vehicle that left a post for this arrival, None where none is.

    By the surest key that finds one, the vehicle that left last, at most ``longest`` microseconds
    before it arrived, of those that were known here strictly before an instant.
    """
    arrived_at = passed_at(arrival)
    for kind, value in fold_arrival_keys(arrival).items():
        query = (
            select(MOVEMENTS)
            .join(KEYS, _K.seq == _M.seq)
            .where(_K.post == post, _K.kind == kind, _K.value == value)
            .where(_K.passed_at >= arrived_at - longest, _K.passed_at <= arrived_at)
            .where(_M.known_at < before)
            .order_by(_K.passed_at.desc(), _M.movement.desc())
            .limit(1)
        )
        if (row := connection.execute(query).one_or_none()) is not None:
            return MovementRow(*row)
    return None


def has_outcome(connection: Connection, crossing_id: str) -> bool:
    """Tell whether an outcome of an own arrival was sent."""
    query = select(_M.seq).where(_M.crossing_id == crossing_id, _M.kind == "outcome")
    return connection.execute(query.where(_M.direction == "sent").limit(1)).first() is not None


_E = ENVELOPES.c
NOT_SEARCHED = "not_searched"


def count_outcomes(connection: Connection, link: str) -> Counter[tuple[str, str]]:
    """Return the outcomes of a link by direction and outcome, without those that were refused.

    A vehicle without a search counts as ``not_searched``; a find without an act as ``seizure``. One
    movement can have several: each act and each find is an outcome.
    """
    found: Counter[tuple[str, str]] = Counter()
    where = [_E.link == link, _E.kind == "outcome", _E.status.in_(("waiting", "taken"))]
    records = JournalReader(connection).records(
        LINK_SENT, LINK_RECEIVED, join=ENVELOPES, where=where
    )
    for record in records:
        body = record.body["body"]
        has_find = body.get("substance_class") is not None
        outcome = body.get("outcome") or ("seizure" if has_find else NOT_SEARCHED)
        found["sent" if record.kind == LINK_SENT else "received", outcome] += 1
    return found
