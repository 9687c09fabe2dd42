"""Projection of records onto the counters, in the transaction that records them.

A record is known at its journal time. A crossing counts once, with its first record; a later act
adds what it changes about the crossing's label, and a hit is passed on along the ties known before
it. The journal gives no two records the same time.

When an act or a find is corrected, which is rare, the acts and finds of its crossing are read from
the journal as of a record's number. Acts of the loaded history are not corrected, and not read
here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, select

from engine.domain.records import Inspection
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE
from engine.ports import ActEvent, CorrectionEvent, CrossingEvent, FindEvent
from engine.queue.corrections import CORRECTIONS, Corrections
from engine.queue.match_outcomes import ACTS
from engine.storage.database import fetch_rows_among, insert_rows
from features.catalogue.event_streams import (
    CROSSINGS,
    FINDS,
    INSPECTIONS,
    PASSED,
    STREAMS,
    Label,
    LabelStep,
    StatedAct,
    act_step,
    crossing_measures,
    label_steps,
    vehicle,
)
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import EVER, Stream
from features.online.counter_log import Event, append_rows
from features.online.counter_states import StateLayout, list_layouts
from features.online.counter_store import (
    CountedEvent,
    CounterState,
    StreamGroups,
    insert_states,
    measures,
)
from features.online.crossing_index import (
    PASSAGES,
    follow_tie,
    keep_ties,
    list_ways,
    passage_row,
    unpack_keys,
)
from features.online.search_counts import SearchedVehicle, count_searches, named_places
from features.online.spread_snapshots import SpreadSnapshots


@dataclass(frozen=True, slots=True)
class StatedCrossing:
    """A crossing as its acts and finds state it."""

    steps: Sequence[LabelStep]
    searched: frozenset[str]
    """Places, those of finds among them."""
    found: frozenset[str]


def read_stated_crossing(connection: Connection, crossing_id: str, *, upto: int) -> StatedCrossing:
    """Return what is stated of a crossing by records up to a number, corrections among them."""
    column = ACTS.c
    query = select(column.seq).where(column.crossing_id == crossing_id, column.seq <= upto)
    seqs = list(connection.scalars(query))
    first = JournalReader(connection).bodies(seqs)
    of = CORRECTIONS.c
    later = select(of.seq).where(of.of.in_(seqs), of.seq <= upto)
    bodies = first | JournalReader(connection).bodies(list(connection.scalars(later)))
    times = select(JOURNAL.c.seq, JOURNAL.c.known_at).where(JOURNAL.c.seq.in_(list(bodies)))
    known_at = {row.seq: row.known_at for row in connection.execute(times)}
    acts = [_to_stated_act(known_at[seq], bodies[seq]) for seq in sorted(bodies)]
    known = Corrections(connection, upto=upto)
    last = known.bodies(first).values()
    found = _read_find_places(connection, known, crossing_id, upto=upto)
    searched = {place for body in last for place in body["inspection"].get("places_searched", ())}
    return StatedCrossing(tuple(label_steps(acts)), frozenset(searched | found), frozenset(found))


def _to_stated_act(known_at: int, body: dict[str, Any]) -> StatedAct:
    act = Inspection.model_validate(body["inspection"], strict=False)
    return known_at, act.inspection_id, act.outcome, act.is_full


def _read_find_places(
    connection: Connection, known: Corrections, crossing_id: str, *, upto: int
) -> set[str]:
    records = JournalReader(connection).records(
        SEIZURE, FIND_CONFIRMED, where=[JOURNAL.c.seq <= upto]
    )
    bodies = (
        known.read(one.seq, one.body)
        for one in records
        if one.body["linked_crossing_id"] == crossing_id
    )
    places = (body["seizure"].get("place") for body in bodies if body is not None)
    return {place for place in places if place is not None}


Ints = NDArray[np.int64]
_DERIVED = 1 + len(CROSSINGS.measures)
"""Where the measures made of the past begin among the amounts of a crossing."""
_EVENTS = (CrossingEvent, ActEvent, FindEvent, CorrectionEvent)
_HIT = measures(INSPECTIONS).index("hit")


class CounterProjection:
    """Keeps passages, counters, links and places."""

    def __init__(self, plan: Plan) -> None:
        found = list_layouts(plan)
        self._groups = {name: _groups(plan, stream, found) for name, stream in STREAMS.items()}
        self._seen = [
            (amount, CROSSINGS.derived[name], plan.column[by, by])
            for amount, name in enumerate(measures(CROSSINGS))
            if name in plan.derived
            for by in [CROSSINGS.derived[name].by]
        ]
        self._ways = list_ways(plan)
        pairs = [seen.by for _, seen, _ in self._seen] + [way.link.pair for way in self._ways]
        place = self._groups[CROSSINGS.name].known_at_place
        self._known_at = [place(found[Group(CROSSINGS.name, by)]) for by in pairs]
        self._width = len(plan.lookups)
        self._spread = SpreadSnapshots(plan)

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Count what these records say; a crossing counts once, with its first record."""
        events = [(entry.known_at, draft.extra) for entry, draft in entries]
        after = entries[0][0].after if entries else None
        known = self._passages(connection, [event for _, event in events])
        stated = _read_stated(connection, entries)
        counted = [
            step
            for known_at, event in events
            for step in self._steps(known, known_at, event, stated=stated, after=after)
        ]
        added = self._count(connection, counted)
        hits = [c for c in counted if c.stream == INSPECTIONS.name and c.amounts[_HIT]]
        if hits and self._ways:
            passed = list(self._yield_passed_hits(connection, hits, stated))
            added += self._count(connection, passed)
        added.sort(key=itemgetter(0))
        append_rows(connection, added, insert_states)
        _keep(connection, known)
        count_searches(connection, list(_yield_searches(known, events, stated)))
        self._spread.note(connection, counted)
        if entries:
            self._spread.make_due(connection, entries[-1][0].known_at)

    def make_due(self, connection: Connection, known_at: int) -> None:
        """Make the snapshots that a read after a record of this time has to see."""
        self._spread.make_due(connection, known_at)

    def _passages(
        self, connection: Connection, events: Sequence[ProjectionInput | None]
    ) -> "dict[str, _Passage]":
        wanted = {event.crossing_id for event in events if isinstance(event, _EVENTS)}
        if not wanted:
            return {}
        rows = fetch_rows_among(connection, _KNOWN, list(wanted))
        return {name: _Passage.of(keys, label, kind) for name, keys, kind, *label in rows}

    def _steps(
        self,
        known: "dict[str, _Passage]",
        known_at: int,
        event: ProjectionInput | None,
        *,
        stated: "_Stated",
        after: int | None,
    ) -> Iterator[CountedEvent]:
        if isinstance(event, CrossingEvent):
            if event.crossing_id not in known:
                known[event.crossing_id] = _Passage(event.keys, (0, 0, 0), event, known_at)
                amounts = np.zeros(_DERIVED + len(CROSSINGS.derived), np.int64)
                amounts[0] = 1
                amounts[1:_DERIVED] = crossing_measures(event.facts)
                yield CountedEvent(
                    CROSSINGS.name,
                    event.keys,
                    known_at,
                    amounts,
                    event.facts,
                    event.crossing_id,
                    _stood(event, after),
                )
        elif isinstance(event, ActEvent) and (passage := known.get(event.crossing_id)):
            label = act_step(passage.label, event.outcome, full=event.is_full)
            step = [new - old for new, old in zip(label, passage.label, strict=True)]
            passage.label = label
            if any(step):  # one inspection, its hit, its seizure
                yield CountedEvent(
                    INSPECTIONS.name,
                    passage.keys,
                    known_at,
                    np.array(step),
                    crossing_id=event.crossing_id,
                )
        elif isinstance(event, FindEvent) and event.is_elsewhere and event.crossing_id in known:
            keys = known[event.crossing_id].keys
            amounts = np.array([1, event.grams])
            yield CountedEvent(FINDS.name, keys, known_at, amounts, crossing_id=event.crossing_id)
        elif isinstance(event, CorrectionEvent) and event.crossing_id in known:
            yield from _correct(known[event.crossing_id], event, known_at, stated[known_at])

    def _count(self, connection: Connection, counted: Sequence[CountedEvent]) -> list[Event]:
        """Return what events add to the counters, by one grouped read of where these stand."""
        placed = [(event, self._groups[event.stream].places(event.keys)) for event in counted]
        standing = CounterState(connection, placed)
        linked: list[tuple[int, int, int, int]] = []
        for event, those in placed:
            groups = self._groups[event.stream]
            row = standing.row(groups, those, event.stood)
            if event.stream == CROSSINGS.name:
                linked += self._from_the_past(event, row)
            groups.add(row, event)
            standing.keep(those, event.known_at, row)
        keep_ties(connection, linked)
        return standing.events

    def _from_the_past(self, event: CountedEvent, row: Ints) -> list[tuple[int, int, int, int]]:
        """Add to a crossing what its stream's past makes of it; return the links that it makes.

        A pair that was never seen before is linked by it.
        """
        keys, known_at = event.keys, event.known_at
        result = row.view(np.float64)[self._known_at].tolist()  # NaN where there was none
        for (amount, seen, key), last in zip(self._seen, result, strict=False):
            had = last == last and (seen.window >= EVER or known_at - last <= seen.window)
            event.amounts[amount] = keys[key] != 0 and had == seen.wanted
        return [
            (way.number, keys[way.via], known_at, keys[way.to])
            for way, last in zip(self._ways, result[len(self._seen) :], strict=True)
            if keys[way.pair] and last != last
        ]

    def _yield_passed_hits(
        self, connection: Connection, hits: Sequence[CountedEvent], stated: "_Stated"
    ) -> Iterator[CountedEvent]:
        """Yield each hit again for every entity that it is passed on to.

        One that is taken back is taken back from those it was passed on to.
        """
        names = measures(PASSED)
        for hit in hits:
            before = hit.known_at
            if hit.amounts[_HIT] < 0:
                before = stated[hit.known_at].steps[-1].hit_at
            for way in self._ways:
                amounts = np.array([name == way.link.measure for name in names], np.int64)
                amounts *= hit.amounts[_HIT]
                for other, _ in follow_tie(connection, way, hit.keys, before=before):
                    keys = [0] * self._width
                    keys[way.to] = other
                    yield CountedEvent(PASSED.name, keys, hit.known_at, amounts)


