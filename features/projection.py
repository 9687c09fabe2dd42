"""What each record adds to the counters, in the transaction that records it.

Whatever is recorded is known at its journal time. A crossing counts once, with its first record;
a later act adds what it changes about the crossing's label, and a hit is passed on along the links
known before it. The journal gives no two records the same time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, bindparam

from engine.journal import Draft, Entry
from engine.store import add, fetch
from features.counters import Layout, Place, Standing, layouts
from features.definitions import EVER, Floats, Seen
from features.encode import FACTS
from features.links import followed, keep, ways
from features.passages import PASSAGES, ActEvent, CrossingEvent, FindEvent, passage_row
from features.places import Looked, PlaceCounter, told
from features.plan import Group, Plan
from features.steps import MEASURES, Label, act_step, crossing_measures
from features.streams import CROSSINGS, FINDS, INSPECTIONS, PASSED


@dataclass(frozen=True, slots=True)
class _Counted:
    """One event: what it adds to which counters of its stream."""

    stream: str
    keys: Sequence[int]
    known_at: int
    measures: Mapping[str, int]
    facts: Floats | None = None

    def carried(self) -> Mapping[str, float]:
        """Return what the entity's last event can be asked for."""
        known_at = {"known_at": float(self.known_at)}
        if self.facts is None:
            return known_at
        return dict(zip(FACTS, self.facts.tolist(), strict=True)) | known_at


class CounterProjection:
    """Keeps passages, counters, links and places; implements ``engine.ports.Projection``."""

    def __init__(self, plan: Plan) -> None:
        found = layouts(plan)
        self._layouts: dict[str, list[tuple[Layout, int]]] = {}
        for group, layout in found.items():
            place = plan.column[group.by, group.by]
            self._layouts.setdefault(group.stream, []).append((layout, place))
        self._seen: list[tuple[str, Seen, Layout, int]] = []
        for name in plan.derived:
            seen = CROSSINGS.derived[name]
            layout = found[Group(CROSSINGS.name, seen.by)]
            self._seen.append((name, seen, layout, plan.column[seen.by, seen.by]))
        self._ways = [(way, found[Group(CROSSINGS.name, way.link.pair)]) for way in ways(plan)]
        self._width = len(plan.lookups)
        self._searched = PlaceCounter(plan)

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Count what these records say; a crossing counts once, with its first record."""
        events = [(entry.known_at, draft.extra) for entry, draft in entries]
        known = self._passages(connection, [event for _, event in events])
        counted = [
            step for known_at, event in events for step in self._steps(known, known_at, event)
        ]
        self._count(connection, counted)
        hits = [c for c in counted if c.stream == INSPECTIONS.name and c.measures["hit"]]
        if hits and self._ways:
            self._count(connection, list(self._passed(connection, hits)))
        _keep(connection, known)
        self._searched.count(connection, list(_looked(known, [event for _, event in events])))

    def _passages(self, connection: Connection, events: Sequence[object]) -> "dict[str, _Passage]":
        wanted = {
            event.crossing_id
            for event in events
            if isinstance(event, CrossingEvent | ActEvent | FindEvent)
        }
        if not wanted:
            return {}
        if connection.dialect.name == "sqlite":
            among = f"IN ({', '.join('?' * len(wanted))})"
            rows = fetch(connection, _KNOWN + among, list(wanted))
        else:
            rows = fetch(connection, _KNOWN + "= ANY(%s)", [list(wanted)])
        return {name: _Passage.of(keys, label, kind) for name, keys, kind, *label in rows}

    def _steps(
        self, known: "dict[str, _Passage]", known_at: int, event: object
    ) -> Iterator[_Counted]:
        if isinstance(event, CrossingEvent):
            if event.crossing_id not in known:
                known[event.crossing_id] = _Passage(event.keys, (0, 0, 0), event, known_at)
                added = crossing_measures(event.facts).tolist()
                measures: dict[str, int] = {"n": 1} | dict(zip(MEASURES, added, strict=True))
                yield _Counted(CROSSINGS.name, event.keys, known_at, measures, event.facts)
        elif isinstance(event, ActEvent) and (passage := known.get(event.crossing_id)):
            label = act_step(passage.label, event.outcome, full=event.is_full)
            step = [new - old for new, old in zip(label, passage.label, strict=True)]
            passage.label = label
            if any(step):
                measures = dict(zip(("n", "hit", "seizure"), step, strict=True))
                yield _Counted(INSPECTIONS.name, passage.keys, known_at, measures)
        elif isinstance(event, FindEvent) and event.is_elsewhere and event.crossing_id in known:
            passage = known[event.crossing_id]
            measures = {"n": 1, "grams": event.grams}
            yield _Counted(FINDS.name, passage.keys, known_at, measures)

    def _count(self, connection: Connection, counted: Sequence[_Counted]) -> None:
        """Add events to the counters: one grouped read of where they stand, one grouped insert."""
        places = [self._places(event) for event in counted]
        standing = Standing(connection, [place for those in places for place in those])
        linked: list[tuple[int, int, int, int]] = []
        for event, those in zip(counted, places, strict=True):
            measures = event.measures
            if event.stream == CROSSINGS.name:
                linked += self._linked(standing, event)
                measures = {**measures, **self._before(standing, event)}
            carried = event.carried()
            for place in those:
                standing.add(
                    place,
                    event.known_at,
                    sums=[measures.get(name, 0) for name in place[0].sums],
                    carried=[carried[name] for name in place[0].carried],
                )
        standing.write()
        keep(connection, linked)

    def _places(self, event: _Counted) -> list[Place]:
        counted = self._layouts.get(event.stream, ())
        return [(layout, event.keys[place]) for layout, place in counted if event.keys[place]]

    def _before(self, standing: Standing, event: _Counted) -> dict[str, int]:
        """What a crossing adds to the measures made of the stream's own past."""
        out = {}
        for name, seen, layout, place in self._seen:
            if entity := event.keys[place]:
                last = standing.last((layout, entity), "known_at")
                had = last == last and (seen.window >= EVER or event.known_at - last <= seen.window)
                out[name] = int(had == seen.wanted)
        return out

    def _linked(self, standing: Standing, event: _Counted) -> Iterator[tuple[int, int, int, int]]:
        """The links that a crossing makes: its pairs that were never seen before."""
        for way, layout in self._ways:
            if entity := event.keys[way.pair]:
                last = standing.last((layout, entity), "known_at")
                if last != last:
                    yield way.number, event.keys[way.via], event.known_at, event.keys[way.to]

    def _passed(self, connection: Connection, hits: Sequence[_Counted]) -> Iterator[_Counted]:
        """The hits once more, for whom they are passed on to."""
        for hit in hits:
            for way, _ in self._ways:
                for other in followed(connection, way, hit.keys, before=hit.known_at):
                    keys = [0] * self._width
                    keys[way.to] = other
                    yield _Counted(PASSED.name, keys, hit.known_at, {way.link.measure: 1})


