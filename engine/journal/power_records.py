"""Records that grant or withdraw power, verified against the hash chain when they are read.

The state of keys, people, dual control, models and shift seeds follows from these records, never
from a table derived from them: an edit of such a table has no effect. A record counts only where
its body matches its leaf and its other fields match its chain value. Assumes that the chain was not
recomputed: ``darvoza verify`` and receipts detect that. Records of these kinds are few. Two partial
indexes, which leave out what is recorded for every vehicle, find them among millions; without the
indexes the result is the same, but slower.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Lock
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Index, text

from engine.errors import ErasedError, NotFoundError
from engine.journal.areas import list_rules
from engine.journal.entries import JournalRecord
from engine.journal.hash_chain import GENESIS, ChainedFields, chain_of, leaf_of
from engine.journal.journal import JOURNAL
from engine.storage.database import fetch_rows, fetch_rows_among, is_snapshot, memory_of
from engine.storage.dialect import Dialect

FREQUENT: Final = tuple(sorted(kind for kind, rule in list_rules().items() if rule.is_frequent))
"""Kinds that are not indexed: there can be one for a vehicle, a page that is read or a second. None
of them grants power. The list is part of two indexes: another kind in it needs a migration, a new
kind that is rare does not."""


def _spell_predicate(prefix: str = "") -> str:
    # Not "kind NOT IN (...)": SQLite would build a table of the list for every row that it inserts.
    return " AND ".join(f"{prefix}kind <> '{kind}'" for kind in FREQUENT)


PREDICATE = _spell_predicate()
"""Condition of the partial indexes."""
for _name, _columns in (
    ("journal_power_ix", (JOURNAL.c.kind, JOURNAL.c.seq)),
    ("journal_power_subject_ix", (JOURNAL.c.subject, JOURNAL.c.seq)),
):
    Index(_name, *_columns, sqlite_where=text(PREDICATE), postgresql_where=text(PREDICATE))

_SELECT = """
SELECT j.seq, j.known_at, j.kind, j.subject, j.post, j.origin, j.origin_seq, j.leaf, j.chain,
       p.chain, b.salt, b.body, i.journal_id