_Stated = Mapping[int, StatedCrossing]
"""What is stated of the crossing of each correction, by the correction's time."""


def _read_stated(
    connection: Connection, entries: Sequence[tuple[Entry, Draft]]
) -> dict[int, StatedCrossing]:
    return {
        entry.known_at: read_stated_crossing(connection, draft.extra.crossing_id, upto=entry.seq)
        for entry, draft in entries
        if isinstance(draft.extra, CorrectionEvent)
    }


def _correct(
    passage: "_Passage", event: CorrectionEvent, known_at: int, stated: StatedCrossing
) -> Iterator[CountedEvent]:
    """Yield what a correction adds and takes away, from when it is known."""
    name = event.crossing_id
    last = stated.steps[-1] if stated.steps else None
    if last is not None and last.known_at == known_at:
        n, hit, seizure = passage.label
        passage.label = (n + last.change[0], hit + last.change[1], seizure + last.change[2])
        change = np.array(last.change)
        yield CountedEvent(INSPECTIONS.name, passage.keys, known_at, change, crossing_id=name)
    if event.finds or event.grams:
        amounts = np.array([event.finds, event.grams])
        yield CountedEvent(FINDS.name, passage.keys, known_at, amounts, crossing_id=name)


def _stood(event: CrossingEvent, after: int | None) -> bytes:
    """Return the states that the read of a crossing's features returned, where they are the last.

    That holds where nothing was recorded between the snapshot and the writer's lock: the cut of a
    snapshot comes right after its last record, and no two records are known at the same time.
    ``after`` is when the record before was known, None where that is not known.
    """
    return event.stood if after is not None and event.cut == after + 1 else b""


