"""Tables of the log and of its merge, and the binary layout of an event's rows.

Twenty counters of a crossing lie on twenty pages of the counters' table. The log has them in one
row, in order of time: written in the transaction that records the crossing, and merged later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 - named as a class is
from typing import NoReturn

from sqlalchemy import Column, Connection, LargeBinary, SmallInteger, Table

from engine.errors import DamagedStoreError
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows

COUNTER_LOG = Table(
    "counter_log",
    METADATA,
    Column("known_at", Int64, primary_key=True, autoincrement=False),
    Column("rows", LargeBinary, nullable=False),
)
"""Counter rows that are not merged yet: those of the events that were recorded together, under the
time of the last of them."""
COUNTER_MERGE = Table(
    "counter_merge",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    *declare_columns(Int64, "generation", "merged", "frozen", "grp", "entity", "reached"),
)
"""One row, how far the log is merged; see :class:`LogState`. None before the first merge."""

Counter = tuple[int, int]
"""(group number, entity key)."""
Row = tuple[int, int, int, bytes]
"""(group number, entity key, known_at, state)."""
Place = tuple[Counter, slice]
"""((group number, entity key), where its state lies in the bytes of an event)."""

_EVENT = Struct("<qHI")
"""Time, number of counters, bytes of their states."""
_COUNTER = Struct("<IqHH")
"""Group, entity, and where its state begins and ends."""
_STATE = (
    "SELECT generation, merged, frozen, grp, entity, reached FROM counter_merge "
    "UNION ALL SELECT -1, MAX(known_at), (SELECT MAX(known_at) FROM journal), 0, 0, 0 "
    "FROM counter_log"
)
_AFTER = "SELECT known_at, rows FROM counter_log WHERE known_at > ? ORDER BY known_at"


START = (-1, 0, 0)
"""A merge that has not reached any row."""


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log is merged, in one snapshot; times in UTC microseconds."""

    generation: int = 0
    """Another one wherever counters were replaced or deleted: what was remembered is void."""
    merged: int = 0
    """Everything known until then is in the table of counters."""
    frozen: int = 0
    """Everything known until then is being merged; not later than ``merged`` where nothing is."""
    reached: tuple[int, int, int] = START
    """(group, entity, known_at) of the last row that was merged of what is frozen."""
    newest: int = 0
    """Time of the last events in the log, 0 where it is empty."""

    @property
    def end(self) -> int:
        """Time of the last events that were counted through the log."""
        return max(self.merged, self.newest)

    @property
    def is_merging(self) -> bool:
        """Tell whether a part of the log is being merged."""
        return self.frozen > self.merged


def read_state(connection: Connection) -> LogState:
    """Return how far the log is merged that a connection sees.

    Raises ``DamagedStoreError`` for a time that the journal has not reached: whatever is recorded
    next would not be read.
    """
    *found, (_, newest, head, *_) = sorted(fetch_rows(connection, _STATE), reverse=True)
    if newest and head and newest > head:
        _refuse_key(newest)
    if not found:
        return LogState(newest=newest or 0)
    generation, merged, frozen, group, entity, reached = found[0]
    if head and max(merged, frozen) > head:
        why = "counter_merge: the journal has not come as far as it says"
        raise DamagedStoreError(why, COUNTER_MERGE.name, "one 1")
    return LogState(generation, merged, frozen, (group, entity, reached), newest or 0)


def read_rows(connection: Connection, *, after: int) -> Iterator[Row]:
    """Yield the rows of the log known after a time (UTC microseconds), in order of time.

    Raises ``DamagedStoreError`` for a row whose key is not the time of the last event in it.
    """
    for known_at, packed in fetch_rows(connection, _AFTER, [after]):
        try:
            events = list(_unpack_events(bytes(packed)))
        except (StructError, TypeError):
            _refuse_key(known_at)
        if not events or events[-1][0] != known_at:
            _refuse_key(known_at)
        for _, rows in events:
            yield from rows


def _refuse_key(known_at: int) -> NoReturn:
    key = f"known_at {known_at}"
    why = f"counter_log, {key}: its key is not the time of what it holds"
    raise DamagedStoreError(why, COUNTER_LOG.name, key)


def pack_event(known_at: int, places: Iterable[Place], states: bytes) -> bytes:
    """Return the rows of one event as the log holds them."""
    each = [_COUNTER.pack(group, entity, part.start, part.stop) for (group, entity), part in places]
    return b"".join((_EVENT.pack(known_at, len(each), len(states)), *each, states))


def unpack_rows(packed: bytes) -> Iterator[Row]:
    """Yield the rows of the events that were packed one after another."""
    for _, rows in _unpack_events(packed):
        yield from rows


def _unpack_events(packed: bytes) -> Iterator[tuple[int, list[Row]]]:
    """Yield the time of each event, and its rows."""
    at = 0
    while at < len(packed):
        known_at, count, size = _EVENT.unpack_from(packed, at)
        begin = at + _EVENT.size
        states = begin + count * _COUNTER.size
        counters = _COUNTER.iter_unpack(packed[begin:states])
        yield (
            known_at,
            [
                (group, entity, known_at, packed[states + start : states + stop])
                for group, entity, start, stop in counters
            ],
        )
        at = states + size
