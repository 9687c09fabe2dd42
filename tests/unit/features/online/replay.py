"""A history replayed through the journal, and the same history in bulk.

A service without HTTP: it reads the features of whatever enters, records everything, and remembers
what it read. What it read must then be, to the bit, what the bulk kernel makes of the same records
at the times at which the journal came to know them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from engine.domain.records import Arrival
from engine.journal.journal import Journal
from engine.storage.database import Store
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan, Rows
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import Matrix, matrix
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from tests.unit.features.online.record_batches import SetClock, Step, draft
from tests.unit.features.random_histories import NETWORK, History, tables

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
