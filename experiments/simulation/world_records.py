"""Records of one policy's world so far, and features as of each arrival in it.

The same definitions and the same rule as the bulk kernel (an event counts strictly before the cut),
but day by day: which crossings there are, and what is known of them, depends on who was searched.
A test compares the features with those of :mod:`features.offline.feature_matrix`, bit for bit.

Every record that a planned world could leave is encoded once for all policies: runs, and the
ordinary trips whose place they take. Which of them are there is kept for each policy apart. Finds
spread along ties as in the product, made at each cut; features must be asked for in the order of
time, and what became known before a cut must have been taken in before the first arrival after it.
All of it is synthetic.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.domain.network import read_network
from engine.domain.time_units import DAY
from experiments.synthetic import inspections, records
from experiments.synthetic.posts import Bools, Config, Floats, Ints, network_toml
from experiments.synthetic.world_plan import WorldPlan as Trips
from experiments.synthetic.world_simulation import World
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED, SPREAD
from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    ENTITIES,
    EVERY,
    KINDS,
    LAG,
    MEASURES,
    STREAMS,
    Finds,
    active_cuts,
    last_cut,
    values_as_of,
)
from features.catalogue.plan import Group, Lookup, Plan, Rows
from features.catalogue.spec import EVER, FAN_OUT, Read, Tie
from features.history.tables import SCHEMAS, Tables, absent_column, arrange_table
from features.offline.encoded_history import EncodedHistory, read_log
from features.offline.kernel import group_reads

SLACK_DAYS = 40
"""Days after the end by which every record of the world has become known."""


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of each entity of one combination, in the order in which they became known."""

    keys: Ints
    """Distinct keys, ascending."""
    start: Ints
    order: Ints

    def codes(self, keys: Ints) -> Ints:
        """Return the number of each key, shape (n,); -1 where no row has it or it is not known."""
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where((keys != 0) & (self.keys[at] == keys), at, -1)

    def rows(self, code: int) -> Ints:
        """Return the rows of one entity, shape (k,)."""
        return self.order[self.start[code] : self.start[code + 1]]

    def find_rows(self, keys: Ints) -> Ints:
        """Return the rows of all these entities, ascending."""
        codes = self.codes(np.unique(keys))
        codes = codes[codes >= 0]
        begin, sizes = self.start[codes], self.start[codes + 1] - self.start[codes]
        before = np.cumsum(sizes) - sizes
        return np.sort(self.order[np.repeat(begin - before, sizes) + np.arange(sizes.sum())])


@dataclass(frozen=True, slots=True)
class Candidates:
    """Records that could be, in the order in which they would become known."""

    tables: Tables
    plan: Plan
    log: EncodedHistory
    keys: Mapping[Lookup, Ints]
    index: Mapping[tuple[str, ...], Index]
    codes: Mapping[Lookup, Ints]
    """For each look-up the number of the entity that each row asks for, -1 where not known."""
    measures: Mapping[str, Ints]
    entry_row: Ints
    """For each trip, the row of its entry and of its exit; -1 for none."""
    exit_row: Ints


def encode_candidates(trips: Trips, plan: Plan) -> Candidates:
    """Encode every record that the trips of a plan could leave."""
    made, rows_of = _make_tables(trips)
    log = read_log(made, plan)
    keys = {lookup: np.asarray(log.keys[at]) for at, lookup in enumerate(plan.lookups)}
    index = {by: _index_rows(keys[of, by]) for of, by in plan.lookups if of == by}
    measures = {
        name: np.asarray(found, np.int64)
        for name, found in log.streams["crossings"].measures.items()
    }
    return Candidates(
        tables=made,
        plan=plan,
        log=log,
        keys=keys,
        index=index,
        codes={lookup: index[lookup[1]].codes(found) for lookup, found in keys.items()},
        measures=measures,
        entry_row=rows_of[1],
        exit_row=rows_of[0],
    )


def _index_rows(keys: Ints) -> Index:
    order = np.argsort(keys, kind="stable")
    distinct, start = np.unique(keys[order], return_index=True)
    return Index(distinct, np.append(start, len(keys)), order)


