"""Two stores compared, table by table: the live one and the one replayed from its journal.

An edited SQLite file can have a value of any type in a column, which a reader would stumble over.
So the types are compared first (:func:`find_type_faults`), and rows are read without types. Both
stores return rows in the order of their key, so any number is compared in bounded memory. A
difference names the table, the row and the columns, and never a value: some are secrets,
and some are about persons.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import itemgetter
from typing import Any

from sqlalchemy import Boolean, Connection, Float, Integer, LargeBinary, String, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from engine.errors import DamagedStoreError
from engine.journal.areas import list_tables
from engine.journal.entries import JournalFault
from engine.storage.dialect import Dialect

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


def find_type_faults(connection: Connection, tables: Iterable[Table]) -> Iterator[JournalFault]:
    """Yield every row with a value of another type than its column states.

    SQLite keeps any value in any column; PostgreSQL refuses it, so there is nothing to look for.
    """
    if not Dialect.of(connection).is_sqlite:
        return
    for table in tables:
        identity, names = identity_of(table), table.c.keys()
        shown = ", ".join(f'"{name}"' for name in identity.shown)
        types = ", ".join(f'typeof("{name}")' for name in names)
        stated = {column.name: _stored_as(column.type) for column in table.columns}
        fits = " AND ".join(
            f"typeof(\"{name}\") IN ('{kind}', 'null')" for name, kind in stated.items()
        )
        query = f"SELECT {shown}, {types} FROM {table.name} WHERE NOT ({fits})"  # noqa: S608 - ours
        for row in connection.exec_driver_sql(query):
            key = dict(zip(identity.shown, row, strict=False))
            found = zip(names, row[len(identity.shown) :], strict=True)
            others = [name for name, kind in found if kind not in (stated[name], "null")]
            yield _name_fault(table, key, "type", f"{', '.join(others)}: of another type")


def _stored_as(kind: TypeEngine[Any]) -> str:
    return next(name for family, name in STORED_AS.items() if isinstance(kind, family))


def tables_of(metadata_tables: Mapping[str, Table], skipped: Mapping[str, str]) -> Sequence[Table]:
    """Return the tables that are compared: all but those with a reason why not."""
    return [metadata_tables[name] for name in sorted(metadata_tables) if name not in skipped]
