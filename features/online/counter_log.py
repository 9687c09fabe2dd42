"""Counter rows of the latest events, written behind.

Twenty counters of a crossing lie on twenty pages of the counters' table. The log has them in one
row, in order of time: written in the transaction that records the crossing, and merged later. A
part of the log is frozen once it is long enough, and every append then merges a slice of it, sorted
by key, next to its own events: rows that share a page of the table are written together, and no
append waits for all of them. How far a merge is stands in the store, written with the slice, so
that the next process to append goes on from there, after a crash too. Rows leave the log with the
last slice.

Each process remembers the log, so that every look-up sees the rows that are not merged. The memory
is a complete end of the counters: every row known after its base, merged or not. The last state
before a cut is therefore in it, or the table has it. The memory may be ahead of a snapshot, because
states once recorded never change: a cut in the snapshot's past cannot see them. It never lags
behind a snapshot, because the snapshot says what the log holds, and what is missing is read from
there. Rows are read back only once they are committed; a transaction that has written to the log
itself has a memory of its own.

Answers of the counters' table are remembered too. Up to a floor all rows are in the table and none
ever changes; behind the floor all are in the log. A state that stands before one cut stands before
every later cut up to the next row in the table, at most up to the floor; behind the floor the last
state of the table stands wherever the log has none.
"""

import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from struct import Struct
from struct import error as StructError  # noqa: N812 - named as a class is
from threading import Lock
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Connection, LargeBinary, SmallInteger, Table

from engine.errors import DamagedStoreError
from engine.storage.database import (
    METADATA,
    Int64,
    declare_columns,
    execute_many,
    fetch_rows,
    insert_rows,
    memory_of,
    upsert_rows,
)
from engine.storage.dialect import Dialect

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


def read_log_state(connection: Connection) -> LogState:
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


Known = dict[Counter, list[tuple[int, bytes]]]
"""(known_at, state) of each counter, in order of time."""

Window = tuple[int, int, int]
"""(group number, entity key, how long before a decision the cut lies)."""
Span = tuple[int, int, bytes | None]
"""(first cut, last cut, state): before each of these cuts that state stands in the table."""
ANY = (1 << 63) - 1
"""Last cut of a state that is the table's last one: until the floor moves on."""
UNREMEMBERED = -1
"""In the place of a window: what the table answers is not remembered."""
MOST_SPANS = 30_000
"""Answers of the table that are remembered, some 10 MB; then a process begins again."""

_LOG_MEMORY = "counter log"


@dataclass(frozen=True, slots=True)
class Overlay:
    """The rows of the log that one snapshot sees."""

    state: LogState
    newer: Known
    """Those that are not frozen."""
    older: Known
    """Those that are frozen or were merged lately."""
    size: int
    """Rows that are not frozen."""
    border: int
    """Time up to which rows are in ``older``, UTC microseconds."""
    end: int
    """The cut that sees all of the snapshot's log, and no row that another recorded since."""
    floor: int
    """Every row here is known after it, and no row that is known after it is in the table alone;
    UTC microseconds, 0 where not known."""
    spans: dict[Window, Span]
    """What the table answered, for counters whose rows go through the log."""

    def remember(self, answers: Mapping[Window, Span]) -> None:
        """Remember what the table answered."""
        if not self.floor:
            return
        if len(self.spans) >= MOST_SPANS:
            self.spans.clear()
        kept = {one: span for one, span in answers.items() if one[2] != UNREMEMBERED}
        self.spans.update(kept)

    def last(self, counter: Counter, cut: int) -> bytes | None:
        """Return the state before a cut (UTC microseconds), None where the table has to tell."""
        cut = min(cut, self.end)
        for part in (self.newer, self.older):
            known = part.get(counter)
            if known is None:
                continue
            known_at, state = known[-1]
            if known_at < cut:
                return state
            if known[0][0] < cut:
                return known[bisect_left(known, (cut,)) - 1][1]
        return None

    def since(self, counter: Counter, cut: int) -> list[tuple[int, bytes]]:
        """Return all (known_at, state) before a cut (UTC microseconds), in order of time."""
        before = min(cut, self.end)
        known = [*self.older.get(counter, ()), *self.newer.get(counter, ())]
        return [row for row in known if row[0] < before]