def _make_tables(trips: Trips) -> tuple[Tables, tuple[Ints, Ints]]:
    """Return the history in which every trip takes place, and each trip's exit and entry row."""
    world = _full_world(trips)
    kept = records.keep_crossings(world)
    if kept is None:  # pragma: no cover - the configuration above asks for exactly what there is
        raise ValueError("a record of the world is missing")
    crossings = records.tabulate_crossings(world, kept)
    number = {name: at for at, name in enumerate(crossings["crossing_id"].to_pylist())}
    crossings = crossings.append_column(
        "known_at", pa.array(np.maximum(kept.arrived_at, kept.recorded_at))
    )
    found: dict[str, Any] = {
        "crossings": crossings,
        "declarations": records.tabulate_declarations(world, kept),
        "goods_items": records.tabulate_goods_items(world, kept),
    }
    made = {
        name: arrange_table(name, _cast_table(name, found[name]))
        if name in found
        else schema.empty_table()
        for name, schema in SCHEMAS.items()
    }
    place = np.array([number[name] for name in made["crossings"]["crossing_id"].to_pylist()])
    rows = np.full((2, len(trips.calls.vehicle)), -1)
    rows[kept.is_entry[place].astype(np.int64), kept.trip[place]] = np.arange(len(place))
    network = read_network(Path("network.toml"), text=network_toml())
    return Tables(**made, network=network, digest=""), (rows[0], rows[1])


def _full_world(trips: Trips) -> World:
    """Return the impossible world in which all trips take place and none is searched."""
    enters = trips.entry_post >= 0
    leaves = (trips.exit_post >= 0) & (trips.habits.has_mirror | ~enters)
    span = trips.config
    config = Config(
        int(enters.sum() + leaves.sum()),
        span.seed,
        span.end + SLACK_DAYS * DAY,
        span.days + SLACK_DAYS,
    )
    n = len(enters)
    none, nothing = np.zeros(0, np.int64), np.zeros(0)
    given = none.astype(np.int8), nothing
    no_acts = inspections.search(trips, span.rng("none"), rows=none, given=given, hiding=none)
    seized = inspections.Seizures(none, none, none.astype(np.bool_), none, none, nothing)
    return World(
        replace(trips, config=config),
        happens=np.ones(n, np.bool_),
        p_seizure=np.zeros(n),
        p_discrepancy=np.zeros(n),
        hiding=np.full(n, -1),
        propensity=np.zeros(n),
        acts=no_acts,
        seizures=seized,
    )


def _cast_table(name: str, table: pa.Table) -> pa.Table:
    """Return a table of the generator with the columns of a history."""
    columns = {}
    for field in SCHEMAS[name]:
        if field.name not in table.column_names:
            columns[field.name] = absent_column(field.type, table.num_rows)
            continue
        column = table[field.name]
        if pa.types.is_list(field.type):
            cells = column.to_pylist()
            column = pa.array([cell.split(";") if cell else [] for cell in cells], field.type)
        elif pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        columns[field.name] = column.cast(field.type)
    return pa.table(columns)


EventsByStream = Mapping[str, Sequence[tuple[int, int, tuple[int, ...]]]]
"""By stream (known at, row, amounts)."""
_AMOUNTS = {
    INSPECTIONS.name: ("n", "hit", "seizure"),
    FINDS.name: ("grams", "n", "load"),
    PASSED.name: tuple(sorted({link.measure for link in PASSED.links})),
}


class WorldSnapshots:
    """The snapshots of a world."""

    def __init__(self, given: Candidates) -> None:
        self._known_at = given.log.known_at
        self._as_of = given.log.as_of
        self._codes = np.zeros((len(ENTITIES), len(given.log)), np.int32)
        self._size = 1
        for place, name in enumerate(ENTITIES):
            codes = given.codes[(name,), (name,)]
            self._codes[place] = np.where(codes < 0, 0, codes + self._size)
            self._size += len(given.index[name,].keys)
        self._is_known = {name: given.keys[(name,), (name,)] != 0 for name in ENTITIES}
        self._times: list[int] = []
        self._values: list[Ints] = []
        self._made = 0

    def values(
        self, entity: str, names: Sequence[str], rows: Ints, there: Bools, events: EventsByStream
    ) -> Floats:
        """Return values of one entity of some arrivals, float64 of shape (rows, names).

        ``there`` marks the rows that exist, ``events`` are the acts and finds so far.
        """
        as_of = self._as_of[rows]
        self._make(int(as_of.max()) if len(as_of) else 0, there, events)
        which = np.searchsorted(self._times, as_of)
        held = np.array([np.zeros((len(MEASURES), self._size), np.int64), *self._values])
        code = self._codes[ENTITIES.index(entity)][rows]
        found = held[which, :, code][:, [MEASURES.index(name) for name in names]]
        return np.where(self._is_known[entity][rows][:, None], found, np.nan)

    def _make(self, as_of: int, there: Bools, events: EventsByStream) -> None:
        due = last_cut(as_of)
        if due <= self._made:
            return
        finds = {kind: _merge(events, counted) for kind, counted in KINDS.items()}
        at = np.concatenate([one.known_at for one in finds.values()])
        for cut in active_cuts(at, after=self._made, upto=due).tolist():
            rows = np.flatnonzero(there & (self._known_at >= cut - CROSSINGS_FOR))
            seen = self._codes[:, rows[self._known_at[rows] < cut]]
            values = values_as_of(seen, self._codes, finds, cut=cut, size=self._size)
            self._times.append(cut + LAG)
            self._values.append(values)
        # Arrivals come in the order of time: what lies weeks back is not asked for again.
        self._times, self._values = self._times[-_KEPT:], self._values[-_KEPT:]
        self._made = due


