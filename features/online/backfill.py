"""Backfill of a loaded history into the counters.

The rows equal those that single appends would have written: cumulative sums by entity in the order
in which events became known, ties in time folded into one row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete

from engine.storage.database import indexes_apart, insert_rows, take_statistics
from features.catalogue.encoder import FACTS
from features.catalogue.event_measures import vehicles
from features.catalogue.event_streams import FINDS, INSPECTIONS
from features.catalogue.find_spread import ENTITIES, last_cut
from features.catalogue.plan import Plan
from features.history.labels import SearchRow
from features.offline.derived_measures import first_pairs, order_by_key
from features.offline.encoded_history import EncodedHistory, Events
from features.online.counter_log.merge import void
from features.online.counter_store import COUNTERS, copy
from features.online.counter_updates import measures
from features.online.crossing_index import LINKS, PASSAGES, pack_many_keys
from features.online.entity_links import keep, ways
from features.online.search_counts import AT_ONCE, PlaceCounter, SearchReport, forget
from features.online.spread import tables
from features.online.state_layout import StateLayout, layouts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Mask = NDArray[np.bool_]
_ARRIVED, _ENTRY = FACTS.index("arrived_at"), FACTS.index("is_entry")
_CHUNK = 20_000
_EVENTS, _PARTS = 500_000, 8
"""Of one group that are counted at a time, and those of the last one's entity; in how many parts at
most, because each of them reads the columns that lie in a file."""


def backfill(
    connection: Connection,
    log: EncodedHistory,
    plan: Plan,
    *,
    searches: Sequence[SearchRow] = (),
    before: int | None = None,
    reads_from: int | None = None,
) -> None:
    """Replace counters and passages by those of a history, inside one writer's transaction.

    ``searches`` has the places searched in its vehicles. ``before`` is that with which snapshots of
    the log were made, see :func:`features.offline.encoded_history.read_log`. Nothing will be read
    as of a time before ``reads_from`` (UTC microseconds): states that no later read can see are
    left out. All are kept by default.
    """
    connection.execute(delete(COUNTERS))
    void(connection)
    for group, layout in sorted(layouts(plan).items(), key=lambda pair: pair[1].number):
        events, under = log.events_of(group), log.event_keys(plan, group)
        carried = _read_carried(log, events, layout)
        for order, entity in _yield_entities(under):
            lasts, known_at, states = _states(
                events, entity, layout, order=order, carried=carried, reads_from=reads_from
            )
            copy(connection, layout, entity[lasts], known_at=known_at, states=states)
    connection.execute(delete(LINKS))
    keep(connection, _yield_links(log, plan))
    with indexes_apart(connection, PASSAGES):
        connection.execute(delete(PASSAGES))
        label = _labels(log)
        for begin in range(0, len(log), _CHUNK):
            insert_rows(connection, PASSAGES, _passages(log, label, begin=begin))
    tables.forget(connection)
    if plan.spread:
        ends = log.ends if before is None else before
        _fill_spread(connection, log, plan, ends, since=tables.oldest_crossing(reads_from))
    forget(connection)
    counter = PlaceCounter(plan)
    some = (searches[begin : begin + AT_ONCE] for begin in range(0, len(searches), AT_ONCE))
    looked = (_yield_searches(log, each, counter.parties) for each in some)
    counter.fill(connection, chain.from_iterable(looked))
    take_statistics(connection, (COUNTERS, PASSAGES, LINKS, *tables.FILLED))


def _fill_spread(
    connection: Connection, log: EncodedHistory, plan: Plan, before: int, *, since: int
) -> None:
    """Keep what later snapshots are made of, and up to where they are made."""
    keys = np.array([log.keys[plan.column[(name,), (name,)]] for name in ENTITIES])
    for begin in range(int(np.searchsorted(log.known_at, since)), len(log), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        packed = _as_bytes(keys[:, part])
        known_at, names = log.known_at[part].tolist(), log.crossing_id[part].tolist()
        tables.keep(connection, list(zip(known_at, names, packed, strict=True)), [])
    tables.keep(connection, [], list(_yield_finds(log, keys)))
    if before:
        tables.write_head(connection, last_cut(before))


def _yield_finds(log: EncodedHistory, keys: Ints) -> Iterator[tuple[object, ...]]:
    steps: Counter[tuple[int, str]] = Counter()
    for stream in (INSPECTIONS, FINDS):
        events = log.streams[stream.name]
        amounts = np.array([events.amounts(name) for name in measures(stream)])
        for at, (known_at, row) in enumerate(
            zip(events.known_at.tolist(), events.row.tolist(), strict=True)
        ):
            added = tables.find_amounts(stream.name, amounts[:, at])
            if any(added):
                name = str(log.crossing_id[row])
                step, packed = steps[known_at, name], tables.pack_keys(keys[:, row].tolist())
                steps[known_at, name] += 1
                yield known_at, name, step, stream is FINDS, *added, packed


def _yield_searches(
    log: EncodedHistory, searches: Sequence[SearchRow], parties: Sequence[int]
) -> Iterator[SearchReport]:
    """Yield the places searched in vehicles, with those keys that places are counted under."""
    rows = np.array([row for _, row, _, _ in searches], np.intp)
    keys = np.zeros((len(rows), len(log.keys)), np.int64)
    for place in parties:
        keys[:, place] = log.keys[place, rows]
    names, kinds = log.crossing_id[rows].tolist(), vehicles(log.facts, rows)
    for at, (_, _, searched, found) in enumerate(searches):
        yield SearchReport(names[at], kinds[at], keys[at].tolist(), searched, found)


def _yield_links(log: EncodedHistory, plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    for way in ways(plan):
        via, to = log.keys[way.via], log.keys[way.to]
        rows = first_pairs(via, to, log.known_at)  # in the order of the table's key
        columns = (column[rows].tolist() for column in (via, log.known_at, to))
        yield from zip(repeat(way.number), *columns, strict=False)


def _yield_entities(under: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the places of a group's events by entity and time, and the entities; some at a time.

    ``under`` has the key of each event, shape (m,), 0 where it is not counted. States of a whole
    group would take more memory than all else that a load holds.
    """
    counted = np.flatnonzero(under)
    order = counted[order_by_key(under[counted])]  # events are in the order of time
    entity, most = under[order], max(_EVENTS, -(-len(order) // _PARTS))
    begin = 0
    while begin < len(order):
        last = entity[min(begin + most, len(order)) - 1]
        end = int(np.searchsorted(entity, last, "right"))
        yield order[begin:end], entity[begin:end]
        begin = end


def _read_carried(log: EncodedHistory, events: Events, layout: StateLayout) -> list[Floats]:
    """Return what the states of a group carry of each event: float64 arrays of shape (m,).

    They lie in a file, and are read once a group.
    """
    return [
        events.known_at[:].astype(np.float64)
        if name == "known_at"
        else log.facts[FACTS.index(name), events.row]
        for name in layout.carried
    ]


def _states(
    events: Events,
    entity: Ints,
    layout: StateLayout,
    *,
    order: Ints,
    carried: Sequence[Floats],
    reads_from: int | None,
) -> tuple[Ints, Ints, Ints]:
    """Return the states of a group's entities in the table's order, with where they stand.

    ``entity`` is that of each event in ``order``, ``carried`` what each event of the group says
    (:func:`_read_carried`). Returned are the places in ``order`` of the events whose states are
    rows, shape (m,), their times, and the states, shape (m, width).
    """
    known_at = events.known_at[order]
    is_last = np.r_[entity[1:] != entity[:-1], True][: len(order)]
    lasts = np.flatnonzero(is_last | np.r_[known_at[1:] != known_at[:-1], True][: len(order)])
    if reads_from is not None:
        lasts = _drop_unreachable(lasts, is_last, known_at, since=reads_from - layout.reach)
    starts = np.flatnonzero(np.r_[True, is_last[:-1]][: len(order)])
    packed = np.empty((len(lasts), layout.width), "<i8")
    which = np.searchsorted(starts, lasts, "right") - 1
    for place, measure in enumerate(layout.sums):
        amounts = events.amounts(measure, order)
        running = np.cumsum(amounts)
        # Less what it was before the entity's first event.
        packed[:, place] = running[lasts] - (running[starts] - amounts[starts])[which]
    for place, column in enumerate(carried, len(layout.sums)):
        packed[:, place] = column[order[lasts]].astype("<f8").view("<i8")
    return lasts, known_at[lasts], packed


def _drop_unreachable(lasts: Ints, is_last: Mask, known_at: Ints, *, since: int) -> Ints:
    """Leave out the states that the next one of the entity replaced before any read.

    A cut at ``since`` or later reads a state where the next one is known then or later.
    """
    until = np.append(known_at[lasts[1:]], 0)[: len(lasts)]
    return lasts[is_last[lasts] | (until >= since)]


def _labels(log: EncodedHistory) -> Labels:
    """Return (inspected, hit, seizure) of each crossing as int8 array of shape (3, n)."""
    acts = log.streams["inspections"]
    label = np.zeros((3, len(log)), np.int8)
    for place, measure in enumerate(("n", "hit", "seizure")):
        np.add.at(label[place], acts.row, acts.measures[measure])
    return label


def _passages(log: EncodedHistory, label: Labels, *, begin: int) -> list[tuple[object, ...]]:
    """Return rows of crossings, in the order of the table's columns."""
    part = slice(begin, begin + _CHUNK)
    columns = (
        log.crossing_id[part].tolist(),
        log.post[part].tolist(),
        log.plate_key[part].tolist(),
        (log.facts[_ENTRY, part] == 1.0).tolist(),
        log.facts[_ARRIVED, part].astype(np.int64).tolist(),
        log.known_at[part].tolist(),
        pack_many_keys(log.keys[:, part].T),
        *label[:, part].tolist(),
        vehicles(log.facts, part),
    )
    return list(zip(*columns, strict=True))


def _as_bytes(keys: Ints) -> list[bytes]:
    """Return the keys of n crossings, of shape (k, n), as the tables hold them."""
    rows = np.ascontiguousarray(keys.T, "<i8")
    packed: list[bytes] = rows.view(f"V{8 * rows.shape[1]}").ravel().tolist()
    return packed