FROM journal j CROSS JOIN journal_identity i
LEFT JOIN journal p ON p.seq = j.seq - 1
LEFT JOIN journal_bodies b ON b.seq = j.seq
WHERE """


def _condition(connection: Connection, kinds: Sequence[str], prefix: str = "") -> str:
    """Return a condition under which a store uses the indexes; raises ``ValueError`` if none does.

    SQLite uses them where a query repeats their condition word for word. PostgreSQL infers it from
    the kinds, in less time than it takes to read it.
    """
    if left_out := set(kinds).intersection(FREQUENT):
        raise ValueError(f"kinds without an index: {', '.join(sorted(left_out))}")
    among = f"{prefix}kind IN ({', '.join(repr(str(kind)) for kind in kinds)})"
    return f"{_spell_predicate(prefix)} AND {among}" if Dialect.of(connection).is_sqlite else among


_NAME = "newest records"
PowerRecord = JournalRecord[Mapping[str, Any] | None]
"""A record whose body is None where it is erased or does not match the chain."""


def read_records(
    connection: Connection,
    kinds: Sequence[str],
    *,
    subject: str | None = None,
    subjects: Sequence[str] | None = None,
    after: int = 0,
) -> list[PowerRecord]:
    """Return the records of some kinds in the journal's order, of ``subject`` or ``subjects``.

    Of all subjects where neither is given; ``subjects`` has at most some thousands.
    """
    where = f"{_condition(connection, kinds, 'j.')} AND j.seq > ?"
    asked: list[object] = [after]
    if subject is not None:
        subjects = [subject]
    if subjects is not None:
        condition, values = Dialect.of(connection).among(subjects)
        where, asked = f"{where} AND j.subject {condition}", [*asked, *values]
    # Sorted here: with ORDER BY, SQLite scans the whole journal instead of the index.
    rows = sorted(fetch_rows(connection, f"{_SELECT}{where}", asked), key=itemgetter(0))
    return [_record(row) for row in rows]


def find_first_records(
    connection: Connection, kinds: Sequence[str], subjects: Sequence[str]
) -> dict[str, int]:
    """Return the number of the first record of some kinds about each of these subjects."""
    where = _condition(connection, kinds)
    query = f"SELECT subject, seq FROM journal WHERE {where} AND subject"  # noqa: S608
    rows = fetch_rows_among(connection, query, subjects)
    return {row[0]: row[1] for row in sorted(rows, key=itemgetter(1), reverse=True)}


def read_record(connection: Connection, seq: int) -> PowerRecord | None:
    """Return one record of any kind, None where there is none."""
    rows = fetch_rows(connection, f"{_SELECT}j.seq = ?", [seq])
    return _record(rows[0]) if rows else None


def read_proven(connection: Connection, seq: int, *kinds: str) -> JournalRecord[Mapping[str, Any]]:
    """Return a record of one of these kinds that the chain proves.

    Raises ``ErasedError``, and ``NotFoundError`` for any other record.
    """
    found = read_record(connection, seq)
    if found is None or found.kind not in kinds:
        raise NotFoundError("record", str(seq))
    if found.body is None:
        is_erased = not fetch_rows(connection, "SELECT 1 FROM journal_bodies WHERE seq = ?", [seq])
        raise ErasedError(found.kind, "") if is_erased else NotFoundError("record", str(seq))
    return cast("JournalRecord[Mapping[str, Any]]", found)


def has_new_records(connection: Connection, kinds: Sequence[str], *, after: int) -> bool:
    """Tell whether records of some kinds were added; takes microseconds where none was.

    All who ask in one snapshot share one statement.
    """
    newest = _newest_of(connection)
    if newest is not None:
        return any(newest.get(kind, 0) > after for kind in kinds)
    where = f"{_condition(connection, kinds)} AND seq > ?"
    return bool(fetch_rows(connection, f"SELECT 1 FROM journal WHERE {where} LIMIT 1", [after]))  # noqa: S608


@dataclass(slots=True)
class _NewestRecords:
    """The number of the newest record of each kind, up to a record; of one store and process."""

    upto: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def look(self, snapshot: Connection) -> dict[str, int] | None:
        """Return them as a snapshot sees them; None where it is older than what is known."""
        with self.lock:
            found = fetch_rows(snapshot, _ADDED, [self.upto, MOST]) if self.upto else []
            if not found and self.upto:
                return None
            if 0 < len(found) < MOST:
                self.by_kind = self.by_kind | {kind: seq for seq, kind in found}
                self.upto = found[-1][0]
            else:
                self.by_kind = dict(fetch_rows(snapshot, _NEWEST))
                self.upto = fetch_rows(snapshot, "SELECT max(seq) FROM journal")[0][0] or 0
            return self.by_kind


MOST = 10_000
"""Records since the last look from which on the index is asked for all kinds again."""
_NEWEST = f"SELECT kind, max(seq) FROM journal WHERE {PREDICATE} GROUP BY kind"  # noqa: S608
_ADDED = "SELECT seq, kind FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?"
"""What was added, after the last record that was known: without that one a snapshot is older."""
_SNAPSHOTS: "WeakKeyDictionary[Any, dict[str, int]]" = WeakKeyDictionary()
"""What was found, by transaction."""


def _newest_of(connection: Connection) -> dict[str, int] | None:
    """Return the newest record of each kind in a snapshot, where it is known.

    Not in a transaction that writes: what it adds may be undone.
    """
    transaction = connection.get_transaction()
    if transaction is None or not is_snapshot(connection):
        return None
    found = _SNAPSHOTS.get(transaction)
    if found is None:
        memory: _NewestRecords = memory_of(connection).setdefault(_NAME, _NewestRecords())
        found = memory.look(connection)
        if found is not None:
            _SNAPSHOTS[transaction] = found
    return found


def find_last_sequence(connection: Connection, kind: str) -> int | None:
    """Return the number of the last record of a kind, None where there is none."""
    where = _condition(connection, (kind,))
    query = f"SELECT seq FROM journal WHERE {where} ORDER BY seq DESC LIMIT 1"  # noqa: S608
    rows = fetch_rows(connection, query)
    return rows[0][0] if rows else None


def find_first_sequence(connection: Connection, known_at: int) -> int:
    """Return the number of the first record known since an instant, 0 where there is none."""
    query = "SELECT min(seq) FROM journal WHERE known_at >= ?"
    found = fetch_rows(connection, query, [known_at])
    return found[0][0] or 0


def read_last_known_at(connection: Connection) -> int:
    """Return when the last record became known, 0 where there is none: microseconds."""
    return fetch_rows(connection, "SELECT max(known_at) FROM journal")[0][0] or 0


class RecordTail:
    """Reads records of some kinds: all of them first, then those added since."""

    def __init__(self, kinds: Sequence[str], *, after: int = 0) -> None:
        self._kinds = tuple(kinds)
        self._last = after

    def read_new(self, connection: Connection) -> list[PowerRecord]:
        """Return the records added since the last call; empty for an older snapshot."""
        if not has_new_records(connection, self._kinds, after=self._last):
            return []
        found = read_records(connection, self._kinds, after=self._last)
        if found:  # an edited journal may not have what was added to it any more
            self._last = found[-1].seq
        return found


def _record(row: Sequence[Any]) -> PowerRecord:
    seq, known_at, kind, subject, post = row[:5]
    return JournalRecord(seq, known_at, kind, subject, post, _proven_body(row))


def _proven_body(row: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return a body that matches its leaf, of a record that matches its chain value."""
    chain, before, salt, body, journal_id = row[8:]
    previous = GENESIS if row[0] == 1 else before
    if previous is None or body is None:
        return None
    try:
        link = ChainedFields(*row[:8])._replace(leaf=bytes(row[7]))
        is_proven = leaf_of(bytes(salt), bytes(body)) == link.leaf and bytes(chain) == chain_of(
            bytes(previous), journal_id, link
        )
        found = json.loads(body) if is_proven else None
    except (TypeError, ValueError, AttributeError):  # a value of a wrong type
        return None
    return found if isinstance(found, dict) else None
