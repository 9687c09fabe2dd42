"""What happened, in which order, and can anybody have changed it since?

Everything that happens is one record of one append-only journal. Bodies rest in a table of their own,
so that one can be erased one day without breaking the chain: a record's ``leaf`` commits to its salted
body, its ``chain`` to the leaf, to all that is said about the record, and to every record before it.

A chain alone catches whoever edits and does not recompute; receipts (:mod:`engine.receipts`) held
elsewhere catch whoever does. ``known_at`` rises strictly, so "known before" is a total order.
"""

import json
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Column, Connection, LargeBinary, String, Table, UniqueConstraint

from engine.errors import NotFoundError, RecordError
from engine.store import METADATA, CommitUnknownError, Int64, Store
from engine.times import SECOND, SystemClock

if TYPE_CHECKING:  # the ports speak of drafts and entries
    from engine.ports import Clock, Projection

JOURNAL = Table(
    "journal",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("known_at", Int64, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("post", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("origin_seq", Int64),
    Column("leaf", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    UniqueConstraint("known_at"),
)
BODIES = Table(
    "journal_bodies",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
IDENTITY = Table(
    "journal_identity",
    METADATA,
    Column("journal_id", String, primary_key=True),
    Column("created", Int64, nullable=False),
)
"""One row, made with the tables: which journal this is."""

GENESIS = bytes(32)
"""What the first record is chained to."""
SALT_BYTES = 16
TICK = "tick"
"""Kind of a record that says only that time went by."""
ERASURE = "erasure"
"""Kind of a record whose body names, in ``sequences``, earlier records whose bodies were erased."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be recorded."""

    kind: str
    subject: str
    """The identifier of what it is about; empty where there is none."""
    post: str
    body: Mapping[str, Any]
    """JSON values only."""
    origin: str = ""
    """The journal it came from, where it is not this one; ``origin_seq`` is its number there."""
    origin_seq: int | None = None
    extra: object = None
    """Not recorded: handed to the projections."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands in the journal, without its body."""

    journal_id: str
    seq: int
    known_at: int
    """UTC microseconds."""
    kind: str
    subject: str
    post: str
    leaf: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a journal; ``seq`` is 0 where there is none yet."""

    journal_id: str
    seq: int
    known_at: int
    chain: bytes

    @property
    def as_of(self) -> int:
        """The cut that sees all of this journal, with a strict ``<``: UTC microseconds."""
        return self.known_at + 1


class Journal:
    """Appends records, and tells what stands."""

    def __init__(
        self,
        store: Store,
        projections: "Sequence[Projection]" = (),
        clock: "Clock | None" = None,
    ) -> None:
        """Without a clock PostgreSQL's is used, one for all processes; on SQLite the machine's."""
        raise NotImplementedError

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Record all of them or none, durably, with what the projections make of them."""
        raise NotImplementedError

    def head(self, connection: Connection) -> Head:
        """Return the last record that this connection's snapshot sees."""
        raise NotImplementedError

    def entry(self, connection: Connection, seq: int) -> Entry:
        """Return a record; raises ``NotFoundError``."""
        raise NotImplementedError

    def body(self, connection: Connection, seq: int) -> dict[str, Any]:
        """Return a record's body; raises ``NotFoundError``, also where it was erased."""
        raise NotImplementedError

    def ensure_recent(self) -> None:
        """Append a ``tick`` where the head lies more than a second back, so that windows move on."""
        raise NotImplementedError
