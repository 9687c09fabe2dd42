"""Snapshots of finds spread along ties, made from the store at each cut, and their tables.

A snapshot depends on records known before its cut alone, so it can be made any time after a record
at or after the cut, and again from the journal. It is known ``LAG`` later, as in a history
(:mod:`features.offline.spread_snapshots`). The service makes it in between, next to its decisions;
the projection makes what is still missing, in the transaction of the first record that comes later.
So no decision is read without the snapshots that it has to see.
"""

from collections.abc import Mapping, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    delete,
    insert,
)

from engine.errors import StoreUnavailableError
from engine.journal.journal import Journal
from engine.storage.database import METADATA, Int64, Store, fetch_rows, insert_rows
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, SPREAD
from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    ENTITIES,
    EVERY,
    FINDS_FOR,
    KINDS,
    LAG,
    MEASURES,
    STREAMS,
    Finds,
    active_cuts,
    last_cut,
    number_entities,
    values_as_of,
)
from features.catalogue.plan import Group, Plan
from features.online import counter_store
from features.online.counter_log import Row
from features.online.counter_states import list_layouts
from features.online.counter_store import CountedEvent, measures

Ints = NDArray[np.int64]

SPREAD_CROSSINGS = Table(
    "spread_crossings",
    METADATA,
    Column("known_at", Int64, autoincrement=False),
    Column("crossing_id", String),
    Column("entities", LargeBinary, nullable=False),
    PrimaryKeyConstraint("known_at", "crossing_id"),
    sqlite_with_rowid=False,
)
"""Every crossing with the keys of the entities that finds spread between, in order of time."""
SPREAD_FINDS = Table(
    "spread_finds",
    METADATA,
    Column("known_at", Int64, autoincrement=False),
    Column("crossing_id", String),
    Column("step", SmallInteger, autoincrement=False),
    Column("is_elsewhere", Boolean, nullable=False),
    *(Column(kind, SmallInteger, nullable=False) for kind in KINDS),
    Column("entities", LargeBinary, nullable=False),
    PrimaryKeyConstraint("known_at", "crossing_id", "step"),
)
"""Every find, and every one taken back; ``step`` orders those of one crossing at one time."""
SPREAD_HEAD = Table(
    "spread_head",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("cut", Int64, nullable=False),
)
"""One row: the cut up to which snapshots are made."""
FILLED = SPREAD_CROSSINGS, SPREAD_FINDS
"""Those that a load fills."""

_KEYS = Struct(f"<{len(ENTITIES)}q")
_HEAD = "SELECT cut FROM spread_head"


def pack_keys(keys: Sequence[int]) -> bytes:
    """Return the keys of a crossing's entities as the tables hold them."""
    return _KEYS.pack(*keys)


def find_amounts(stream: str, amounts: Ints) -> tuple[int, ...]:
    """Return by kind of find how many an event adds, 0 of a stream that counts none.

    Parameters
    ----------
    stream : str
        Name of the event's stream.
    amounts : array of shape (measures,)
        What the event adds to each measure of its stream.
    """
    if stream not in _PLACES:
        return (0,) * len(KINDS)
    return tuple(int(amounts[place]) for place in _PLACES[stream])


def _places() -> Mapping[str, tuple[int, ...]]:
    """Return by stream the place of each kind's measure among the amounts of an event."""
    return {
        stream.name: tuple(measures(stream).index(dict(KINDS[kind])[stream.name]) for kind in KINDS)
        for stream in (INSPECTIONS, FINDS)
    }


_PLACES = _places()


