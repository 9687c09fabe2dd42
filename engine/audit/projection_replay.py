"""The journal replayed through the projections into an empty store, and compared with the live one.

A projection depends on its records alone, so the same code over the same records gives the same
rows. Records are read in order and applied in batches, in bounded memory. Data that a projection
got without a record (the digest of a key, the secret seed of a shift) come from ``restore``, which
trusts the live store only where a record commits to the data.

Assumes that the journal itself was verified (:mod:`engine.audit.verification`). A record that a
projection rejects is skipped and reported: it cannot have been recorded that way.

An edited SQLite file can have a value of any type in a column, which a reader would stumble over.
So the types are compared first (:func:`find_type_faults`), and rows are read without types. Both
stores return rows in the order of their key, so any number is compared in bounded memory. A
difference names the table, the row and the columns, and never a value: some are secrets,
and some are about persons.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    column,
    create_engine,
    event,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from engine.errors import DamagedStoreError
from engine.journal.areas import list_declared_tables, list_rules, list_tables
from engine.journal.entries import Draft, Entry, JournalFault, Projection, ProjectionInput
from engine.journal.hash_chain import leaf_of
from engine.journal.journal import BODIES
from engine.journal.kinds import DECISION
from engine.storage.database import insert_rows
from engine.storage.dialect import Dialect

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


Values = tuple[Any, ...]
Ranked = tuple[tuple[int, Any], ...]
_AT_ONCE = 2_000
_CLOSE = 1e-9
"""Relative difference of two sums of the same numbers in another order."""
_RECORD_COLUMNS = ("seq", "opened_seq", "decision_seq")
_TIME_COLUMNS = ("known_at", "created_at", "signed_in_at")


@dataclass(frozen=True, slots=True)
class Identity:
    """Columns that identify the rows of a table, and columns that a fault shows."""

    by: tuple[str, ...]
    shown: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """Compares tables of the live store with those of a replay."""

    live: Connection
    replayed: Connection
    unread: Mapping[int, int] = field(default_factory=dict)
    """Sequence and time of records that could not be replayed: rows that stand on them pass."""
    behind: Mapping[str, Callable[[Connection], Sequence[Values]]] = field(default_factory=dict)
    """By table, what reads the rows that wait elsewhere to be written to it, in its order."""
    packed: Mapping[str, Callable[[Iterable[Values]], Iterable[Values]]] = field(
        default_factory=dict
    )
    """By table, what yields the rows that are packed into those of the store, in the same order."""
    rows: int = 0
    """Rows of the live store that were compared."""

    def faults(self, table: Table) -> Iterator[JournalFault]:
        """Yield every difference of one table."""
        try:
            yield from self._differences(table)
        except DamagedStoreError as error:  # of a table whose rows are written to this one later
            yield JournalFault(0, "differs", error.why, error.table, error.key)
        except (DBAPIError, UnicodeDecodeError) as error:
            why = f"{table.name}: cannot be read ({type(error).__name__})"
            yield JournalFault(0, "unreadable", why, table.name)

    def kept(self, table: Table) -> Iterator[dict[str, Any]]:
        """Yield the live rows that stand on records which could not be replayed."""
        if not self.unread:
            return
        known = {row[0] for row in self._stream(self.replayed, table)}
        for key, row in self._stream(self.live, table):
            if key not in known and self._stands_on_unread(table, row):
                yield {
                    column.name: bool(value) if isinstance(column.type, Boolean) else value
                    for column, value in zip(table.c, row, strict=True)
                }

    def _differences(self, table: Table) -> Iterator[JournalFault]:
        live, replayed = self._stream(self.live, table), self._stream(self.replayed, table)
        one, other = next(live, None), next(replayed, None)
        while one is not None or other is not None:
            if other is None or (one is not None and one[0] < other[0]):
                assert one is not None  # noqa: S101 - by the condition of the loop
                self.rows += 1
                if not self._stands_on_unread(table, one[1]):
                    yield _fault(table, one[1], "extra", "no record says so")
                one = next(live, None)
            elif one is None or other[0] < one[0]:
                yield _fault(table, other[1], "missing", "a record says that it is there")
                other = next(replayed, None)
            else:
                self.rows += 1
                names = _unequal(table, one[1], other[1])
                if names and not self._stands_on_unread(table, one[1]):
                    yield _fault(table, one[1], "differs", ", ".join(names))
                one, other = next(live, None), next(replayed, None)

    def _stream(self, connection: Connection, table: Table) -> Iterator[tuple[Ranked, Values]]:
        by = [table.c.keys().index(name) for name in identity_of(table).by]

        def rank(row: Sequence[Any]) -> tuple[Ranked, Values]:
            values = tuple(map(_plain, row))
            return tuple(_sort_key(values[place]) for place in by), values

        query = _query(table, Dialect.of(connection))
        behind = self.behind[table.name](connection) if table.name in self.behind else ()
        found = connection.exec_driver_sql(query, execution_options={"yield_per": _AT_ONCE})
        rows = self.packed[table.name](found) if table.name in self.packed else found
        yield from merge(map(rank, rows), map(rank, behind), key=itemgetter(0))

    def _stands_on_unread(self, table: Table, row: Values) -> bool:
        if not self.unread:
            return False
        known = dict(zip(table.c.keys(), row, strict=True))
        times = self.unread.values()
        return any(known.get(name) in self.unread for name in _RECORD_COLUMNS) or any(
            known.get(name) in times for name in _TIME_COLUMNS
        )


def identity_of(table: Table) -> Identity:
    """Return the columns that identify the rows of a table."""
    key = tuple(column.name for column in table.primary_key)
    rule = list_tables().get(table.name)
    return Identity(rule.identity, rule.shown) if rule and rule.identity else Identity(key, key)


def _query(table: Table, dialect: Dialect) -> str:
    """Return a statement for every row, in one order on both stores: that of the bytes."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    order = ", ".join(dialect.order_by(table, name) for name in identity_of(table).by)
    return f"SELECT {names} FROM {table.name} ORDER BY {order}"  # noqa: S608 - our own names


