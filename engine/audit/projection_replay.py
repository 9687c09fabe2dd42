"""The journal replayed through the projections into an empty store.

A projection depends on its records alone, so the same code over the same records gives the same
rows. Records are read in order and applied in batches, in bounded memory. Data that a projection
got without a record (the digest of a key, the secret seed of a shift) come from ``restore``, which
trusts the live store only where a record commits to the data.

Assumes that the journal itself was verified (:mod:`engine.audit.verification`). A record that a
projection rejects is skipped and reported: it cannot have been recorded that way.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Row, column, create_engine, event, select, table

from engine.journal.areas import list_declared_tables, list_rules
from engine.journal.entries import Draft, Entry, JournalFault, Projection, ProjectionInput
from engine.journal.hash_chain import leaf_of
from engine.journal.journal import BODIES
from engine.journal.kinds import DECISION
from engine.storage.database import insert_rows

AT_ONCE = 1_000
"""Records that are applied together."""
READ_BACK = frozenset(kind for kind, rule in list_rules().items() if rule.is_read_back)
"""Kinds whose earlier records some projections look up."""
Pair = tuple[Entry, Draft]
Restore = Callable[[Entry, Mapping[str, Any]], ProjectionInput | None]
"""What rode on a record's draft, from its entry and its body."""

# Without types, because an edit may have left any: what comes is what the driver found.
_COLUMNS = ("seq", "known_at", "kind", "subject", "post", "origin", "origin_seq", "leaf")
_JOURNAL = table("journal", *map(column, _COLUMNS))
_BODIES = table("journal_bodies", *map(column, ("seq", "salt", "body")))
_RECORDS = (
    select(*_JOURNAL.c, _BODIES.c.salt, _BODIES.c.body)
    .select_from(_JOURNAL.outerjoin(_BODIES, _BODIES.c.seq == _JOURNAL.c.seq))
    .order_by(_JOURNAL.c.seq)
)


@contextmanager
def open_scratch_store() -> Iterator[Connection]:
    """Open a temporary SQLite database with every table, empty; it is deleted afterwards."""
    with TemporaryDirectory(prefix="darvoza-replay-") as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'replay.sqlite'}")
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        try:
            with engine.connect() as connection:
                list_declared_tables().create_all(connection)
                yield connection
        finally:
            engine.dispose()


def _prepare(raw: Any, _record: object) -> None:
    raw.isolation_level = None
    for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "cache_size = -65536"):
        raw.execute(f"PRAGMA {pragma}")  # this database is not read after a crash


@dataclass(slots=True)
class Replay:
    """Applies records to a scratch store, from where it stands to the last one that is seen."""

    projections: Sequence[Projection]
    restore: Mapping[str, Restore]
    """By kind of record."""
    alone: frozenset[str] = frozenset()
    """Kinds that are applied alone, because their change depends on all records before them."""
    seq: int = 0
    """The last record that was applied."""
    unread: dict[int, int] = field(default_factory=dict)
    """Time of each record whose body is missing or altered, and which is not replayed."""
    kinds_unread: set[str] = field(default_factory=set)

    def advance(self, live: Connection, target: Connection) -> Iterator[JournalFault]:
        """Apply the later records of a snapshot of the live store; yield those that fail."""
        records = _RECORDS.where(_JOURNAL.c.seq > self.seq)
        rows = live.execute(records, execution_options={"yield_per": AT_ONCE})
        for batch in _batches(self._drafts(rows), self.alone):
            yield from self._apply(target, batch)

    def _drafts(self, rows: "Iterator[Row[Any]] | Any") -> Iterator[tuple[Pair, Row[Any]]]:
        for row in rows:
            self.seq = row.seq
            body = _body_of(row)
            if body is None:
                self.unread[row.seq] = row.known_at
                self.kinds_unread.add(row.kind)
                continue
            about = (row.seq, row.known_at, row.kind, row.subject, row.post)
            entry = Entry("", *about, leaf=b"", chain=b"")
            restore = self.restore.get(row.kind)
            extra = None if restore is None else _restore_extra(restore, entry, body)
            draft = Draft(*about[2:], body, row.origin, row.origin_seq, extra)
            yield (entry, draft), row

    def _apply(
        self, target: Connection, batch: Sequence[tuple[Pair, Row[Any]]]
    ) -> Iterator[JournalFault]:
        """Apply a batch; a record that makes it fail is found by halving."""
        try:
            with target.begin_nested():
                read_back = [row for _, row in batch if row.kind in READ_BACK]
                rows = [(row.seq, row.salt, row.body) for row in read_back]
                insert_rows(target, BODIES, rows)
                pairs = [pair for pair, _ in batch]
                for projection in self.projections:
                    projection(target, pairs)
        except Exception as error:  # any exception that an unfit record raises
            if len(batch) == 1:
                why = f"it does not fit the records before it ({type(error).__name__})"
                yield JournalFault(batch[0][1].seq, "replay", why)
                return
            half = len(batch) // 2
            yield from chain(self._apply(target, batch[:half]), self._apply(target, batch[half:]))


def _body_of(row: Row[Any]) -> dict[str, Any] | None:
    """Return a body that matches its leaf; an altered one is reported by the verification."""
    try:
        if leaf_of(row.salt, row.body) != row.leaf:
            return None
        body = json.loads(row.body)
    except (TypeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _restore_extra(
    restore: Restore, entry: Entry, body: Mapping[str, Any]
) -> ProjectionInput | None:
    try:
        return restore(entry, body)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None  # the projection refuses it, or its row differs


def _batches(
    drafts: Iterator[tuple[Pair, Row[Any]]], alone: frozenset[str]
) -> Iterator[list[tuple[Pair, Row[Any]]]]:
    """Split records into batches with the same result as one record after another.

    Within a batch decisions join before anything else happens: a decision that follows an act, a
    release or a review of its own crossing (an amendment) begins a new batch.
    """
    batch: list[tuple[Pair, Row[Any]]] = []
    touched: set[str] = set()
    for one in drafts:
        (entry, draft), _ = one
        crossing = draft.body.get("crossing_id")
        is_alone = entry.kind in alone
        follows = entry.kind == DECISION and crossing in touched
        if batch and (is_alone or follows or len(batch) == AT_ONCE):
            yield batch
            batch, touched = [], set()
        batch.append(one)
        if isinstance(crossing, str):
            touched.add(crossing)
        if is_alone:
            yield batch
            batch, touched = [], set()
    if batch:
        yield batch