@dataclass(slots=True)
class LogMemory:
    """Rows of the log in memory, as they are read from it."""

    lock: Lock = field(default_factory=Lock)
    generation: int = -1
    base: int = 0
    """Every row known after it is here."""
    border: int = 0
    """Up to where rows are in ``older``."""
    end: int = 0
    """Up to where the log was read."""
    newer: Known = field(default_factory=dict)
    older: Known = field(default_factory=dict)
    size: int = 0
    """Rows in ``newer``."""
    spans: dict[Window, Span] = field(default_factory=dict)
    """What the table answered."""
    floor: int = 0
    """``base``, or where nothing was merged since counters were replaced, before the first row."""

    def look(self, connection: Connection, state: LogState) -> Overlay:
        """Return what a snapshot sees, reading what is not remembered yet."""
        with self.lock:
            if self.generation == state.generation and self.base > state.merged:
                return LogMemory().look(connection, state)  # of a past that was let go
            if self.generation != state.generation or self.end < state.merged:
                self.generation, self.end = state.generation, state.merged
                self.base = self.border = self.floor = state.merged
                self.newer, self.older, self.size, self.spans = {}, {}, 0, {}
            self._catch_up(connection, state)
            parts = self.newer, self.older, self.size, self.border
            return Overlay(state, *parts, state.end + 1, self.floor, self.spans)

    def _catch_up(self, connection: Connection, state: LogState) -> None:
        rows: list[Row] = []
        if state.newest > self.end:
            rows = list(read_rows(connection, after=self.end))  # all or none
            self.end = state.newest
            if rows and not self.floor:
                self.floor = rows[0][2] - 1
        if state.frozen > self.border:
            _remember(self.newer, (row for row in rows if row[2] <= state.frozen))
            rows = [row for row in rows if row[2] > state.frozen]
            self.base, self.border = self.border, state.frozen
            self.newer, self.older, self.size = {}, self.newer, 0
            if self.base:
                self.floor = self.base
                self.spans = {at: one for at, one in list(self.spans.items()) if one[1] != ANY}
        _remember(self.newer, rows)
        self.size += len(rows)


def _remember(known: Known, rows: Iterable[Row]) -> None:
    for group, entity, known_at, state in rows:
        counter = group, entity
        if (had := known.get(counter)) is None:
            known[counter] = [(known_at, state)]
        elif had[-1][0] == known_at:  # two events of one record
            had[-1] = (known_at, state)
        else:
            had.append((known_at, state))


@dataclass(slots=True)
class _SeenLog:
    """What one transaction sees."""

    overlay: Overlay | None = None
    own: LogMemory | None = None
    """Of a transaction that wrote to the log."""


_TRANSACTIONS: "WeakKeyDictionary[Any, _SeenLog]" = WeakKeyDictionary()


def read_overlay(connection: Connection, state: LogState | None = None) -> Overlay:
    """Return the rows of the log that a transaction sees.

    ``state`` is that of its snapshot, where it is known already.
    """
    transaction = connection.get_transaction()
    seen = None if transaction is None else _TRANSACTIONS.get(transaction)
    if seen is not None and seen.overlay is not None:
        return seen.overlay
    if state is None:
        state = read_log_state(connection)
    own = None if seen is None else seen.own
    found = (own or memory_of(connection).setdefault(_LOG_MEMORY, LogMemory())).look(
        connection, state
    )
    _find_seen(connection).overlay = found
    return found


