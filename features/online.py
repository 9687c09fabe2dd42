"""Features of arrivals at the barrier, and what their records add to the counters.

The same encoder, plan and finishers as for a history; only the reads come from the store. Whatever
is recorded is known at its journal time, and goes into the counters in the same transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    bindparam,
    select,
)

from engine.identifiers import fold
from engine.journal import Draft, Entry
from engine.network import Network
from engine.ports import FeatureRows
from engine.records import Arrival, Crossing, Declaration, Inspection, Seizure
from engine.store import METADATA, Int64
from engine.times import DAY, micros
from features.counters import Increment, Layout, Reader, append, layouts
from features.definitions import Floats
from features.encode import FACTS, encode, key
from features.plan import Plan
from features.steps import GRAMS_MOST, act_step, crossing_measures

Ints = NDArray[np.int64]
LINK_DAYS = 30
"""A find that names a plate alone belongs to its last entry within this many days before."""

PASSAGES = Table(
    "passages",
    METADATA,
    Column("crossing_id", String, primary_key=True),
    Column("plate_key", Int64, nullable=False),
    Column("is_entry", Boolean, nullable=False),
    Column("arrived_at", Int64, nullable=False),
    Column("known_at", Int64, nullable=False),
    Column("event_keys", LargeBinary, nullable=False),
    Column("inspected", SmallInteger, nullable=False, server_default="0"),
    Column("hit", SmallInteger, nullable=False, server_default="0"),
    Column("seizure", SmallInteger, nullable=False, server_default="0"),
    Index("passages_plate_ix", "plate_key", "arrived_at"),
)
"""Every crossing known: under which keys later acts and finds are counted, and what acts found."""


@dataclass(frozen=True, slots=True)
class CrossingEvent:
    """A crossing, ready to be counted."""

    crossing_id: str
    plate_key: int
    is_entry: bool
    arrived_at: int
    keys: tuple[int, ...]
    facts: Floats


@dataclass(frozen=True, slots=True)
class ActEvent:
    """What an inspection act says about a crossing."""

    crossing_id: str
    outcome: str
    is_full: bool


@dataclass(frozen=True, slots=True)
class FindEvent:
    """Goods found elsewhere, linked back to a crossing."""

    crossing_id: str
    grams: int


class OnlineFeatures:
    """Features of arrivals, read from the store; implements ``engine.ports.Features``."""

    def __init__(self, plan: Plan, network: Network) -> None:
        self._plan = plan
        self._network = network
        self._reader = Reader(plan)
        self.names = plan.names
        self.digest = plan.digest

    def read(
        self, connection: Connection, arrivals: Sequence[Arrival], *, as_of: Sequence[int]
    ) -> FeatureRows:
        """Return one row an arrival, from what was known strictly before its cut.

        Parameters
        ----------
        connection : Connection
            Holds one snapshot.
        arrivals : sequence of Arrival, n of them
        as_of : sequence of int of shape (n,)
            UTC microseconds.

        Returns
        -------
        FeatureRows
            float32 values of shape (n, n_features), NaN where unknown, and the event of each.
        """
        encoded = [encode(a.crossing, a.declaration, self._network) for a in arrivals]
        keys = [self._plan.query_keys(entities) for entities, _ in encoded]
        facts = np.array([self._plan.fact_row(known) for _, known in encoded], np.float64)
        cuts = np.array(as_of, np.float64)[:, None]
        reads = self._reader.read(connection, keys, as_of)
        values = self._plan.finish(np.concatenate((facts, cuts, reads), axis=1))
        events = tuple(
            self._event(arrival.crossing, entities, row)
            for arrival, (entities, _), row in zip(arrivals, encoded, facts, strict=True)
        )
        return FeatureRows(self.names, values, events)

    def record(self, crossing: Crossing, declaration: Declaration | None) -> CrossingEvent:
        """Return the event of a crossing that is recorded without a decision."""
        entities, facts = encode(crossing, declaration, self._network)
        return self._event(crossing, entities, np.array(self._plan.fact_row(facts)))

    def _event(
        self, crossing: Crossing, entities: Mapping[str, str | None], facts: Floats
    ) -> CrossingEvent:
        plate = entities["plate"]
        return CrossingEvent(
            crossing.crossing_id,
            0 if plate is None else key("plate", plate),
            crossing.direction == "entry",
            micros(crossing.arrived_at),
            tuple(self._plan.event_keys(dict(entities))),
            facts,
        )

    def act(self, act: Inspection) -> ActEvent:
        """Return the event of an inspection act."""
        return ActEvent(act.crossing_id, act.outcome, act.is_full)

    def find(self, connection: Connection, seizure: Seizure) -> FindEvent | None:
        """Return the event of a seizure made elsewhere; None where it belongs to no crossing.

        A seizure made during an inspection is that act's outcome and no event of its own.
        """
        crossing_id = seizure.crossing_id or self.link(connection, seizure)
        if crossing_id is None or seizure.inspection_id is not None:
            return None
        grams = min(seizure.quantity_g or 0.0, float(GRAMS_MOST))
        return FindEvent(crossing_id, int(np.rint(grams)))

    def link(self, connection: Connection, seizure: Seizure) -> str | None:
        """Return the last entry of the seizure's plate within 30 days before it, or None."""
        folded = fold(seizure.plate or "")
        if not folded:
            return None
        at = micros(seizure.seized_at or seizure.recorded_at)
        passage = PASSAGES.c
        query = (
            select(passage.crossing_id)
            .where(passage.plate_key == key("plate", folded), passage.is_entry)
            .where(passage.arrived_at < at, passage.arrived_at >= at - LINK_DAYS * DAY)
            .order_by(passage.arrived_at.desc(), passage.crossing_id.desc())
            .limit(1)
        )
        return connection.scalar(query)


