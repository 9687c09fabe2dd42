"""Memory of the log in this process, so that every look-up sees the rows that are not merged.

The memory is a complete end of the counters: every row known after its base, merged or not. So the
last state before a cut is in it, or the table has it. It may be ahead of a snapshot, because states
once recorded never change: a cut in the snapshot's past cannot see them. It never lags behind one,
because the snapshot says what the log holds, and what is missing is read from there. What this
process or another writes to it is read back only once it is committed; a transaction that has
written to it itself has a memory of its own.

With it goes a memory of what the table of counters answered. Up to a floor all rows are in the
table and none ever changes, behind it all are here. So a state that stands before one cut stands
before every later one up to the next row in the table, at most up to the floor; and behind the
floor the last state of the table stands wherever the log has none.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from engine.storage.database import memory_of
from features.online.counter_log.tables import Counter, LogState, Row, read_rows, read_state

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

_NAME = "counter log"


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

    def remember(self, window: Window, span: Span) -> None:
        """Remember an answer of the table."""
        if window[2] == UNREMEMBERED or not self.floor:
            return
        if len(self.spans) >= MOST_SPANS:
            self.spans.clear()
        self.spans[window] = span

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
        state = read_state(connection)
    own = None if seen is None else seen.own
    found = (own or memory_of(connection).setdefault(_NAME, LogMemory())).look(connection, state)
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
