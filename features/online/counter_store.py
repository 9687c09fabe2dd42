"""Table of online counters: one grouped read a decision, one append an event.

A row says what a group had counted for one entity once everything known at ``known_at`` was in: the
cumulative sums as int64, then what the last event carried as float64, packed into one ``state`` of
fixed width. The state before a cut is then one seek in the primary key, and a window is the
difference of two; how many events the entity has makes no difference. A load writes up to 32 states
of one entity into one row, a block (:mod:`features.online.counter_states`), under the time of the
first: the seek finds the block, which has the state.

Inside the writer's transaction there is one grouped read, one append to the log of counters, and no
change in between. All that an event adds to one entity of each group is added at once: the
concatenated states of a stream's groups are one row of 8-byte places. Events are added in the order
in which they became known; hot entities are summed in memory.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, Integer, LargeBinary, PrimaryKeyConstraint, Table

from engine.storage.database import (
    METADATA,
    Int64,
    execute_many,
    fetch_rows,
    insert_rows,
)
from engine.storage.dialect import Dialect
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, SPREAD
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import EVER, Floats, Stream
from features.online.counter_log import (
    ANY,
    UNREMEMBERED,
    Counter,
    Event,
    Overlay,
    Place,
    Row,
    Span,
    Window,
    read_overlay,
)
from features.online.counter_states import (
    StateLayout,
    expand_rows,
    is_block,
    list_layouts,
    pack_blocks,
    pick_states,
)

Ints = NDArray[np.int64]

COUNTERS = Table(
    "counters",
    METADATA,
    Column("grp", Integer, autoincrement=False),
    Column("entity", Int64, autoincrement=False),
    Column("known_at", Int64, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("grp", "entity", "known_at"),
    sqlite_with_rowid=False,
)

_LATEST = (
    "(SELECT state FROM counters WHERE grp = q.g AND entity = q.e AND known_at < q.t "
    "ORDER BY known_at DESC LIMIT 1)"
)
_NEXT = (
    ", (SELECT known_at FROM counters WHERE grp = q.g AND entity = q.e AND known_at >= q.t "
    "ORDER BY known_at LIMIT 1)"
)
_POSTGRESQL = (
    "SELECT {answers} FROM unnest(?::int[], ?::bigint[], ?::bigint[]) "
    "WITH ORDINALITY AS q(g, e, t, i) ORDER BY q.i"
)
_SQLITE = "WITH q(g, e, t) AS (VALUES {values}) SELECT {answers} FROM q"
_NEWEST = (
    "SELECT known_at, state FROM counters WHERE grp = ? AND entity = ? AND known_at < ? "
    "ORDER BY known_at DESC LIMIT ?"
)
_AT_ONCE = {Dialect.SQLITE: 128, Dialect.POSTGRESQL: 8_192}
"""Look-ups in one statement. SQLite takes as long to prepare a new one as to run it twice, so it
is given few shapes, which it caches: up to this many, in steps of ``_STEP``."""
_STEP = 8

Lookup = tuple[int, int, int]
"""(group number, entity key, cut): the state known strictly before the cut."""
Found = bytes | None
"""A state, None where the entity had no event."""


def latest(connection: Connection, lookups: Sequence[Lookup]) -> list[Found]:
    """Return the state before each cut, None where the entity had no event."""
    return _latest(connection, [n for lookup in lookups for n in (*lookup, UNREMEMBERED)])


def newest(
    connection: Connection, counter: Counter, *, before: int, most: int
) -> list[tuple[int, bytes]]:
    """Return the last (known_at, state) of a counter before a cut, the newest first.

    At most ``most`` of them; ``before`` is in UTC microseconds.
    """
    rows = fetch_rows(connection, _NEWEST, [*counter, before, most])
    states = expand_rows((*counter, known_at, bytes(state)) for known_at, state in rows)
    known = {known_at: state for *_, known_at, state in states if known_at < before}
    known.update(read_overlay(connection).since(counter, before))
    return sorted(known.items(), reverse=True)[:most]


def _latest(connection: Connection, flat: list[int]) -> list[Found]:
    """Return the state of each look-up; ``flat`` has four numbers each, the last its window.

    What the log of counters has is not asked for; the rest is.
    """
    overlay = read_overlay(connection)
    newer, older, last, end = overlay.newer, overlay.older, overlay.last, overlay.end
    floor, spans = overlay.floor, overlay.spans
    numbers = iter(flat)
    found: list[Found] = [None] * (len(flat) // 4)
    left: list[_Left] = []
    unknown: set[Counter] = set()
    counter: Counter | None = None
    rows: list[tuple[int, bytes]] | None = None
    is_older = False
    lookups = zip(numbers, numbers, numbers, numbers, strict=True)
    for at, (group, entity, cut, window) in enumerate(lookups):
        if counter != (group, entity):  # its windows stand side by side
            counter = group, entity
            rows, is_older = newer.get(counter), counter in older
        if rows is not None and rows[-1][0] < cut <= end:
            found[at] = rows[-1][1]
            continue
        # Up to its floor the log has no row, behind it most counters are in neither part: no call.
        if cut > floor and (is_older or (rows is not None and rows[0][0] < cut)):
            found[at] = last(counter, cut)
        if found[at] is None:
            span = spans.get((group, entity, window))
            if span is None or not span[0] <= cut <= span[1]:
                left.append((at, group, entity, cut, window))
                continue
            found[at] = span[2]
            if span[2] is None and cut > floor:
                unknown.add(counter)
    _look_up_left(connection, overlay, left, unknown=unknown, found=found)
    return found


_Left = tuple[int, int, int, int, int]
"""(where its answer belongs, group number, entity key, cut, window)."""


def _look_up_left(
    connection: Connection,
    overlay: Overlay,
    left: Sequence[_Left],
    *,
    unknown: set[Counter],
    found: list[Found],
) -> None:
    """Fill in the answers that neither the log has nor the table gave before.

    The table is not asked for windows of an entity of which it has no row at all: ``unknown`` are
    those that it did not know before.
    """
    floor = overlay.floor
    answers: dict[Window, Span] = {}
    late = [one for one in left if one[3] > floor]
    for (at, group, entity, _, window), (state,) in _ask(connection, late):
        found[at] = state
        # The log has no row before the cut: this state stands wherever it has none.
        answers[group, entity, window] = floor + 1, ANY, state
        if state is None:
            unknown.add((group, entity))
    early = [one for one in left if one[3] <= floor and one[1:3] not in unknown]
    for (at, group, entity, cut, window), (state, after) in _ask(connection, early, _NEXT):
        found[at] = state
        answers[group, entity, window] = cut, min(after or floor, floor), state
    overlay.remember(answers)


def _ask(
    connection: Connection, asked: Sequence[_Left], more: str = ""
) -> Iterator[tuple[_Left, tuple[Any, ...]]]:
    """Yield look-ups with what the table has of them: the state, and ``more``."""
    flat = [number for one in asked for number in one[1:4]]
    return zip(asked, _look_up_merged(connection, flat, _LATEST + more), strict=True)


def _look_up_merged(connection: Connection, flat: list[int], answers: str) -> list[tuple[Any, ...]]:
    """Return a row of the table's answers a look-up; ``flat`` has three numbers each."""
    rows = _seek(connection, flat, answers)
    packed = [at for at, (state, *_) in enumerate(rows) if state is not None and is_block(state)]
    if packed:
        cuts = [flat[3 * at + 2] for at in packed]
        for at, (state, after) in zip(
            packed, pick_states([rows[at][0] for at in packed], cuts), strict=True
        ):
            # The next state of a block comes before the next row.
            rows[at] = (state,) if len(rows[at]) == 1 else (state, after or rows[at][1])
    return rows