_KEPT = 30 * 86_400_000_000 // EVERY


def _merge(events: EventsByStream, counted: Sequence[tuple[str, str]]) -> Finds:
    rows = [
        (known_at, STREAMS * row + source, amounts[_AMOUNTS[stream].index(name)])
        for source, (stream, name) in enumerate(counted)
        for known_at, row, amounts in events.get(stream, ())
    ]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    known_at, source, amount = columns[np.argsort(columns[:, 0], kind="stable")].T
    return Finds(known_at, source, amount)


KnownEvent = tuple[int, int, tuple[int, ...]]
"""(known at, row or key, amounts)."""


class WorldRecords:
    """The records of one world as they come to be known."""

    def __init__(self, given: Candidates) -> None:
        self._given = given
        self._there: Bools = np.zeros(len(given.log), np.bool_)
        self._measures = dict(given.measures)
        for name in given.plan.derived:  # of the impossible world: computed again as rows arrive
            self._measures[name] = np.zeros(len(given.log), np.int64)
        self._label: dict[int, tuple[int, int, int]] = {}
        self._events: dict[str, list[KnownEvent]] = defaultdict(list)
        self._passed: dict[tuple[str, ...], list[KnownEvent]] = defaultdict(list)
        self._spread = WorldSnapshots(given) if given.plan.spread else None

    def arrive(self, trips: Ints) -> Ints:
        """Take in the records that trips leave; return the rows of their entries, shape (n,)."""
        entries = self._given.entry_row[trips]
        exits = self._given.exit_row[trips]
        rows = np.sort(np.concatenate([entries, exits[exits >= 0]]))
        self._there[rows] = True
        for name in self._given.plan.derived:
            seen = CROSSINGS.derived[name]
            count = Read(CROSSINGS.name, seen.by, seen.by, "n", seen.window)
            group, cut = Group(CROSSINGS.name, seen.by), self._given.log.known_at[rows]
            (had,) = self._read(group, seen.by, [count], rows, cut).T
            self._measures[name][rows] = ((had > 0) == seen.wanted) & ~np.isnan(had)
        return entries

    def act(self, trips: Ints, outcomes: Ints, *, at: int) -> None:
        """Take in what acts found, shape (n,), at one time: 0 clear, 1 discrepancy, 2 seizure."""
        for row, outcome in zip(self._given.entry_row[trips].tolist(), outcomes, strict=True):
            before = self._label.get(row, (0, 0, 0))
            after = (1, max(before[1], int(outcome > 0)), max(before[2], int(outcome > 1)))
            if after == before:
                continue
            self._label[row] = after
            added = tuple(new - old for new, old in zip(after, before, strict=True))
            self._events[INSPECTIONS.name].append((at, row, added))
            if added[1]:
                self._pass_on(row, at)

    def find(self, trips: Ints, grams: Floats, *, at: int) -> None:
        """Take in finds made elsewhere and linked back to a crossing; arrays have shape (n,)."""
        for row, found in zip(self._given.entry_row[trips].tolist(), grams, strict=True):
            self._events[FINDS.name].append((at, row, (round(float(found)), 1, 1)))

    def _pass_on(self, row: int, at: int) -> None:
        """Pass a hit on along every kind of link, to those linked last first."""
        for link in self._given.plan.links:
            added = tuple(int(name == link.measure) for name in _AMOUNTS[PASSED.name])
            for other in self._list_linked(link, row, at):
                self._passed[(link.to,)].append((at, other, added))

    def _list_linked(self, link: Tie, row: int, at: int) -> Sequence[int]:
        via = (link.via,)
        code = int(self._given.codes[via, via][row])
        if code < 0:
            return ()
        rows = self._given.index[via].rows(code)
        rows = rows[self._there[rows] & (self._given.log.known_at[rows] < at)]
        keys = self._given.keys[(link.to,), (link.to,)]
        to, first = np.unique(keys[rows], return_index=True)
        since = self._given.log.known_at[rows[first]]
        order = np.lexsort((to, since))[::-1]
        own = keys[row]
        return [key for key in to[order].tolist() if key not in (0, own)][:FAN_OUT]

    def features(self, rows: Ints) -> Rows:
        """Return the features of some rows, float32 of shape (rows, features)."""
        plan, log = self._given.plan, self._given.log
        slots = np.full((len(rows), len(plan.slot)), np.nan)
        slots[:, : len(FACTS)] = log.facts[:, rows].T
        slots[:, len(FACTS)] = log.as_of[rows]
        asked: dict[tuple[Group, tuple[str, ...]], list[Read]] = defaultdict(list)
        for read in plan.reads:
            asked[Group(read.stream, read.by), read.of].append(read)
        for (group, of), reads in asked.items():
            places = [plan.slot[read] for read in reads]
            if group.stream == SPREAD.name and self._spread is not None:
                slots[:, places] = self._spread.values(
                    group.by[0], [read.measure for read in reads], rows, self._there, self._events
                )
                continue
            slots[:, places] = self._read(group, of, reads, rows, log.as_of[rows])
        return plan.finish(slots)

    def _read(
        self, group: Group, of: tuple[str, ...], reads: Sequence[Read], rows: Ints, cut: Ints
    ) -> Floats:
        """Return reads of counters, float64 of shape (rows, reads), by the bulk kernel.

        ``cut`` says of each row before when an event counts: UTC microseconds, shape (rows,).
        """
        query = self._given.keys[of, group.by][rows]
        sums = [read for read in reads if not read.is_last]
        events = self._list_events(group, query, {read.measure for read in sums})
        windows = sorted({read.window for read in sums}) or [EVER]
        order = np.argsort(cut, kind="stable")
        found = group_reads(
            events.keys,
            events.known_at,
            events.amounts,
            query[order],
            cut[order],
            np.array([0 if window >= EVER else window for window in windows]),
            np.array([events.names.index(read.measure) for read in sums], np.int64),
            np.array([windows.index(read.window) for read in sums], np.int64),
        )
        out = np.full((len(rows), len(reads)), np.nan)
        for place, read in enumerate(reads):
            if not read.is_last:
                out[order, place] = found[sums.index(read)]
            elif len(events.keys):
                last = found[-1]
                out[order, place] = np.where(last < 0, np.nan, self._last(read, events)[last])
        out[query == 0] = np.nan
        return out

    def _last(self, read: Read, events: "_GroupEvents") -> NDArray[Any]:
        if read.measure == "known_at":
            return events.known_at
        facts: NDArray[Any] = self._given.log.facts[FACTS.index(read.measure), events.rows]
        return facts

    def _list_events(self, group: Group, query: Ints, measures: Collection[str]) -> "_GroupEvents":
        """Return what is known so far of the entities that are asked for, in the order of time."""
        given = self._given
        if group.stream == CROSSINGS.name:
            rows = given.index[group.by].find_rows(query)
            rows = rows[self._there[rows]]
            names = tuple(sorted(measures))
            ones = np.ones(len(rows), np.int64)
            known_at = given.log.known_at[rows]
            columns = [ones if name == "n" else self._measures[name][rows] for name in names]
            amounts = np.array(columns, np.int64).reshape(len(names), len(rows))
        else:
            names = _AMOUNTS[group.stream]
            is_passed = group.stream == PASSED.name
            listed = self._passed[group.by] if is_passed else self._events[group.stream]
            known_at = np.array([event[0] for event in listed], np.int64)
            rows = np.array([event[1] for event in listed], np.int64)
            made = [event[2] for event in listed]
            amounts = np.ascontiguousarray(np.array(made, np.int64).reshape(-1, len(names)).T)
            if is_passed:  # to an entity, by its key
                return _GroupEvents(rows, known_at, names, amounts, rows)
        keys = given.keys[group.by, group.by][rows]
        return _GroupEvents(keys, known_at, names, amounts, rows)


class _GroupEvents(NamedTuple):
    """Events of a group of counters, by the time at which they became known."""

    keys: Ints
    known_at: Ints
    names: tuple[str, ...]
    amounts: Ints
    """What each event adds, shape (names, events)."""
    rows: Ints
