"""Identifiers of decisions, written behind: a log in order of time, merged by key in slices.

Eighteen texts of a decision lie on as many pages of their table. The transaction that records
decisions puts theirs in one row of the log. Once the log is long enough a part of it is frozen, and
every later append merges a slice of that part, sorted by key, so that texts that share a page are
written together. A row is its own key and never changes: unlike counters
(:mod:`features.online.counter_log`) it needs no memory of what stood before, and a search reads the
log itself, in its own snapshot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from secrets import randbits
from struct import Struct
from struct import error as StructError  # noqa: N812 - named as a class is

from sqlalchemy import (
    Column,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from engine.errors import DamagedStoreError
from engine.storage.database import (
    METADATA,
    Int64,
    declare_columns,
    execute_many,
    fetch_rows,
    insert_rows,
    memory_of,
    record_table,
    upsert_rows,
)
from engine.storage.dialect import Dialect

IDENTIFIERS = Table(
    "decision_identifiers",
    METADATA,
    *declare_columns(LargeBinary, "text"),
    *declare_columns(SmallInteger, "kind"),
    *declare_columns(Int64, "seq"),
    PrimaryKeyConstraint("text", "kind", "seq", name="decision_identifiers_pk"),
    sqlite_with_rowid=False,
)
IDENTIFIER_LOG = record_table("identifier_log", *declare_columns(LargeBinary, "texts"))
"""Rows that may not be in their table yet: those of decisions that were recorded together, under
the number of the last of them."""
IDENTIFIER_MERGE = Table(
    "identifier_merge",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    *declare_columns(Int64, "run", "frozen", "reached"),
)
"""One row, how far the log is merged; see :class:`MergeState`. None before the first merge."""

LONGEST = 2_000
"""Records from the oldest of the log to the newest from which on it is frozen: 36,000 texts."""
AT_ONCE = 256
"""Decisions of one append up to which they go to the log; more are a bulk and go to the table."""
FASTER, LEAST = 2, 64
"""Rows that an append merges for each that it adds, and at least: a merge is over before the next
one begins."""

Text = tuple[bytes, int]
"""(folded text, kind of identifier)."""
Row = tuple[bytes, int, int]
"""(folded text, kind of identifier, number of the record)."""

_NAME = "identifier merge"
_DECISION, _TEXT = Struct("<qH"), Struct("<BH")
"""Number of the record and how many texts follow; kind and length of one."""
_STATE = "SELECT run, frozen, reached, (SELECT MAX(seq) FROM journal) AS head FROM identifier_merge"
_ENDS = "SELECT (SELECT min(seq) FROM identifier_log), (SELECT max(seq) FROM identifier_log)"
_LOG = "SELECT seq, texts FROM identifier_log WHERE seq > ? AND seq <= ? ORDER BY seq"
_DELETE = "DELETE FROM identifier_log WHERE seq <= ?"
_END = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class MergeState:
    """How far a frozen part of the log is merged."""

    run: int = 0
    """Drawn for every merge, so that no process goes on with rows that it remembers of another."""
    frozen: int = 0
    """Number of the last record of the frozen part; 0 where nothing is being merged."""
    reached: int = 0
    """Rows of it, sorted by key, that are in the table."""


def append(connection: Connection, decisions: Sequence[tuple[int, Sequence[Text]]]) -> None:
    """Keep the texts of some decisions by the number of their record, and merge a slice.

    Inside the writer's transaction, decisions in the order of their records.
    """
    if not decisions:
        return
    if len(decisions) > AT_ONCE:
        rows = [(*text, seq) for seq, texts in decisions for text in texts]
        _insert(connection, rows)
        return
    added = sum(len(texts) for _, texts in decisions)
    _merge_slice(connection, most=max(LEAST, FASTER * added))
    packed = b"".join([_pack(*one) for one in decisions])
    insert_rows(connection, IDENTIFIER_LOG, [(decisions[-1][0], packed)])


def settle(connection: Connection) -> None:
    """Merge all of the log, and empty it, inside the writer's transaction."""
    _insert(connection, read_waiting(connection))
    _empty(connection, upto=_END)