def _groups(plan: Plan, stream: Stream, found: Mapping[Group, StateLayout]) -> StreamGroups:
    """Return the groups of a stream in the table's order, and where the key of each stands."""
    counted = [
        (layout, plan.column[group.by, group.by])
        for group, layout in sorted(found.items(), key=lambda each: each[1].number)
        if group.stream == stream.name
    ]
    return StreamGroups(stream, counted)


@dataclass(slots=True)
class _Passage:
    keys: Sequence[int]
    label: Label
    new: CrossingEvent | None = None
    known_at: int = 0
    was: Label = (0, 0, 0)
    stored: str = ""

    @classmethod
    def of(cls, keys: bytes, outcome: Sequence[int], vehicle: str) -> "_Passage":
        inspected, hit, seizure = outcome
        label = (inspected, hit, seizure)
        return cls(unpack_keys(keys), label, was=label, stored=vehicle)

    @property
    def vehicle(self) -> str:
        """What the vehicle is, as places are counted."""
        return self.stored if self.new is None else vehicle(self.new.facts)


def _yield_searches(
    known: Mapping[str, _Passage],
    events: Sequence[tuple[int, ProjectionInput | None]],
    stated: _Stated,
) -> Iterator[SearchedVehicle]:
    """Yield the places searched in the vehicles of some events."""
    for known_at, event in events:
        if isinstance(event, CorrectionEvent) and event.crossing_id in known:
            one, now = known[event.crossing_id], stated[known_at]
            places = sorted(now.searched), sorted(now.found)
            yield SearchedVehicle(event.crossing_id, one.vehicle, *places, is_whole=True)
        elif isinstance(event, ActEvent | FindEvent) and event.crossing_id in known:
            searched, found = named_places(event)
            if searched:
                one = known[event.crossing_id]
                yield SearchedVehicle(event.crossing_id, one.vehicle, searched, found)


_KNOWN = (
    "SELECT crossing_id, entity_keys, vehicle, inspected, hit, seizure FROM passages "
    "WHERE crossing_id"
)
_LABEL = (
    PASSAGES.update()
    .where(PASSAGES.c.crossing_id == bindparam("which"))
    .values(inspected=bindparam("i"), hit=bindparam("h"), seizure=bindparam("s"))
)


def _keep(connection: Connection, known: Mapping[str, _Passage]) -> None:
    new = [passage_row(p.new, p.known_at, p.label) for p in known.values() if p.new is not None]
    if new:
        insert_rows(connection, PASSAGES, new)
    changed = [
        {"which": crossing_id, "i": p.label[0], "h": p.label[1], "s": p.label[2]}
        for crossing_id, p in known.items()
        if p.new is None and p.label != p.was
    ]
    if changed:
        connection.execute(_LABEL, changed)