@dataclass(slots=True)
class _Passage:
    keys: Sequence[int]
    label: Label
    new: CrossingEvent | None = None
    known_at: int = 0
    was: Label = (0, 0, 0)
    stored: str = ""

    @classmethod
    def of(cls, keys: bytes, said: Sequence[int], vehicle: str) -> "_Passage":
        inspected, hit, seizure = said
        label = (inspected, hit, seizure)
        return cls(np.frombuffer(keys, "<i8").tolist(), label, was=label, stored=vehicle)

    @property
    def vehicle(self) -> str:
        """What kind of vehicle it is, as places are counted."""
        return self.stored if self.new is None else self.new.vehicle


def _looked(known: Mapping[str, _Passage], events: Sequence[object]) -> Iterator[Looked]:
    """Where the vehicles of some events were searched."""
    for event in events:
        if isinstance(event, ActEvent | FindEvent) and event.crossing_id in known:
            searched, found = told(event)
            if searched:
                one = known[event.crossing_id]
                yield Looked(event.crossing_id, one.vehicle, one.keys, searched, found)


_KNOWN = (
    "SELECT crossing_id, entity_keys, vehicle, inspected, hit, seizure FROM passages "
    "WHERE crossing_id "
)
_LABEL = (
    PASSAGES.update()
    .where(PASSAGES.c.crossing_id == bindparam("which"))
    .values(inspected=bindparam("i"), hit=bindparam("h"), seizure=bindparam("s"))
)


def _keep(connection: Connection, known: Mapping[str, _Passage]) -> None:
    new = [passage_row(p.new, p.known_at, p.label) for p in known.values() if p.new is not None]
    if new:
        add(connection, PASSAGES, new)
    changed = [
        {"which": crossing_id, "i": p.label[0], "h": p.label[1], "s": p.label[2]}
        for crossing_id, p in known.items()
        if p.new is None and p.label != p.was
    ]
    if changed:
        connection.execute(_LABEL, changed)
