"""Backfill of a loaded history into the counters.

The rows equal those that single appends would have written: cumulative sums by entity in the order
in which events became known, ties in time folded into one row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete

from features.catalogue.encoder import FACTS
from features.catalogue.event_measures import vehicles
from features.catalogue.event_streams import FINDS, INSPECTIONS
from features.catalogue.find_spread import ENTITIES, last_cut
from features.catalogue.plan import Plan
from features.history.labels import SearchRow
from features.offline.derived_measures import first_pairs
from features.offline.encoded_history import EncodedHistory, Events
from features.online.counter_log.merge import void
from features.online.counter_store import COUNTERS, copy
from features.online.counter_updates import measures
from features.online.crossing_index import LINKS, PASSAGES
from features.online.entity_links import keep, ways
from features.online.search_counts import AT_ONCE, PlaceCounter, SearchReport, forget
from features.online.spread import tables
from features.online.state_layout import StateLayout, layouts

Ints = NDArray[np.int64]
_ARRIVED, _ENTRY = FACTS.index("arrived_at"), FACTS.index("is_entry")
_CHUNK = 20_000


def backfill(
    connection: Connection,
    log: EncodedHistory,
    plan: Plan,
    *,
    searches: Sequence[SearchRow] = (),
    before: int | None = None,
) -> None:
    """Replace counters and passages by those of a history, inside one writer's transaction.

    ``searches`` has the places searched in its vehicles. ``before`` is that with which snapshots of
    the log were made, see :func:`features.offline.encoded_history.read_log`.
    """
    connection.execute(delete(COUNTERS))
    void(connection)
    connection.execute(delete(PASSAGES))
    for group, layout in sorted(layouts(plan).items(), key=lambda pair: pair[1].number):
        under = log.event_keys(plan, group)
        copy(connection, _rows(log, log.streams[group.stream], under, layout))
    connection.execute(delete(LINKS))
    keep(connection, _yield_links(log, plan))
    label = _labels(log)
    keys = log.keys[:]
    for begin in range(0, len(log), _CHUNK):
        connection.execute(PASSAGES.insert(), list(_passages(log, keys, label, begin=begin)))
    tables.forget(connection)
    if plan.spread:
        _fill_spread(connection, log, plan, log.ends if before is None else before)
    forget(connection)
    counter = PlaceCounter(plan)
    for begin in range(0, len(searches), AT_ONCE):
        counter.count(
            connection, list(_yield_searches(log, keys, searches[begin : begin + AT_ONCE]))
        )


def _fill_spread(connection: Connection, log: EncodedHistory, plan: Plan, before: int) -> None:
    """Keep what later snapshots are made of, and up to where they are made."""
    keys = np.array([log.keys[plan.column[(name,), (name,)]] for name in ENTITIES])
    for begin in range(0, len(log), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        packed = [tables.pack_keys(each) for each in keys[:, part].T.tolist()]
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
    log: EncodedHistory, keys: Ints, searches: Sequence[SearchRow]
) -> Iterator[SearchReport]:
    for _, row, searched, found in searches:
        (vehicle,) = vehicles(log.facts, slice(row, row + 1))
        name = str(log.crossing_id[row])
        yield SearchReport(name, vehicle, keys[:, row].tolist(), searched, found)


def _yield_links(log: EncodedHistory, plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    for way in ways(plan):
        via, to = log.keys[way.via], log.keys[way.to]
        for row in first_pairs(via, to, log.known_at).tolist():
            yield way.number, int(via[row]), int(log.known_at[row]), int(to[row])


def _rows(
    log: EncodedHistory, events: Events, entity: Ints, layout: StateLayout
) -> Iterator[tuple[int, int, int, bytes]]:
    order = np.lexsort((events.known_at, entity))
    order = order[entity[order] != 0]
    if not len(order):
        return
    entity, known_at, row = entity[order], events.known_at[order], events.row[order]
    starts = np.flatnonzero(np.r_[True, entity[1:] != entity[:-1]])
    lasts = np.flatnonzero(
        np.r_[(entity[1:] != entity[:-1]) | (known_at[1:] != known_at[:-1]), True]
    )
    packed = np.empty((len(lasts), layout.width), "<i8")
    for place, measure in enumerate(layout.sums):
        packed[:, place] = _cumulative(events, measure, order, starts)[lasts]
    for place, name in enumerate(layout.carried, len(layout.sums)):
        carried = known_at if name == "known_at" else log.facts[FACTS.index(name)][row]
        packed[:, place] = carried[lasts].astype("<f8").view("<i8")
    width, states = 8 * layout.width, packed.tobytes()
    for at, (who, when) in enumerate(
        zip(entity[lasts].tolist(), known_at[lasts].tolist(), strict=True)
    ):
        yield layout.number, who, when, states[at * width : (at + 1) * width]


def _cumulative(events: Events, measure: str, order: Ints, starts: Ints) -> Ints:
    """Sum within each entity: the running total less what it was before its first event."""
    amounts = events.amounts(measure)[order]
    running = np.cumsum(amounts)
    before = (running - amounts)[starts]
    return running - np.repeat(before, np.diff(np.r_[starts, len(order)]))


def _labels(log: EncodedHistory) -> Ints:
    """Return (inspected, hit, seizure) of each crossing as int64 array of shape (3, n)."""
    acts = log.streams["inspections"]
    label = np.zeros((3, len(log)), np.int64)
    for place, measure in enumerate(("n", "hit", "seizure")):
        np.add.at(label[place], acts.row, acts.measures[measure])
    return label


def _passages(
    log: EncodedHistory, keys: Ints, label: Ints, *, begin: int
) -> Iterator[dict[str, object]]:
    end = min(begin + _CHUNK, len(log))
    kinds = vehicles(log.facts, slice(begin, end))
    for row, vehicle in zip(range(begin, end), kinds, strict=True):
        yield {
            "crossing_id": log.crossing_id[row],
            "post": log.post[row],
            "plate_key": int(log.plate_key[row]),
            "is_entry": bool(log.facts[_ENTRY, row]),
            "arrived_at": int(log.facts[_ARRIVED, row]),
            "known_at": int(log.known_at[row]),
            "entity_keys": keys[:, row].astype("<i8").tobytes(),
            "inspected": int(label[0, row]),
            "hit": int(label[1, row]),
            "seizure": int(label[2, row]),
            "vehicle": vehicle,
        }
