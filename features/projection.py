"""What each record adds to the counters, in the transaction that records it.

Whatever is recorded is known at its journal time. A crossing counts once, with its first record;
a later act adds what it changes about the crossing's label.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, select

from engine.journal import Draft, Entry
from features.counters import Increment, Layout, append, layouts
from features.definitions import Floats
from features.encode import FACTS
from features.passages import PASSAGES, ActEvent, CrossingEvent, FindEvent, passage_row
from features.plan import Plan
from features.steps import MEASURES, Label, act_step, crossing_measures

_PLACE = {name: place for place, name in enumerate(FACTS)}


class CounterProjection:
    """Keeps passages and counters; implements ``engine.ports.Projection``."""

    def __init__(self, plan: Plan) -> None:
        self._layouts: dict[str, list[tuple[Layout, int]]] = {}
        for group, layout in layouts(plan).items():
            place = plan.column[group.by, group.by]
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
        rows = connection.execute(_KNOWN, {"wanted": list(wanted)})
        return {row.crossing_id: _Passage.of(row) for row in rows.fetchall()}

    def _increments(
        self, known: "dict[str, _Passage]", known_at: int, event: object
    ) -> Iterator[Increment]:
        if isinstance(event, CrossingEvent):
            if event.crossing_id not in known:
                known[event.crossing_id] = _Passage(event.keys, (0, 0, 0), event, known_at)
                added = crossing_measures(event.facts).tolist()
                measures: dict[str, int] = {"n": 1} | dict(zip(MEASURES, added, strict=True))
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
        measures: Mapping[str, int],
        facts: Floats | None,
    ) -> Iterator[Increment]:
        for layout, place in self._layouts.get(stream, ()):
            if entity := keys[place]:
                sums = [measures[name] for name in layout.sums]
                carried = [_carried(name, known_at, facts) for name in layout.carried]
                yield Increment(layout, entity, known_at, sums, carried)


def _carried(name: str, known_at: int, facts: Floats | None) -> float:
    if name == "known_at" or facts is None:
        return float(known_at)
    return float(facts[_PLACE[name]])


@dataclass(slots=True)
class _Passage:
    keys: Sequence[int]
    label: Label
    new: CrossingEvent | None = None
    known_at: int = 0
    was: Label = (0, 0, 0)

    @classmethod
    def of(cls, row: Any) -> "_Passage":
        keys = np.frombuffer(row.entity_keys, "<i8").tolist()
        label = (row.inspected, row.hit, row.seizure)
        return cls(keys, label, was=label)


# Built once: what SQLAlchemy spends on building a statement is as much as SQLite on running it.
_KNOWN = select(
    PASSAGES.c.crossing_id,
    PASSAGES.c.entity_keys,
    PASSAGES.c.inspected,
    PASSAGES.c.hit,
    PASSAGES.c.seizure,
).where(PASSAGES.c.crossing_id.in_(bindparam("wanted", expanding=True)))
_NEW = PASSAGES.insert()
_LABEL = (
    PASSAGES.update()
    .where(PASSAGES.c.crossing_id == bindparam("which"))
    .values(inspected=bindparam("i"), hit=bindparam("h"), seizure=bindparam("s"))
)


def _keep(connection: Connection, known: Mapping[str, _Passage]) -> None:
    new = [passage_row(p.new, p.known_at, p.label) for p in known.values() if p.new is not None]
    if new:
        connection.execute(_NEW, new)
    changed = [
        {"which": crossing_id, "i": p.label[0], "h": p.label[1], "s": p.label[2]}
        for crossing_id, p in known.items()
        if p.new is None and p.label != p.was
    ]
    if changed:
        connection.execute(_LABEL, changed)