def forget_overlay(connection: Connection) -> None:
    """Note that a transaction changed the log: what it sees from now on is its own."""
    seen = _find_seen(connection)
    seen.overlay = None
    seen.own = seen.own or LogMemory()


def is_untouched(connection: Connection) -> bool:
    """Tell whether a transaction has not changed the log."""
    return _find_seen(connection).own is None


def _find_seen(connection: Connection) -> _SeenLog:
    """Return what is known of a connection's transaction, begun where there is none."""
    if connection.get_transaction() is None:
        connection.begin()
    return _TRANSACTIONS.setdefault(connection.get_transaction(), _SeenLog())


LONGEST = 36_000
"""Rows that are frozen together, about 2,000 crossings: in a history of 60,000 three of them share
a page then. They take some 10 MB, twice that while a part is merged."""
AT_ONCE = 256
"""Events of one append up to which they go to the log; more are a bulk and go to the table."""
FASTER = 2
"""Rows that an append merges for each that it adds: a merge is over before the next one begins."""
LEAST = 64
"""Rows that it merges at least."""

Insert = Callable[[Connection, Sequence[Row]], None]
"""Inserts rows into the table of counters."""
Event = tuple[int, Sequence[Place], bytes]
"""(known_at, places, states) of one event."""

Key = tuple[int, int, int]
"""(group number, entity key, known_at)."""

_MERGE_MEMORY = "counter merge"
_KEY = itemgetter(0, 1, 2)
_DELETE = "DELETE FROM counter_log WHERE known_at <= ?"


class _FrozenRows:
    """The rows of one merge, sorted by key; those of a group are sorted when it is reached."""

    def __init__(self, overlay: Overlay, state: LogState) -> None:
        self.of = state.generation, state.merged, state.frozen
        self._waiting: dict[int, list[tuple[int, list[tuple[int, bytes]]]]] = {}
        for part in _parts(overlay, state.merged, state.frozen):
            for (group, entity), known in part.items():  # an append waits for this: no row is made
                self._waiting.setdefault(group, []).append((entity, known))
        self._order = sorted(self._waiting)
        self._rows: dict[int, list[Row]] = {}

    def list_after(self, reached: Key, most: int) -> list[Row]:
        """Return the next rows after a key; fewer than ``most`` are the last ones."""
        found: list[Row] = []
        for group in self._order[bisect_left(self._order, reached[0]) :]:
            rows = self._sort_rows(group)
            begin = bisect_right(rows, reached, key=_KEY)
            found += rows[begin : begin + most - len(found)]
            if len(found) == most:
                break
        return found

    def _sort_rows(self, group: int) -> list[Row]:
        if group not in self._rows:
            _, merged, frozen = self.of
            # An entity's rows are in order of time, what is older comes first of its two parts.
            rows = [
                (group, entity, known_at, state)
                for entity, known in sorted(self._waiting[group], key=itemgetter(0))
                for known_at, state in known
                if merged < known_at <= frozen
            ]
            self._rows = {group: rows}  # groups are reached one after another
        return self._rows[group]


def append_rows(connection: Connection, events: Sequence[Event], insert: Insert) -> None:
    """Append the rows of some events to the log, and merge a slice of what is frozen.

    Inside the writer's transaction, events in order of time. ``insert`` writes rows to the table,
    in its order.
    """
    if not events:
        return
    last = events[-1][0]
    if len(events) > AT_ONCE:
        state = settle_log(connection, insert)
        packed = b"".join([pack_event(*event) for event in events])
        rows = {_KEY(row): row for row in unpack_rows(packed)}
        insert(connection, [rows[key] for key in sorted(rows)])
        _write_state(connection, replace(state, merged=last, frozen=last))
        return
    if is_untouched(connection):  # a freeze names no row that could still be undone
        added = sum(len(places) for _, places, _ in events)
        _merge_slice(connection, insert, most=max(LEAST, FASTER * added))
    insert_rows(connection, COUNTER_LOG, [(last, b"".join([pack_event(*one) for one in events]))])
    forget_overlay(connection)