def void(connection: Connection) -> None:
    """Empty the log where the table is replaced, inside the writer's transaction."""
    _empty(connection, upto=_END)


def read_waiting(connection: Connection) -> list[Row]:
    """Return the rows that a snapshot has in the log alone, sorted by key."""
    state = _read_state(connection)
    frozen = sorted(_read_rows(connection, 0, state.frozen))[state.reached :]
    return sorted([*frozen, *_read_rows(connection, state.frozen, _END)])


def read_logged(connection: Connection, part: bytes) -> Iterator[Row]:
    """Yield the rows of the log, merged or not, that were recorded together with a text's part."""
    for seq, packed in fetch_rows(connection, _LOG, [0, _END]):
        if part in (texts := bytes(packed)):
            yield from _unpack(seq, texts)


def _merge_slice(connection: Connection, *, most: int) -> None:
    state = _read_state(connection)
    if not state.frozen:
        ((oldest, newest),) = fetch_rows(connection, _ENDS)
        if oldest is None or newest - oldest < LONGEST:
            return
        state = MergeState(randbits(62), newest)
    rows = _frozen_rows(connection, state)
    part = rows[state.reached : state.reached + most]
    _insert(connection, part)
    if state.reached + len(part) == len(rows):
        _empty(connection, upto=state.frozen)
    else:
        _write_state(connection, MergeState(state.run, state.frozen, state.reached + len(part)))


def _frozen_rows(connection: Connection, state: MergeState) -> list[Row]:
    """Return what is being merged, sorted by key; read from the log once a run and process."""
    memory = memory_of(connection)
    found: tuple[int, list[Row]] | None = memory.get(_NAME)
    if found is None or found[0] != state.run:
        found = memory[_NAME] = state.run, sorted(_read_rows(connection, 0, state.frozen))
    return found[1]


def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    # A row that an edit put there must not keep decisions from being recorded.
    insert_rows(connection, IDENTIFIERS, rows, skips_known=True)


def _empty(connection: Connection, *, upto: int) -> None:
    execute_many(connection, Dialect.of(connection).spell(_DELETE), [(upto,)])
    _write_state(connection, MergeState())
    memory_of(connection).pop(_NAME, None)


def _read_state(connection: Connection) -> MergeState:
    """Return how far a merge is; raises ``DamagedStoreError`` for more than there are records."""
    for run, frozen, reached, head in fetch_rows(connection, _STATE):
        if frozen > (head or _END):
            why = "identifier_merge: the journal has not come as far as it says"
            raise DamagedStoreError(why, IDENTIFIER_MERGE.name, "one 1")
        return MergeState(run, frozen, reached)
    return MergeState()


def _write_state(connection: Connection, state: MergeState) -> None:
    upsert_rows(connection, IDENTIFIER_MERGE, [(1, state.run, state.frozen, state.reached)])


def _read_rows(connection: Connection, after: int, upto: int) -> list[Row]:
    found = fetch_rows(connection, _LOG, [after, upto])
    return [row for seq, packed in found for row in _unpack(seq, packed)]


def _pack(seq: int, texts: Sequence[Text]) -> bytes:
    each = [_TEXT.pack(kind, len(text)) + text for text, kind in texts]
    return b"".join((_DECISION.pack(seq, len(each)), *each))


def _unpack(key: int, packed: bytes) -> list[Row]:
    """Return the rows that were packed together under a key, the number of their last record.

    Raises ``DamagedStoreError`` if the key is another.
    """
    last, rows = 0, list[Row]()
    try:
        packed, at = bytes(packed), 0
        while at < len(packed):
            last, count = _DECISION.unpack_from(packed, at)
            at += _DECISION.size
            for _ in range(count):
                kind, size = _TEXT.unpack_from(packed, at)
                begin = at + _TEXT.size
                at = begin + size
                rows.append((packed[begin:at], kind, last))
    except (StructError, TypeError):
        last = 0
    if last != key:
        row = f"seq {key}"
        why = f"identifier_log, {row}: its key is not the number of the last record in it"
        raise DamagedStoreError(why, IDENTIFIER_LOG.name, row)
    return rows
