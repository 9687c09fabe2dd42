"""Rows that an erasure takes from each table of the store.

Rows that say something of the erased records are deleted, or blanked where the row has to stay: an
identifier that was taken stays taken, and arrivals of an hour stay counted. Counters are sums under
digests of identifiers; those that no remaining crossing uses are deleted, so that the features of
every crossing that is kept stay exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, bindparam, delete, select, update

from engine.journal.areas import list_declared_tables, list_tables
from engine.journal.entries import Draft, Entry
from engine.queue.identifier_log import settle as settle_identifiers
from engine.storage.database import execute_many, fetch_rows
from engine.storage.dialect import Dialect
from features.catalogue.plan import Plan
from features.online.counter_log.merge import settle, void
from features.online.counter_store import insert
from features.online.crossing_index import PASSAGES, pack_keys, unpack_keys
from features.online.entity_links import ways
from features.online.state_layout import layouts

_AT_ONCE = 500
_PASSAGES = 20_000
Keys = NDArray[np.int64]


@dataclass(slots=True)
class ErasedRows:
    """Deletes and blanks rows in the transaction that records an erasure; a projection."""

    plan: Plan
    sequences: Sequence[int] = ()
    crossings: Sequence[str] = ()
    decisions: list[str] = field(default_factory=list)

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Take from every table what it holds of the erased records."""
        if Dialect.of(connection).is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        table = list_declared_tables().tables["decisions"]
        for some in _slices(self.sequences):
            query = select(table.c.decision_id).where(table.c.seq.in_(some))
            self.decisions += connection.scalars(query)
        keys = self._read_keys(connection)
        settle_identifiers(connection)  # so that their table has all of them
        for name, rule in list_tables().items():
            for column in rule.erased_by:
                self._erase(connection, list_declared_tables().tables[name], column, rule.blanked)
        if keys.size:
            connection.execute(
                update(PASSAGES)
                .where(PASSAGES.c.crossing_id == bindparam("which"))
                .values(entity_keys=pack_keys([0] * len(self.plan.lookups))),
                [{"which": name} for name in self.crossings],
            )
            self._delete_counters(connection, keys)

    def _ids(self, column: str) -> Sequence[object]:
        if column == "seq":
            return self.sequences
        return self.crossings if column == "crossing_id" else self.decisions

    def _erase(
        self, connection: Connection, table: Table, column: str, blanked: Mapping[str, object]
    ) -> None:
        """Delete the rows of the erased records, or write over what they say."""
        change = update(table).values(blanked) if blanked else delete(table)
        for some in _slices(self._ids(column)):
            connection.execute(change.where(table.c[column].in_(some)))

    def _read_keys(self, connection: Connection) -> Keys:
        """Return the keys of the erased crossings, an array of shape (crossings, lookups)."""
        found: list[bytes] = []
        for some in _slices(self.crossings):
            query = select(PASSAGES.c.entity_keys).where(PASSAGES.c.crossing_id.in_(some))
            found += connection.scalars(query)
        width = len(self.plan.lookups)
        rows = [unpack_keys(bytes(one)) for one in found]
        kept = [row[:width] for row in rows if width <= len(row) < width + 8]
        return np.array(kept, np.int64).reshape(-1, width)

    def _delete_counters(self, connection: Connection, keys: Keys) -> None:
        """Delete what was counted under keys that no remaining crossing has."""
        gone = np.setdiff1d(keys, [0])
        for some in _kept_keys(connection):
            gone = np.setdiff1d(gone, some, assume_unique=True)
        is_gone = np.isin(keys, gone)
        groups = {
            (layout.number, key)
            for group, layout in layouts(self.plan).items()
            for at in [self.plan.column[group.by, group.by]]
            for key in keys[is_gone[:, at], at].tolist()
        }
        linked = {
            (way.number, int(row[way.via]), int(row[way.to]))
            for way in ways(self.plan)
            for row in keys[is_gone[:, way.via] | is_gone[:, way.to]]
        }
        settle(connection, insert)
        spell = Dialect.of(connection).spell
        for sql, rows in (
            ("DELETE FROM counters WHERE grp = ? AND entity = ?", groups),
            ("DELETE FROM links WHERE way = ? AND via = ? AND other = ?", linked),
            ("DELETE FROM place_counts WHERE entity = ?", {(key,) for key in gone.tolist()}),
        ):
            execute_many(connection, spell(sql), list(rows))
        void(connection)


def _slices(ids: Sequence[object]) -> Iterator[Sequence[object]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _kept_keys(connection: Connection) -> Iterator[Keys]:
    """Yield the keys of the crossings that are left, some at a time, in bounded memory."""
    last = ""
    while rows := fetch_rows(connection, _NEXT, [last, _PASSAGES]):
        last = rows[-1][0]
        keys = [key for _, packed in rows for key in unpack_keys(bytes(packed))]
        yield np.unique(np.array(keys, np.int64))


_NEXT = (
    "SELECT crossing_id, entity_keys FROM passages WHERE crossing_id > ? "
    "ORDER BY crossing_id LIMIT ?"
)
