"""Projection of records onto the counters, in the transaction that records them.

A record is known at its journal time. A crossing counts once, with its first record; a later act
or find adds what it changes about the crossing's label, and a hit is passed on along the ties known
before it. The journal gives no two records the same time.

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

from engine.criteria.policy import PolicyHistory, read_policy
from engine.domain.records import Inspection, Seizure
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE
from engine.ports import ActEvent, CorrectionEvent, CrossingEvent, FindEvent
from engine.queue.corrections import CORRECTIONS
from engine.queue.match_outcomes import ACTS
from engine.storage.database import fetch_rows_among, insert_rows
from features.catalogue.event_streams import (
    CROSSINGS,
    FINDS,
    INSPECTIONS,
    LOAD,
    NO_FINDS,
    NO_LOAD,
    PASSED,
    STREAMS,
    Label,
    LabelStep,
    StatedAct,
    act_step,
    count_label,
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
    find_event,
    follow_tie,
    keep_ties,
    list_ways,
    passage_row,
    unpack_keys,
)
from features.online.search_counts import SearchedVehicle, count_searches, named_places
from features.online.spread_snapshots import SpreadSnapshots

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StatedCrossing:
    """A crossing as records of its acts and finds state it, up to one of them."""

    steps: Sequence[LabelStep]
    """Of what acts say, whatever their finds teach."""
    taught: int
    """What the finds of acts teach."""
    change: Ints
    """What the last record adds to each measure of finds elsewhere."""
    searched: frozenset[str]
    """Places, those of finds among them."""
    found: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Statement:
    """What a record states about an act or a find, first or again."""

    seq: int
    known_at: int
    of: int
    """The record that stated it first."""
    body: Mapping[str, Any]


def read_stated_crossing(connection: Connection, crossing_id: str, *, upto: int) -> StatedCrossing:
    """Return what is stated of a crossing by records up to a number, corrections among them."""
    column = ACTS.c
    query = select(column.seq).where(column.crossing_id == crossing_id, column.seq <= upto)
    acts = _read_statements(connection, list(connection.scalars(query)), upto=upto)
    of_find = JournalReader(connection).records(
        SEIZURE, FIND_CONFIRMED, where=[JOURNAL.c.seq <= upto]
    )
    seqs = [one.seq for one in of_find if one.body["linked_crossing_id"] == crossing_id]
    finds = _read_statements(connection, seqs, upto=upto)
    policy = read_policy(connection)
    now = _judge_stated(finds, policy, crossing_id)
    before = _judge_stated([one for one in finds if one.seq < upto], policy, crossing_id)
    last = {one.of: one.body["inspection"].get("places_searched", ()) for one in acts}
    found = {find.place for find, _ in now if find.place is not None}
    return StatedCrossing(
        tuple(label_steps([_to_stated_act(one) for one in acts])),
        max((taught for find, taught in now if not find.is_elsewhere), default=NO_FINDS),
        _sum_elsewhere(now) - _sum_elsewhere(before),
        frozenset(found.union(*last.values())),
        frozenset(found),
    )


def _read_statements(connection: Connection, seqs: Sequence[int], *, upto: int) -> list[_Statement]:
    """Return what some records of acts or finds state, and what corrects it, in their order."""
    corrections = CORRECTIONS.c
    query = select(corrections.seq, corrections.of)
    query = query.where(corrections.of.in_(seqs), corrections.seq <= upto)
    of = {seq: seq for seq in seqs} | {row.seq: row.of for row in connection.execute(query)}
    bodies = JournalReader(connection).bodies(list(of))
    times = select(JOURNAL.c.seq, JOURNAL.c.known_at).where(JOURNAL.c.seq.in_(list(bodies)))
    known_at = {row.seq: row.known_at for row in connection.execute(times)}
    return [_Statement(seq, known_at[seq], of[seq], bodies[seq]) for seq in sorted(bodies)]


def _to_stated_act(stated: _Statement) -> StatedAct:
    act = Inspection.model_validate(stated.body["inspection"], strict=False)
    return stated.known_at, act.inspection_id, act.outcome, act.is_full


def _judge_stated(
    finds: Sequence[_Statement], policy: PolicyHistory, crossing_id: str
) -> list[tuple[FindEvent, int]]:
    """Return the finds of a crossing as last stated, and what each teaches."""
    judged: list[tuple[FindEvent, int]] = []
    for one in {stated.of: stated for stated in finds}.values():
        if one.body["seizure"] is not None:  # else it was withdrawn
            seizure = Seizure.model_validate(one.body["seizure"], strict=False)
            if (find := find_event(seizure, crossing_id)) is not None:
                judged.append((find, _judge_find(find, policy, known_at=one.known_at)))
    return judged


def _judge_find(find: FindEvent, policy: PolicyHistory, *, known_at: int) -> int:
    """Return what a find teaches, by the table of classes in force when it became known."""
    goods = policy.read_goods_classes(at=known_at)
    return LOAD if goods.teaches_load(find.goods_class) else NO_LOAD


def _sum_elsewhere(finds: Sequence[tuple[FindEvent, int]]) -> Ints:
    amounts = [_find_amounts(find, taught) for find, taught in finds if find.is_elsewhere]
    return sum(amounts, start=_NONE_ELSEWHERE)


def _find_amounts(find: FindEvent, taught: int) -> Ints:
    return np.array([1, find.grams, int(taught == LOAD)])


_DERIVED = 1 + len(CROSSINGS.measures)
"""Where the measures made of the past begin among the amounts of a crossing."""
_REPORTS = (ActEvent, FindEvent, CorrectionEvent)
_HIT = measures(INSPECTIONS).index("hit")
_NONE_ELSEWHERE = np.zeros(len(measures(FINDS)), np.int64)


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
        batch = _read_batch(connection, entries)
        counted = [step for each in events for step in _yield_steps(batch, *each)]
        added = self._count(connection, counted)
        hits = [c for c in counted if c.stream == INSPECTIONS.name and c.amounts[_HIT]]
        if hits and self._ways:
            passed = list(self._yield_passed_hits(connection, hits, batch.stated))
            added += self._count(connection, passed)
        added.sort(key=itemgetter(0))
        append_rows(connection, added, insert_states)
        _keep(connection, batch.passages)
        count_searches(connection, list(_yield_searches(batch, events)))
        self._spread.note(connection, counted)
        if entries:
            self._spread.make_due(connection, entries[-1][0].known_at)

    def make_due(self, connection: Connection, known_at: int) -> None:
        """Make the snapshots that a read after a record of this time has to see."""
        self._spread.make_due(connection, known_at)

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
        self,
        connection: Connection,
        hits: Sequence[CountedEvent],
        stated: Mapping[int, StatedCrossing],
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


@dataclass(frozen=True, slots=True)
class _Batch:
    """What records are counted with, by the time at which each is known."""

    passages: "dict[str, _Passage]"
    stated: Mapping[int, StatedCrossing]
    """What is stated of the crossing of a correction."""
    taught: Mapping[int, int]
    """What a find teaches."""
    after: int | None
    """When the record before them was known, None where that is not known."""


def _read_batch(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> _Batch:
    events = [(entry, draft.extra) for entry, draft in entries]
    wanted = {
        event.crossing_id for _, event in events if isinstance(event, (CrossingEvent, *_REPORTS))
    }
    rows = fetch_rows_among(connection, _KNOWN, list(wanted)) if wanted else []
    finds = [(entry.known_at, event) for entry, event in events if isinstance(event, FindEvent)]
    policy = read_policy(connection) if finds else PolicyHistory()
    return _Batch(
        {name: _Passage.of(keys, label, kind) for name, keys, kind, *label in rows},
        {
            entry.known_at: read_stated_crossing(connection, event.crossing_id, upto=entry.seq)
            for entry, event in events
            if isinstance(event, CorrectionEvent)
        },
        {known_at: _judge_find(find, policy, known_at=known_at) for known_at, find in finds},
        entries[0][0].after if entries else None,
    )


def _yield_steps(
    batch: _Batch, known_at: int, event: ProjectionInput | None
) -> Iterator[CountedEvent]:
    """Yield what a record adds to the counters."""
    if isinstance(event, CrossingEvent):
        if event.crossing_id not in batch.passages:
            batch.passages[event.crossing_id] = _Passage(event.keys, new=event, known_at=known_at)
            yield _count_crossing(event, known_at, after=batch.after)
    elif isinstance(event, _REPORTS) and event.crossing_id in batch.passages:
        yield from _count_report(batch, known_at, event)


def _count_report(
    batch: _Batch, known_at: int, event: ActEvent | FindEvent | CorrectionEvent
) -> Iterator[CountedEvent]:
    passage, name = batch.passages[event.crossing_id], event.crossing_id
    before, elsewhere = passage.counted, _NONE_ELSEWHERE
    if isinstance(event, ActEvent):
        passage.label = act_step(passage.label, event.outcome, full=event.is_full)
    elif isinstance(event, CorrectionEvent):
        stated = batch.stated[known_at]
        passage.restate(stated, known_at)
        elsewhere = stated.change
    elif event.is_elsewhere:
        elsewhere = _find_amounts(event, batch.taught[known_at])
    else:
        passage.taught = max(passage.taught, batch.taught[known_at])
    change = np.subtract(passage.counted, before)
    for stream, amounts in ((INSPECTIONS, change), (FINDS, elsewhere)):
        if amounts.any():
            yield CountedEvent(stream.name, passage.keys, known_at, amounts, crossing_id=name)


def _count_crossing(event: CrossingEvent, known_at: int, *, after: int | None) -> CountedEvent:
    amounts = np.zeros(_DERIVED + len(CROSSINGS.derived), np.int64)
    amounts[0] = 1
    amounts[1:_DERIVED] = crossing_measures(event.facts)
    stood = _stood(event, after)
    return CountedEvent(
        CROSSINGS.name, event.keys, known_at, amounts, event.facts, event.crossing_id, stood
    )


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
    label: Label = (0, 0, 0)
    """What its acts say."""
    taught: int = NO_FINDS
    """What their finds teach."""
    new: CrossingEvent | None = None
    known_at: int = 0
    was: tuple[Label, int] = ((0, 0, 0), NO_FINDS)
    stored: str = ""

    @classmethod
    def of(cls, keys: bytes, outcome: Sequence[int], vehicle: str) -> "_Passage":
        inspected, hit, seizure, taught = outcome
        label = (inspected, hit, seizure)
        return cls(unpack_keys(keys), label, taught, was=(label, taught), stored=vehicle)

    @property
    def counted(self) -> Label:
        """What counts of it."""
        return count_label(self.label, self.taught)

    @property
    def vehicle(self) -> str:
        """What the vehicle is, as places are counted."""
        return self.stored if self.new is None else vehicle(self.new.facts)

    def restate(self, stated: StatedCrossing, known_at: int) -> None:
        """Take over what the correction that is known at a time changes."""
        self.taught = stated.taught
        if stated.steps and stated.steps[-1].known_at == known_at:
            n, hit, seizure = stated.steps[-1].change
            inspected, had, seized = self.label
            self.label = inspected + n, had + hit, seized + seizure


def _yield_searches(
    batch: _Batch, events: Sequence[tuple[int, ProjectionInput | None]]
) -> Iterator[SearchedVehicle]:
    """Yield the places searched in the vehicles of some events."""
    for known_at, event in events:
        if isinstance(event, CorrectionEvent) and event.crossing_id in batch.passages:
            one, now = batch.passages[event.crossing_id], batch.stated[known_at]
            places = sorted(now.searched), sorted(now.found)
            yield SearchedVehicle(event.crossing_id, one.vehicle, *places, is_whole=True)
        elif isinstance(event, ActEvent | FindEvent) and event.crossing_id in batch.passages:
            searched, found = named_places(event)
            if searched:
                one = batch.passages[event.crossing_id]
                yield SearchedVehicle(event.crossing_id, one.vehicle, searched, found)


_KNOWN = (
    "SELECT crossing_id, entity_keys, vehicle, inspected, hit, seizure, taught FROM passages "
    "WHERE crossing_id"
)
_LABEL = (
    PASSAGES.update()
    .where(PASSAGES.c.crossing_id == bindparam("which"))
    .values(inspected=bindparam("i"), hit=bindparam("h"), seizure=bindparam("s"))
    .values(taught=bindparam("t"))
)


def _keep(connection: Connection, known: Mapping[str, _Passage]) -> None:
    new = [
        passage_row(p.new, p.known_at, p.label, p.taught)
        for p in known.values()
        if p.new is not None
    ]
    if new:
        insert_rows(connection, PASSAGES, new)
    changed = [
        dict(zip(("which", "i", "h", "s", "t"), (crossing_id, *p.label, p.taught), strict=True))
        for crossing_id, p in known.items()
        if p.new is None and (p.label, p.taught) != p.was
    ]
    if changed:
        connection.execute(_LABEL, changed)
