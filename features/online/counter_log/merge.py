"""Merge of the log's rows into the table of counters, in slices sorted by key.

A part of the log is frozen once it is long enough, and every append then merges a slice of it next
to its own events: rows that share a page of the table are written together, and no append waits for
all of them. How far a merge is stands in the store, written with the slice, so that whichever
process appends next goes on from there, after a crash too. Rows leave the log with the last slice.
"""

import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from sqlalchemy import Connection

from engine.errors import DamagedStoreError
from engine.storage.database import execute_many, fetch_rows, insert_rows, memory_of, upsert_rows
from engine.storage.dialect import Dialect
from features.online.counter_log.overlay import (
    Known,
    LogMemory,
    Overlay,
    forget_overlay,
    is_untouched,
    read_overlay,
)
from features.online.counter_log.tables import (
    COUNTER_LOG,
    COUNTER_MERGE,
    START,
    LogState,
    Place,
    Row,
    pack_event,
    read_state,
    unpack_rows,
)

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

_NAME = "counter merge"
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


def append(connection: Connection, events: Sequence[Event], insert: Insert) -> None:
    """Append the rows of some events to the log, and merge a slice of what is frozen.

    Inside the writer's transaction, events in order of time. ``insert`` writes rows to the table,
    in its order.
    """
    if not events:
        return
    last = events[-1][0]
    if len(events) > AT_ONCE:
        state = settle(connection, insert)
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


def settle(connection: Connection, insert: Insert) -> LogState:
    """Merge all of the log inside the writer's transaction; return how far it is merged then."""
    overlay = read_overlay(connection)
    insert(connection, _list_waiting(overlay))
    end = overlay.state.end
    _delete(connection, end)
    return _write_state(connection, replace(overlay.state, merged=end, frozen=end, newest=0))


def void(connection: Connection) -> None:
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
    state = read_state(connection)
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
    found: _FrozenRows | None = memory.get(_NAME)
    if found is None or found.of != (state.generation, state.merged, state.frozen):
        found = memory[_NAME] = _FrozenRows(overlay, state)
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