def _seek(connection: Connection, flat: list[int], answers: str) -> list[tuple[Any, ...]]:
    """Return what the table's rows hold, a state or a block each, and what else is asked."""
    dialect = Dialect.of(connection)
    width = 3 * _AT_ONCE[dialect]
    if len(flat) > width:
        parts = (flat[at : at + width] for at in range(0, len(flat), width))
        return [row for part in parts for row in _seek(connection, part, answers)]
    if not flat:
        return []
    if not dialect.is_sqlite:
        columns = [_array(flat[place::3]) for place in range(3)]
        return fetch_rows(connection, _POSTGRESQL.format(answers=answers), columns)
    size = len(flat) // 3
    spare = -size % _STEP  # padded with a key that never exists: faster than binding NULL
    query = _shape_query(answers, size + spare)
    return fetch_rows(connection, query, flat + [0] * (3 * spare))[:size]


def _array(numbers: list[int]) -> str:
    """Write numbers as PostgreSQL reads an array: the driver takes them one by one."""
    return f"{{{str(numbers)[1:-1]}}}"


@lru_cache
def _shape_query(answers: str, size: int) -> str:
    return _SQLITE.format(answers=answers, values=",".join(["(?,?,?)"] * size))


class CounterReader:
    """Reads of a plan as look-ups of counter states, and as positions in these states."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layouts = list_layouts(plan)
        self._lookups = self._list_lookups()
        starts: dict[tuple[Group, tuple[str, ...], int], int] = {}
        at = 0
        for group, of, window in self._lookups:
            starts[group, of, window] = at
            at += self._layouts[group].width
        # One more place, always zero, stands for "before everything".
        self._zero = at
        self._empties = [self._layouts[group].empty for group, _, _ in self._lookups]
        self._empties.append(bytes(8))
        self._empty_states = np.array(self._empties, object)
        columns = [
            (
                plan.column[of, group.by],
                self._layouts[group].number,
                0 if back >= EVER else back,
                # Snapshots of finds spread along links do not go through the log.
                UNREMEMBERED if group.stream == SPREAD.name else back,
            )
            for group, of, back in self._lookups
        ]
        self._columns = [(place, *column) for place, column in enumerate(columns)]
        self._keys_at, numbers, *_ = _columns(columns, 4)
        _, self._group = np.unique(numbers, return_inverse=True)
        of_each = [(number, -back, window) for _, number, back, window in columns]
        kinds = sorted(set(of_each))
        self._kinds = _columns(kinds, 3)
        self._kind = np.array([kinds.index(kind) for kind in of_each], np.int64)
        own = [each for each in self._lookups if _is_own(*each)]
        begun = [(starts[each], starts[each] + self._layouts[each[0]].width) for each in own]
        self._stood = np.array([at for span in begun for at in range(*span)], np.intp)
        self._place(starts)

    def _list_lookups(self) -> list[tuple[Group, tuple[str, ...], int]]:
        # The states of a crossing's own counters are read too, so that the append need not.
        wanted = {(g, g.by, EVER) for g in self._plan.groups if g.stream == CROSSINGS.name}
        for read in self._plan.reads:
            group = Group(read.stream, read.by)
            wanted.add((group, read.of, EVER))
            if not read.is_last and read.window < EVER:
                wanted.add((group, read.of, read.window))
        return sorted(wanted, key=lambda each: (self._layouts[each[0]].number, each))

    def _place(self, starts: Mapping[tuple[Group, tuple[str, ...], int], int]) -> None:
        places, lasts = [], []
        for column, read in enumerate(self._plan.reads):
            group = Group(read.stream, read.by)
            layout, now = self._layouts[group], starts[group, read.of, EVER]
            of = self._plan.column[read.of, read.by]
            if read.is_last:
                lasts.append((column, now + len(layout.sums) + layout.carried.index(read.measure)))
                places.append((self._zero, self._zero, of))
                continue
            offset = layout.sums.index(read.measure)
            then = (
                self._zero if read.window >= EVER else starts[group, read.of, read.window] + offset
            )
            places.append((now + offset, then, of))
        self._now, self._then, self._read_of = _columns(places, 3)
        self._last_columns, self._last = _columns(lasts, 2)

    def read_with_states(
        self, connection: Connection, keys: Sequence[Sequence[int]], as_of: Sequence[int]
    ) -> tuple[Floats, list[bytes]]:
        """Compute every read of the plan for n arrivals, in one grouped read of one snapshot.

        Parameters
        ----------
        keys : sequence of shape (n, n_lookups)
            Keys looked up, 0 where not known.
        as_of : sequence of shape (n,)
            UTC microseconds, one cut an arrival.

        Returns
        -------
        reads : float64 array of shape (n, n_reads)
            Exact integers, NaN where the entity looked up is not known.
        states : list of n bytes
            The packed states, before the cut, of the counters that the crossing will add to, in the
            order of their groups' numbers; those of an entity that is not known are empty.
        """
        looked_up = np.array(keys, np.int64).reshape(len(keys), -1)
        if len(keys) == 1:
            states = self._of_one(connection, keys[0], as_of[0])
        else:
            states = self._of_many(connection, looked_up, as_of)
        found = np.frombuffer(b"".join(states), "<i8").reshape(len(keys), -1)
        stood = found.take(self._stood, 1)
        return self._differences(found, looked_up), [row.tobytes() for row in stood]

    def _of_one(self, connection: Connection, own: Sequence[int], cut: int) -> list[bytes]:
        """Return the states of an arrival's look-ups, and the zero."""
        flat: list[int] = []
        places: list[int] = []
        for place, of, number, back, window in self._columns:
            if key := own[of]:
                flat += (number, key, cut - back, window)
                places.append(place)
        states = self._empties.copy()
        for place, state in zip(places, _latest(connection, flat), strict=True):
            if state is not None:
                states[place] = state
        return states

    def _of_many(self, connection: Connection, keys: Ints, as_of: Sequence[int]) -> list[bytes]:
        """Return the same of some arrivals, one after another; ``keys``: shape (n, n_lookups)."""
        known = keys.take(self._keys_at, axis=1).ravel().nonzero()[0]
        asked, which = self._distinct(keys, np.array(as_of, np.int64), known)
        found = _latest(connection, asked.ravel().tolist())
        has_any = np.array([state is not None for state in found], np.bool_).take(which)
        states = np.tile(self._empty_states, len(keys))
        places = (known + known // len(self._keys_at))[has_any]
        states[places] = np.array(found, object).take(which[has_any])
        every: list[bytes] = states.tolist()
        return every

    def _distinct(self, keys: Ints, as_of: Ints, known: Ints) -> tuple[Ints, Ints]:
        """Return look-ups once each, in the order of the table, and which one each of them is.

        Arrivals that come together share posts, goods and parties, and neighbours share a page.

        Parameters
        ----------
        keys : int64 array of shape (n, n_lookups)
        as_of : int64 array of shape (n,)
        known : array of shape (m,)
            Look-ups whose key is known, of all arrivals one after another.

        Returns
        -------
        int64 arrays of shape (d, 4) and (m,)
            Group number, entity key, cut and window of each look-up, and the row of each in these.
        """
        number, less, window = self._kinds
        entities, who = np.unique(keys, return_inverse=True)
        cuts, when = np.unique(as_of, return_inverse=True)
        counter = self._group * len(entities) + who.reshape(keys.shape).take(self._keys_at, axis=1)
        # One number for each look-up: to sort by four columns takes twice as long.
        whole = (counter * len(cuts) + when[:, None]) * len(number) + self._kind
        asked, which = np.unique(whole.ravel().take(known), return_inverse=True)
        rest, kind = np.divmod(asked, len(number))
        entity = entities.take(rest // len(cuts) % len(entities))
        cut = cuts.take(rest % len(cuts)) + less.take(kind)
        return np.stack((number.take(kind), entity, cut, window.take(kind)), axis=1), which

    def _differences(self, found: Ints, keys: Ints) -> Floats:
        sums: Ints = found.take(self._now, 1) - found.take(self._then, 1)
        out = sums.astype(np.float64)
        out[:, self._last_columns] = found.view("<f8").take(self._last, 1)
        np.copyto(out, np.nan, where=keys.take(self._read_of, 1) == 0)
        return out


def _is_own(group: Group, of: tuple[str, ...], back: int) -> bool:
    """Tell whether a look-up reads a counter that a crossing with these entities adds to."""
    return back >= EVER and group.stream == CROSSINGS.name and of == group.by


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> tuple[Ints, ...]:
    return tuple(np.array(rows, np.int64).reshape(len(rows), width).T)


_INSERT = (
    "INSERT INTO counters (grp, entity, known_at, state) "
    "SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], %b::bytea[])"
)
_CHUNK = 50_000


def insert_states(connection: Connection, rows: Iterable[Row]) -> None:
    """Insert rows, a chunk at a time."""
    pending = iter(rows)
    while chunk := list(islice(pending, _CHUNK)):
        if Dialect.of(connection).is_sqlite:
            insert_rows(connection, COUNTERS, chunk)
        else:
            *numbers, states = map(list, zip(*chunk, strict=True))
            execute_many(connection, _INSERT, [[*map(_array, numbers), states]])


def copy_counters(
    connection: Connection, layout: StateLayout, entity: Ints, *, known_at: Ints, states: Ints
) -> None:
    """Insert the states of a whole group, in the order of the table's key, as blocks.

    Parameters
    ----------
    layout : StateLayout
        The group's layout.
    entity, known_at : int64 array of shape (m,)
        Keys, and UTC microseconds.
    states : int64 array of shape (m, width)
        Each row's state; what is carried is float64 in the same bytes.
    """
    for begin in range(0, len(entity), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        packed = np.ascontiguousarray(states[part])
        rows = pack_blocks(entity[part], known_at[part], packed, len(layout.sums))
        insert_rows(connection, COUNTERS, list(zip(repeat(layout.number), *rows, strict=False)))


_END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """One event: what it adds to the counters of its stream."""

    stream: str
    keys: Sequence[int]
    known_at: int
    amounts: Ints
    """In the order of ``measures``."""
    facts: Floats | None = None
    crossing_id: str = ""
    stood: bytes = b""
    """States of the stream's groups before it, as one row, where they are known to be the last."""


def measures(stream: Stream) -> list[str]:
    """Return everything that events of a stream add up, in the order of their amounts."""
    passed = dict.fromkeys(link.measure for link in stream.links)
    return ["n", *stream.measures, *stream.derived, *passed]


class StreamGroups:
    """Groups of one stream, and the position of each one's state in a row of all of them.

    ``counted`` has the groups, and where the key of each stands among those of a crossing.
    """

    def __init__(self, stream: Stream, counted: Sequence[tuple[StateLayout, int]]) -> None:
        self.empty = b"".join([layout.empty for layout, _ in counted])
        self._under: list[tuple[int, int, slice]] = []
        self._known_at_places: dict[int, int] = {}
        order, sums, carried, at = measures(stream), [], [], 0
        for layout, key in counted:
            self._under.append((layout.number, key, slice(8 * at, 8 * (at + layout.width))))
            sums += [(at + i, order.index(name)) for i, name in enumerate(layout.sums)]
            for place, fact in enumerate(layout.carried, at + len(layout.sums)):
                if fact == "known_at":
                    self._known_at_places[layout.number] = place
                else:
                    carried.append((place, FACTS.index(fact)))
            at += layout.width
        self._sums, self._amounts = np.array(sums, np.intp).reshape(-1, 2).T.copy()
        self._carried, self._facts = np.array(carried, np.intp).reshape(-1, 2).T.copy()
        self._known_at = np.array(list(self._known_at_places.values()), np.intp)

    def places(self, keys: Sequence[int]) -> list[Place]:
        """Return where an event with these keys counts."""
        return [((number, keys[at]), part) for number, at, part in self._under if keys[at]]

    def known_at_place(self, layout: StateLayout) -> int:
        """Return the place of a row that holds the known time of the group's last event."""
        return self._known_at_places[layout.number]

    def add(self, row: Ints, event: CountedEvent) -> None:
        """Add one event to a row of states, in place.

        Its amounts are in the scale of the stream's measures. ``row`` (int64, shape (n_places,)) is
        from :meth:`CounterState.row`; carried facts are float64 in the same bytes.
        """
        row[self._sums] += event.amounts[self._amounts]
        floats = row.view(np.float64)
        floats[self._known_at] = event.known_at
        if event.facts is not None:
            floats[self._carried] = event.facts[self._facts]


class CounterState:
    """The states of some counters, as events are added to them."""

    def __init__(
        self, connection: Connection, placed: Iterable[tuple[CountedEvent, Sequence[Place]]]
    ) -> None:
        """Read the states that the events do not bring; each comes with where it counts."""
        left = list({at: None for event, those in placed if not event.stood for at, _ in those})
        found = latest(connection, [(number, entity, _END) for number, entity in left])
        self._states = dict(zip(left, found, strict=True))
        self._kept: dict[Counter, bytes] = {}
        """The last row in which a counter was kept; its state has the same place in each."""
        self.events: list[Event] = []
        """What was kept, for the log of counters."""

    def row(self, groups: StreamGroups, places: Sequence[Place], stood: bytes) -> Ints:
        """Return the states of the groups of one event as one row, a writable copy.

        ``stood`` is what the event brings. int64 of shape (n_places,); carried facts are float64 in
        the same bytes, NaN where none was.
        """
        row = bytearray(stood or groups.empty)
        for counter, part in places:
            if (kept := self._kept.get(counter)) is not None:
                row[part] = kept[part]
            elif not stood and (state := self._states[counter]):
                row[part] = state
        return np.frombuffer(row, "<i8")

    def keep(self, places: Sequence[Place], known_at: int, row: Ints) -> None:
        """Keep a row (int64, shape (n_places,)) as the states after an event known at a time.

        ``places`` are the groups that the event counts in, ``known_at`` is in UTC microseconds.
        """
        packed = row.tobytes()
        self._kept.update(dict.fromkeys([counter for counter, _ in places], packed))
        self.events.append((known_at, places, packed))
