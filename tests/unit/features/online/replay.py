"""A history replayed through the journal, one by one and in batches, and the same in bulk."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.domain.time_units import DAY
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan, Rows
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import Matrix, matrix
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from tests.unit.features.random_histories import NETWORK, History, tables

Step = tuple[int, int, Any]
"""(when, what first at equal times, the record)."""


def until(found: History, time: int) -> History:
    """What of a history became known before a time."""
    return History(
        [row for row in found.crossings if row[0] < time],
        [row for row in found.inspections if row[0] < time],
        [row for row in found.seizures if row[0] < time],
    )


class SetClock:
    """Tells the time it was told."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time


def steps(found: History) -> list[Step]:
    """All records in the order in which they became known."""
    crossings = [(t, 0, (c, d)) for t, c, d in found.crossings]
    acts = [(t, 1, act) for t, act in found.inspections]
    finds = [(t, 2, seizure) for t, seizure, _ in found.seizures]
    return sorted([*crossings, *acts, *finds], key=lambda step: step[:2])


def batches(order: Sequence[Step], most: int, *, seed: int = 0) -> Iterator[Sequence[Step]]:
    """Cut the records into batches of 1 to ``most``, as they come together at a busy barrier."""
    rng, begin = random.Random(seed), 0
    while begin < len(order):
        size = rng.randint(1, most)
        yield order[begin : begin + size]
        begin += size


def rough(order: Sequence[Step], most: int, *, seed: int = 0) -> list[tuple[int, Sequence[Step]]]:
    """Return batches with what a bad clock says at each: it stands still, or steps back a day."""
    rng, time, out = random.Random(seed), order[0][0], []
    for batch in batches(order, most, seed=seed):
        luck = rng.random()
        if luck > 0.2:
            time = batch[-1][0] - (DAY if luck < 0.4 else 0)
        out.append((time, batch))
    return out


def name_of(kind: int, record: Any) -> str:
    """Return the identifier of a step's record."""
    found = (lambda: record[0].crossing_id, lambda: record.inspection_id, lambda: record.seizure_id)
    return str(found[kind]())


def draft(
    features: OnlineFeatures, connection: Connection, step: Step, events: Iterator[Any]
) -> Draft:
    """Return what is recorded of a step; a crossing's event is the next of those read."""
    _, kind, record = step
    if kind == 0:
        event = next(events)
    else:
        event = features.act(record) if kind == 1 else features.find(connection, record)
    return Draft("roster", name_of(kind, record), "", {}, extra=event)


PLAN = Plan(CATALOGUE)


@dataclass
class Replay:
    """What is left to compare once a history was replayed."""

    store: Store
    plan: Plan = PLAN
    clock: SetClock = field(default_factory=SetClock)
    known: dict[str, int] = field(default_factory=dict)
    rows: dict[str, tuple[int, Rows]] = field(default_factory=dict)
    """By crossing: the cut, and the features served."""

    def __post_init__(self) -> None:
        self.features = OnlineFeatures(self.plan, NETWORK)
        self.journal = Journal(self.store, [CounterProjection(self.plan)], self.clock)

    def tick(self, time: int) -> None:
        """Wake up at a time: after a quiet while the next cut is this very time."""
        self.clock.time = time - 1
        self.journal.ensure_recent()

    def batch(self, batch: Sequence[Step], time: int | None = None) -> None:
        """Read for all crossings of a batch at once, then record the batch in one transaction."""
        self.clock.time = batch[-1][0] if time is None else time
        crossings = [record for _, kind, record in batch if kind == 0]
        with self.store.read() as connection:
            cut = self.journal.head(connection).as_of
            arrivals = [Arrival(crossing=c, declaration=d) for c, d in crossings]
            events: Iterator[Any] = iter(())
            if arrivals:
                read = self.features.read(connection, arrivals, as_of=[cut] * len(arrivals))
                events = iter(read.events)
                for (crossing, _), row in zip(crossings, read.values, strict=True):
                    self.rows[crossing.crossing_id] = (cut, row)
            drafts = [draft(self.features, connection, step, events) for step in batch]
        for entry in self.journal.append(drafts):
            self.known[entry.subject] = entry.known_at

    def read(self, arrivals: Sequence[Arrival], cuts: Sequence[int]) -> Rows:
        """Ask again, a thousand at once."""
        rows = [np.empty((0, len(self.plan.names)), np.float32)]
        with self.store.read() as connection:
            for begin in range(0, len(arrivals), 1000):
                part = slice(begin, begin + 1000)
                rows.append(self.features.read(connection, arrivals[part], as_of=cuts[part]).values)
        return np.concatenate(rows)


def as_known(found: History, known: Mapping[str, int]) -> History:
    """Return the history as the journal came to know it; what it did not record is as it was."""
    crossings = [(known.get(c.crossing_id, t), c, d) for t, c, d in found.crossings]
    acts = [(known.get(a.inspection_id, t), a) for t, a in found.inspections]
    finds = [(known.get(s.seizure_id, t), s, link) for t, s, link in found.seizures]
    return History(
        sorted(crossings, key=lambda row: (row[0], row[1].crossing_id)),
        sorted(acts, key=lambda row: (row[0], row[1].inspection_id)),
        sorted(finds, key=lambda row: (row[0], row[1].seizure_id)),
    )


def as_bulk(found: History, replay: Replay) -> Matrix:
    """Compute in bulk what the replay served: with the cut of each of its decisions."""
    made = tables(as_known(found, replay.known))
    names, known_at = (made.crossings[name].to_pylist() for name in ("crossing_id", "known_at"))
    pairs = zip(names, known_at, strict=True)
    cuts = [replay.rows[name][0] if name in replay.rows else at for name, at in pairs]
    as_of = pa.array(cuts, pa.int64())
    made = replace(made, crossings=made.crossings.append_column("as_of", as_of))
    return matrix(read_log(made, replay.plan), replay.plan)


def bits(one: Rows, other: Rows) -> int:
    """Count the values that are not the same to the bit."""
    assert one.shape == other.shape
    return int((one.view(np.int32) != other.view(np.int32)).sum())


def unlike_bulk(found: History, replay: Replay) -> tuple[int, int]:
    """Count the values that bulk does not give: those served, and those read again afterwards.

    Read again at the cut that was stored with it, a decision meets all that became known later, and
    at the very cut. What was loaded is read for the first time.
    """
    bulk = as_bulk(found, replay)
    names = [str(name) for name in bulk.crossing_id]
    place = {name: row for row, name in enumerate(names)}
    served = np.array([row for _, row in replay.rows.values()])
    arrivals = {c.crossing_id: Arrival(crossing=c, declaration=d) for _, c, d in found.crossings}
    again = replay.read([arrivals[name] for name in names], bulk.as_of.tolist())
    return (
        bits(served, bulk.values[[place[name] for name in replay.rows]]),
        bits(again, bulk.values),
    )