def keep(
    connection: Connection,
    crossings: Sequence[tuple[object, ...]],
    finds: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows of both tables, in the order of their columns."""
    for table, rows in ((SPREAD_CROSSINGS, crossings), (SPREAD_FINDS, finds)):
        if rows:
            insert_rows(connection, table, rows)


def forget(connection: Connection) -> None:
    """Delete everything that snapshots are made of."""
    for table in (SPREAD_CROSSINGS, SPREAD_FINDS, SPREAD_HEAD):
        connection.execute(delete(table))


def oldest_crossing(reads_from: int | None) -> int:
    """Return from when on crossings are needed where nothing is read as of an earlier time.

    All are where ``reads_from`` is None; both are in UTC microseconds.
    """
    if reads_from is None:
        return 0
    return last_cut(reads_from) - EVERY - CROSSINGS_FOR


def read_head(connection: Connection) -> int | None:
    """Return the cut up to which snapshots are made, None before the first record."""
    return next((int(cut) for (cut,) in fetch_rows(connection, _HEAD)), None)


def write_head(connection: Connection, cut: int) -> None:
    """Keep the cut up to which snapshots are made."""
    connection.execute(delete(SPREAD_HEAD))
    connection.execute(insert(SPREAD_HEAD), [{"one": 1, "cut": cut}])


def unpack_keys(entities: Sequence[bytes]) -> Ints:
    """Return keys of n crossings, an int64 array of shape (len(ENTITIES), n)."""
    keys = np.frombuffer(b"".join(entities), "<i8").astype(np.int64)
    return keys.reshape(-1, len(ENTITIES)).T


_LATE = "finds of the last days are being spread along links"
_CROSSINGS = (
    "SELECT known_at, entities FROM spread_crossings WHERE known_at >= ? AND known_at < ? "
    "ORDER BY known_at"
)
_FINDS = (
    f"SELECT known_at, crossing_id, is_elsewhere, {', '.join(KINDS)}, entities "  # noqa: S608
    "FROM spread_finds WHERE known_at >= ? AND known_at < ? ORDER BY known_at, crossing_id, step"
)
_TIMES = "SELECT DISTINCT known_at FROM spread_finds WHERE known_at >= ? AND known_at < ?"
_END = int(np.iinfo(np.int64).max)


class SpreadSnapshots:
    """Keeps what snapshots are made of, and makes them, for the features of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.is_read = bool(plan.spread)
        if not self.is_read:
            return
        self._columns = [plan.column[(name,), (name,)] for name in ENTITIES]
        found = list_layouts(plan)
        groups = [found[Group(SPREAD.name, (name,))] for name in ENTITIES]
        self._numbers = np.array([layout.number for layout in groups])
        self._rows = [MEASURES.index(name) for name in plan.spread]
        self._empty = groups[0].empty
        self._quiet_until = 0

    def note(self, connection: Connection, counted: Sequence[CountedEvent]) -> None:
        """Keep crossings and finds, inside the transaction that records them."""
        if not self.is_read:
            return
        crossings, finds = [], []
        for event in counted:
            if event.stream == CROSSINGS.name:
                crossings.append((event.known_at, event.crossing_id, self._entities(event)))
            elif row := self._find(event):
                finds.append(row)
        keep(connection, crossings, finds)

    def _entities(self, event: CountedEvent) -> bytes:
        return pack_keys([event.keys[place] for place in self._columns])

    def _find(self, event: CountedEvent) -> tuple[object, ...] | None:
        amounts = find_amounts(event.stream, event.amounts)
        if not any(amounts):
            return None
        is_elsewhere = event.stream == FINDS.name
        entities = self._entities(event)
        return (event.known_at, event.crossing_id, 0, is_elsewhere, *amounts, entities)

    def make_due(self, connection: Connection, known_at: int) -> None:
        """Make every snapshot that a read after a record has to see, in the record's transaction.

        ``known_at`` is the record's, in UTC microseconds.
        """
        if not self.is_read or known_at < self._quiet_until:
            return
        head, due = read_head(connection), last_cut(known_at + 1)
        if head is not None and head >= due:
            self._quiet_until = head + EVERY + LAG
            return
        for cut in _pending_cuts(connection, after=head, upto=due):
            counter_store.insert_states(connection, self.changes(connection, cut))
        write_head(connection, due)

    def make_early(self, store: Store, journal: Journal) -> bool:
        """Make the next snapshot once its cut is past; tell whether there was one to make.

        It is computed before the writer's lock is taken: behind a record at the cut, what it
        depends on is final. Where a post is quiet, a ``tick`` is that record.
        """
        if not self.is_read:
            return False
        with store.read() as connection:
            head = read_head(connection)
            if head is None or journal.now(connection) < head + EVERY:
                return False
        journal.ensure_recent()
        with store.read() as connection:
            head = read_head(connection)
            if head is None or journal.head(connection).known_at < head + EVERY:
                return False
            cut = head + EVERY
            cuts = _pending_cuts(connection, after=head, upto=cut)
            rows = [row for each in cuts for row in self.changes(connection, each)]
        with store.write() as connection:
            if read_head(connection) != head:  # another process made it, or a load began again
                return True
            counter_store.insert_states(connection, rows)
            write_head(connection, cut)
        return True

    def changes(self, connection: Connection, cut: int) -> list[Row]:
        """Return the counter rows of a snapshot: of each entity whose value is another now."""
        # Entities of the snapshot before may have none in this one, which is a change too.
        times, seen = _read_crossings(connection, cut)
        finds, found = _read_finds(connection, cut)
        codes, table = number_entities(np.concatenate([seen, found], axis=1))
        first = int(np.searchsorted(times, cut - CROSSINGS_FOR))
        now, of_finds = codes[:, first : len(times)], codes[:, len(times) :]
        values = values_as_of(now, of_finds, finds, cut=cut, size=len(table))
        states = np.ascontiguousarray(values[self._rows].T[1:], "<i8")
        counters = list(
            zip(self._numbers[table[1:, 0]].tolist(), table[1:, 1].tolist(), strict=True)
        )
        stood = counter_store.latest(connection, [(*each, _END) for each in counters])
        width, packed = 8 * len(self._rows), states.tobytes()
        made = (packed[at : at + width] for at in range(0, len(packed), width))
        return [
            (*counter, cut + LAG, state)
            for counter, before, state in zip(counters, stood, made, strict=True)
            if state != (before or self._empty)
        ]


def check_made(cut: int, as_of: int) -> None:
    """Raise ``StoreUnavailableError`` where a snapshot is missing that a read has to see.

    A record of another program can be the first after a cut; the next one of the service makes
    what is missing, within a second. ``cut`` is up to where snapshots are made.
    """
    if last_cut(as_of) > cut:
        raise StoreUnavailableError(_LATE)


def _pending_cuts(connection: Connection, *, after: int | None, upto: int) -> list[int]:
    """Return the cuts at which a value may change, in a span that finds reach."""
    begin = 0 if after is None else after
    rows = fetch_rows(connection, _TIMES, [begin - FINDS_FOR - 2 * EVERY, upto])
    find_at = np.array([known_at for (known_at,) in rows], np.int64)
    cuts: list[int] = active_cuts(find_at, after=begin, upto=upto).tolist()
    return cuts


def _read_crossings(connection: Connection, cut: int) -> tuple[Ints, Ints]:
    """Return times and keys, shape (entities, n), of the crossings of this and the cut before."""
    rows = fetch_rows(connection, _CROSSINGS, [cut - EVERY - CROSSINGS_FOR, cut])
    times = np.array([known_at for known_at, _ in rows], np.int64)
    return times, unpack_keys([bytes(entities) for _, entities in rows])


def _read_finds(connection: Connection, cut: int) -> tuple[Mapping[str, Finds], Ints]:
    """Return finds by kind, and the keys, shape (entities, c), of the crossings that they name."""
    rows = fetch_rows(connection, _FINDS, [cut - EVERY - FINDS_FOR, cut])
    numbers: dict[str, int] = {}
    for _, crossing_id, *_ in rows:
        numbers.setdefault(crossing_id, len(numbers))
    known_at = np.array([row[0] for row in rows], np.int64)
    source = np.array([STREAMS * numbers[row[1]] + bool(row[2]) for row in rows], np.int64)
    finds = {
        kind: Finds(known_at, source, np.array([row[3 + at] for row in rows], np.int64))
        for at, kind in enumerate(KINDS)
    }
    of_crossings = {numbers[row[1]]: bytes(row[-1]) for row in rows}
    return finds, unpack_keys([of_crossings[number] for number in range(len(numbers))])