def _plain(value: Any) -> Any:
    """Return a value as both stores have it: a truth value as 0 or 1, bytes as bytes."""
    if isinstance(value, bool):
        return int(value)
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _sort_key(value: Any) -> tuple[int, Any]:
    """Return a value as SQLite orders it, whatever its type."""
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return (2, value) if isinstance(value, str) else (3, value)


def _unequal(table: Table, one: Values, other: Values) -> list[str]:
    rule = list_tables().get(table.name)
    texts = rule.json_columns if rule else frozenset()
    pairs = zip(table.c.keys(), one, other, strict=True)
    return [
        name
        for name, value, content in pairs
        if not _is_equal(value, content) and not (name in texts and _is_equal_json(value, content))
    ]


def _is_equal_json(one: Any, other: Any) -> bool:
    """Tell whether two texts are one JSON value, in whatever order their keys stand."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except (TypeError, ValueError, RecursionError):
        return False


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=_CLOSE)
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return bool(one == other) and (numbers or type(one) is type(other))


def _fault(table: Table, row: Values, rule: str, why: str) -> JournalFault:
    return _name_fault(table, dict(zip(table.c.keys(), row, strict=True)), rule, why)


def _name_fault(table: Table, row: Mapping[str, Any], rule: str, why: str) -> JournalFault:
    key, seq = name_row(table, row), row.get("seq", row.get("opened_seq"))
    where = seq if isinstance(seq, int) else 0
    return JournalFault(where, rule, f"{table.name}, {key}: {why}", table.name, key)


def name_row(table: Table, row: Mapping[str, Any]) -> str:
    """Return the columns of a row that identify it and may be shown, with their values."""
    key = ", ".join(f"{name} {_plain(row[name])}" for name in identity_of(table).shown)
    return key.encode("utf-8", "backslashreplace").decode()  # text may be no text


STORED_AS: Mapping[type[TypeEngine[Any]], str] = {
    Boolean: "integer",
    Integer: "integer",
    Float: "real",
    LargeBinary: "blob",
    String: "text",
}
"""What SQLite calls the values of a column's type."""


def find_type_faults(connection: Connection, metadata: MetaData) -> Iterator[JournalFault]:
    """Yield every row with a value of another type than its column states.

    SQLite keeps any value in any column; PostgreSQL refuses it, so there is nothing to look for.
    """
    if not Dialect.of(connection).is_sqlite:
        return
    for declared in metadata.tables.values():
        identity, names = identity_of(declared), declared.c.keys()
        shown = ", ".join(f'"{name}"' for name in identity.shown)
        types = ", ".join(f'typeof("{name}")' for name in names)
        stated = {
            column.name: next(
                name for family, name in STORED_AS.items() if isinstance(column.type, family)
            )
            for column in declared.columns
        }
        fits = " AND ".join(
            f"typeof(\"{name}\") IN ('{kind}', 'null')" for name, kind in stated.items()
        )
        query = f"SELECT {shown}, {types} FROM {declared.name} WHERE NOT ({fits})"  # noqa: S608 - ours
        for row in connection.exec_driver_sql(query):
            key = dict(zip(identity.shown, row, strict=False))
            found = zip(names, row[len(identity.shown) :], strict=True)
            others = [name for name, kind in found if kind not in (stated[name], "null")]
            yield _name_fault(declared, key, "type", f"{', '.join(others)}: of another type")


def tables_of(metadata_tables: Mapping[str, Table], skipped: Mapping[str, str]) -> Sequence[Table]:
    """Return the tables that are compared: all but those with a reason why not."""
    return [metadata_tables[name] for name in sorted(metadata_tables) if name not in skipped]
