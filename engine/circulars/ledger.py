"""Circulars as a table, and what happened to each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import Field
from sqlalchemy import Column, Connection, Index, String, select, update

from engine.circulars.area import (
    CIRCULAR_ENDED,
    CIRCULAR_FILE,
    CIRCULAR_ISSUED,
    CIRCULAR_READ,
    CircularBody,
)
from engine.domain.field_types import PostCode, Text, Time
from engine.domain.records import Record
from engine.domain.time_units import micros
from engine.errors import ConflictError, NotFoundError
from engine.files.store import NamedFile, to_named
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JournalReader
from engine.storage.database import Int64, declare_columns, insert_rows, record_table

LONGEST = timedelta(days=366)
"""How far ahead the last day of a circular may lie: what is never looked at again leads astray."""
CIRCULARS = record_table(
    "circulars",
    Column("circular_id", String, nullable=False, unique=True),
    *declare_columns(Int64, "known_at", "until"),
    Column("ended_at", Int64),
    Index("circulars_until_ix", "until"),
)
CIRCULAR_STEPS = record_table(
    "circular_steps",
    *declare_columns(String, "circular_id", "kind", "person", "post"),
    *declare_columns(Int64, "known_at"),
    Index("circular_steps_circular_ix", "circular_id", "kind", "person"),
)
"""Files of circulars, and the first reading of each person."""
_C, _S = CIRCULARS.c, CIRCULAR_STEPS.c


class Circular(Record):
    """What posts should know, without a name of a person."""

    title: Annotated[Text, Field(min_length=1, max_length=120)]
    text: Annotated[Text, Field(min_length=1)]
    posts: Annotated[tuple[PostCode, ...], Field(max_length=200)] = ()
    """Posts that it is for; none for all."""
    until: Time
    """Its last moment."""
    EXAMPLE: ClassVar = {
        "title": "Packets behind the lamps of refrigerated trailers",
        "text": "Four finds in a month: take off the rear lamps, look at the cables with a mirror.",
        "posts": ["OYB"],
        "until": "2026-12-31T00:00:00Z",
    }


@dataclass(frozen=True, slots=True)
class KnownCircular:
    """A circular, its files and its readers, as records say."""

    seq: int
    circular_id: str
    body: CircularBody
    known_at: int
    until: int
    ended_at: int | None
    files: tuple[tuple[int, dict[str, Any]], ...]
    """With the numbers of their records."""
    readings: tuple[tuple[str, str, int], ...]
    """Person, post, and when: UTC microseconds; the first one of each."""

    def is_shown(self, now: int) -> bool:
        """Tell whether it counts at a time."""
        return self.ended_at is None and now < self.until

    def is_for(self, post: str) -> bool:
        """Tell whether it is for a post."""
        return not self.body["circular"]["posts"] or post in self.body["circular"]["posts"]


def project_circulars(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which circulars there are, and what happened to each.

    Raises ``ConflictError`` and ``NotFoundError`` for a step that its circular forbids.
    """
    for entry, draft in entries:
        if entry.kind == CIRCULAR_ISSUED:
            until = micros(Circular.model_validate(draft.body["circular"], strict=False).until)
            insert_rows(
                connection, CIRCULARS, [(entry.seq, entry.subject, entry.known_at, until, None)]
            )
        elif entry.kind in (CIRCULAR_FILE, CIRCULAR_READ, CIRCULAR_ENDED):
            _take_step(connection, entry, draft)


def _take_step(connection: Connection, entry: Entry, draft: Draft) -> None:
    query = select(_C.ended_at).where(_C.circular_id == entry.subject)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("circular", entry.subject)
    if row.ended_at is not None:
        raise ConflictError("circular", entry.subject, "it has ended")
    if entry.kind == CIRCULAR_ENDED:
        ended = update(CIRCULARS).where(_C.circular_id == entry.subject)
        connection.execute(ended.values(ended_at=entry.known_at))
        return
    person = str(draft.body["by"])
    named = _S.circular_id == entry.subject, _S.kind == entry.kind, _S.person == person
    is_known = entry.kind == CIRCULAR_READ and connection.scalar(select(_S.seq).where(*named))
    if not is_known:
        about = (entry.seq, entry.subject, entry.kind, person, entry.post, entry.known_at)
        insert_rows(connection, CIRCULAR_STEPS, [about])


def read_circulars(connection: Connection, *, since: int = 0) -> list[KnownCircular]:
    """Return the circulars whose last moment is after a time, the newest first."""
    query = select(CIRCULARS).where(_C.until > since).order_by(_C.seq.desc())
    rows = connection.execute(query).all()
    return [one for row in rows if (one := _read(connection, row)) is not None]


def read_circular(connection: Connection, circular_id: str) -> KnownCircular:
    """Return one circular; raises ``NotFoundError``."""
    query = select(CIRCULARS).where(_C.circular_id == circular_id)
    row = connection.execute(query).one_or_none()
    found = None if row is None else _read(connection, row)
    if found is None:
        raise NotFoundError("circular", circular_id)
    return found


def has_unread(connection: Connection, person: str, post: str, *, now: int) -> bool:
    """Tell whether a person has not read a circular that is for a post now."""
    shown = select(_C.circular_id).where(_C.until > now, _C.ended_at.is_(None))
    read = select(_S.circular_id).where(_S.kind == CIRCULAR_READ, _S.person == person)
    left = set(connection.scalars(shown)) - set(connection.scalars(read))
    return any(read_circular(connection, one).is_for(post) for one in left)


def _read(connection: Connection, row: Any) -> KnownCircular | None:
    """Return a circular; None of one whose content was erased."""
    query = select(CIRCULAR_STEPS).where(_S.circular_id == row.circular_id).order_by(_S.seq)
    steps = connection.execute(query).all()
    named = [one.seq for one in steps if one.kind == CIRCULAR_FILE]
    bodies: dict[int, Any] = JournalReader(connection).bodies([row.seq, *named])
    if row.seq not in bodies:
        return None
    return KnownCircular(
        seq=row.seq,
        circular_id=row.circular_id,
        body=bodies[row.seq],
        known_at=row.known_at,
        until=row.until,
        ended_at=row.ended_at,
        files=tuple((seq, bodies[seq]["file"]) for seq in named if seq in bodies),
        readings=tuple(
            (one.person, one.post, one.known_at) for one in steps if one.kind == CIRCULAR_READ
        ),
    )


def read_circular_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that records of circulars name."""
    for seq, body in JournalReader(connection).bodies_of(CIRCULAR_FILE):
        named = to_named(seq, body["file"], is_own=True)
        if named is not None:
            yield named