class CounterProjection:
    """Keeps passages and counters; implements ``engine.ports.Projection``."""

    def __init__(self, plan: Plan) -> None:
        self._layouts: dict[str, list[tuple[Layout, int]]] = {}
        for group, layout in layouts(plan).items():
            place = plan.bys.index(group.by)
            self._layouts.setdefault(group.stream, []).append((layout, place))

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Count what these records say; a crossing counts once, with its first record."""
        events = [(entry.known_at, draft.extra) for entry, draft in entries]
        known = self._passages(connection, [event for _, event in events])
        increments: list[Increment] = []
        for known_at, event in events:
            increments.extend(self._increments(known, known_at, event))
        append(connection, increments)
        _keep(connection, known)

    def _passages(self, connection: Connection, events: Sequence[object]) -> "dict[str, _Passage]":
        wanted = {
            event.crossing_id
            for event in events
            if isinstance(event, CrossingEvent | ActEvent | FindEvent)
        }
        if not wanted:
            return {}
        query = select(PASSAGES).where(PASSAGES.c.crossing_id.in_(wanted))
        return {row.crossing_id: _Passage.of(row) for row in connection.execute(query)}

    def _increments(
        self, known: "dict[str, _Passage]", known_at: int, event: object
    ) -> Iterator[Increment]:
        if isinstance(event, CrossingEvent):
            if event.crossing_id not in known:
                known[event.crossing_id] = _Passage(event.keys, (0, 0, 0), event, known_at)
                measures: dict[str, Any] = {"n": 1} | dict(crossing_measures(event.facts))
                yield from self._counted("crossings", event.keys, known_at, measures, event.facts)
        elif isinstance(event, ActEvent) and (passage := known.get(event.crossing_id)):
            label = act_step(passage.label, event.outcome, full=event.is_full)
            step = [new - old for new, old in zip(label, passage.label, strict=True)]
            passage.label = label
            if any(step):
                measures = dict(zip(("n", "hit", "seizure"), step, strict=True))
                yield from self._counted("inspections", passage.keys, known_at, measures, None)
        elif isinstance(event, FindEvent) and (passage := known.get(event.crossing_id)):
            measures = {"n": 1, "grams": event.grams}
            yield from self._counted("finds", passage.keys, known_at, measures, None)

    def _counted(
        self,
        stream: str,
        keys: Sequence[int],
        known_at: int,
        measures: Mapping[str, Any],
        facts: Floats | None,
    ) -> Iterator[Increment]:
        for layout, place in self._layouts.get(stream, ()):
            if entity := keys[place]:
                sums = np.array([measures[name] for name in layout.sums], np.int64)
                carried = [_carried(name, known_at, facts) for name in layout.carried]
                yield Increment(layout, entity, known_at, sums, np.array(carried, np.float64))


def _carried(name: str, known_at: int, facts: Floats | None) -> float:
    if name == "known_at" or facts is None:
        return float(known_at)
    return float(facts[FACTS.index(name)])


@dataclass(slots=True)
class _Passage:
    keys: Sequence[int]
    label: tuple[int, int, int]
    new: CrossingEvent | None = None
    known_at: int = 0
    was: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, row: Any) -> "_Passage":
        keys = np.frombuffer(row.event_keys, "<i8").tolist()
        label = (row.inspected, row.hit, row.seizure)
        return cls(keys, label, was=label)


_LABEL = (
    PASSAGES.update()
    .where(PASSAGES.c.crossing_id == bindparam("which"))
    .values(inspected=bindparam("i"), hit=bindparam("h"), seizure=bindparam("s"))
)


def _keep(connection: Connection, known: Mapping[str, _Passage]) -> None:
    new = [passage_row(p.new, p.known_at, p.label) for p in known.values() if p.new is not None]
    if new:
        connection.execute(PASSAGES.insert(), new)
    changed = [
        {"which": crossing_id, "i": p.label[0], "h": p.label[1], "s": p.label[2]}
        for crossing_id, p in known.items()
        if p.new is None and p.label != p.was
    ]
    if changed:
        connection.execute(_LABEL, changed)


def passage_row(
    event: CrossingEvent, known_at: int, label: tuple[int, int, int]
) -> dict[str, object]:
    """Return the row that remembers a crossing."""
    return {
        "crossing_id": event.crossing_id,
        "plate_key": event.plate_key,
        "is_entry": event.is_entry,
        "arrived_at": event.arrived_at,
        "known_at": known_at,
        "event_keys": np.array(event.keys, "<i8").tobytes(),
        "inspected": label[0],
        "hit": label[1],
        "seizure": label[2],
    }