def settle_log(connection: Connection, insert: Insert) -> LogState:
    """Merge all of the log inside the writer's transaction; return how far it is merged then."""
    overlay = read_overlay(connection)
    insert(connection, _list_waiting(overlay))
    end = overlay.state.end
    _delete(connection, end)
    return _write_state(connection, replace(overlay.state, merged=end, frozen=end, newest=0))


def void_log(connection: Connection) -> None:
    """Empty the log where the counters are replaced or deleted, inside the writer's transaction.

    What any process remembers of it is void from then on.
    """
    connection.execute(COUNTER_LOG.delete())
    _write_state(connection, LogState(generation=secrets.randbits(62)))


def read_waiting(connection: Connection) -> list[Row]:
    """Return the rows that a snapshot has in the log alone, sorted by key; read from the store.

    Raises ``DamagedStoreError`` for a row whose key is not its time, and where rows are left that
    were merged.
    """
    state = read_log_state(connection)
    ((oldest,),) = fetch_rows(connection, "SELECT MIN(known_at) FROM counter_log")
    if oldest is not None and oldest <= state.merged:
        why = "counter_merge: rows of the log are older than what it says is merged"
        raise DamagedStoreError(why, COUNTER_MERGE.name, "one 1")
    return _list_waiting(LogMemory().look(connection, state))


def _list_waiting(overlay: Overlay) -> list[Row]:
    state = overlay.state
    rows = _list_rows(overlay, state.merged, state.end)
    if not state.is_merging:
        return rows
    return [row for row in rows if row[2] > state.frozen or _KEY(row) > state.reached]


def _merge_slice(connection: Connection, insert: Insert, *, most: int) -> None:
    overlay = read_overlay(connection)
    state = overlay.state
    if not state.is_merging:
        if overlay.size < LONGEST:
            return
        state = replace(state, frozen=state.newest, reached=START)
    part = _frozen_rows(connection, overlay, state).list_after(state.reached, most)
    insert(connection, part)
    if len(part) == most:
        state = replace(state, reached=_KEY(part[-1]))
    else:
        _delete(connection, state.frozen)
        state = replace(state, merged=state.frozen)
    _write_state(connection, state)


def _frozen_rows(connection: Connection, overlay: Overlay, state: LogState) -> _FrozenRows:
    """Return what is being merged: the same in every process, since all of it is committed."""
    memory = memory_of(connection)
    found: _FrozenRows | None = memory.get(_MERGE_MEMORY)
    if found is None or found.of != (state.generation, state.merged, state.frozen):
        found = memory[_MERGE_MEMORY] = _FrozenRows(overlay, state)
    return found


def _list_rows(overlay: Overlay, after: int, upto: int) -> list[Row]:
    """Return the rows known after a time and up to another, sorted by key."""
    return sorted(_yield_rows(overlay, after, upto), key=_KEY)


def _parts(overlay: Overlay, after: int, upto: int) -> list[Known]:
    """Return what of an overlay may have rows known after a time and up to another."""
    older = [overlay.older] if overlay.border > after else []
    return older + ([overlay.newer] if upto > overlay.border else [])


def _yield_rows(overlay: Overlay, after: int, upto: int) -> Iterator[Row]:
    for part in _parts(overlay, after, upto):
        for (group, entity), known in list(part.items()):
            for known_at, state in known:
                if after < known_at <= upto:
                    yield group, entity, known_at, state


def _delete(connection: Connection, upto: int) -> None:
    execute_many(connection, Dialect.of(connection).spell(_DELETE), [(upto,)])


def _write_state(connection: Connection, state: LogState) -> LogState:
    row = (1, state.generation, state.merged, state.frozen, *state.reached)
    upsert_rows(connection, COUNTER_MERGE, [row])
    forget_overlay(connection)
    return state
