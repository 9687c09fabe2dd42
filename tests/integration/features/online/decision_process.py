"""A process that decides on arrivals and records acts next to others, on one store.

It reads features under a snapshot of its own and appends afterwards, as the service does; what
others wrote meanwhile is then in the journal before it. Every process has a clock of its own, and
the first batches of all begin together: that they come between one another is not left to luck.
Four of them start for a test, so nothing here imports the bulk kernel.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any
from unittest.mock import patch

import numpy as np
from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.errors import StoreUnavailableError
from engine.journal.batch_worker import Writer
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal
from engine.storage.database import Store
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan, Rows
from features.online import counter_store
from features.online.counter_store import Lookup
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from tests.unit.features.online.replay import SetClock, Step
from tests.unit.features.online.small_logs import make_small
from tests.unit.features.random_histories import NETWORK

PLAN = Plan(CATALOGUE)
SECONDS = 600
LATE_SECONDS = 1.0
"""How long a late cut waits for another process to write, at most: a busy machine lets it wait."""
_gate: "list[Barrier]" = []


def prepare(gate: Barrier) -> None:
    """Keep what all processes wait at, so that none is done before the last has begun."""
    _gate.append(gate)
    make_small()


@dataclass
class Decider:
    """One process's connection to the store, and what it served."""

    url: str
    number: int = 0
    """Which of the processes it is."""
    served: dict[int, Rows] = field(default_factory=dict)
    """By number of the decision's record."""

    def __post_init__(self) -> None:
        self.store, self.clock = Store(self.url), SetClock()
        self.features = OnlineFeatures(PLAN, NETWORK)
        self.journal = self.open_journal()
        self.writer = Writer(self.journal)

    def open_journal(self) -> Journal:
        """Return a journal that counts."""
        return Journal(self.store, [CounterProjection(PLAN)], self.clock)

    def cut(self, snapshot: Connection) -> int:
        """Return the cut that sees all that the snapshot sees."""
        return self.journal.head(snapshot).as_of

    def batch(self, batch: Sequence[Step]) -> list[Step]:
        """Decide and record what can be; return what has to wait."""
        with self.store.read() as snapshot:
            cut = self.cut(snapshot)
            own = {record[0].crossing_id for _, kind, record in batch if kind == 0}
            known = [self._is_known(snapshot, own, step) for step in batch]
            ready = [step for step, is_known in zip(batch, known, strict=True) if is_known]
            values = [record for _, kind, record in ready if kind == 0]
            arrivals = [Arrival(crossing=c, declaration=d) for c, d in values]
            read = (
                self.features.read(snapshot, arrivals, as_of=[cut] * len(arrivals))
                if arrivals
                else None
            )
        rows = iter(zip(arrivals, read.events, read.values, strict=True) if read else ())
        asked = [
            (step, *(self._decision(cut, *next(rows)) if step[1] == 0 else self._act(step)))
            for step in ready
        ]
        late = [step for step, is_known in zip(batch, known, strict=True) if not is_known]
        return late + self._write(asked)

    def _is_known(self, snapshot: Connection, own: "set[str]", step: Step) -> bool:
        """Another process may still have to tell of the crossing that an act is about."""
        _, kind, record = step
        return (
            kind == 0
            or record.crossing_id in own
            or self.features.post_of(snapshot, record.crossing_id) is not None
        )

    @staticmethod
    def _decision(cut: int, arrival: Arrival, event: Any, row: Rows) -> tuple[Draft, Rows]:
        result = arrival.model_dump(mode="json", exclude_none=True)
        body = {"arrival": result, "inputs": {"as_of": cut}}
        crossing = arrival.crossing
        return Draft("decision", crossing.crossing_id, crossing.post, body, extra=event), row

    def _act(self, step: Step) -> tuple[Draft, None]:
        _, kind, record = step
        result = record.model_dump(mode="json", exclude_none=True)
        if kind == 1:
            event: Any = self.features.act(record)
            body = {"inspection": result}
            return Draft("inspection", record.inspection_id, "", body, extra=event), None
        body = {"seizure": result, "linked_crossing_id": record.crossing_id}
        with self.store.read() as snapshot:
            event = self.features.find(snapshot, record)
        return Draft("seizure", record.seizure_id, "", body, extra=event), None

    def _write(self, asked: Sequence[tuple[Step, Draft, Rows | None]]) -> list[Step]:
        """Record everything; return what the store had no time for."""
        again: list[Step] = []
        waiting = [(step, self.writer.submit(draft), row) for step, draft, row in asked]
        for step, future, row in waiting:
            try:
                seq = future.result(SECONDS).seq
            except StoreUnavailableError:
                again.append(step)
                continue
            if row is not None:
                self.served[seq] = row
        return again


class UnlockedProcess(Decider):
    """Seeded bug: where the counters stand is read before the writer's lock is taken."""

    def open_journal(self) -> Journal:
        return _UnlockedJournal(self.store, [CounterProjection(PLAN)], self.clock)


class _UnlockedJournal(Journal):
    _is_first = True

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        with self._store.read() as early:
            self.head(early)  # the snapshot is fixed by its first statement
            if self._is_first:  # of all processes, before any of them writes
                self._is_first = False
                _gate[0].wait(SECONDS)

            real = counter_store.latest

            def latest(_: Connection, lookups: Sequence[Lookup]) -> list[bytes | None]:
                return real(early, lookups)

            with patch.object(counter_store, "latest", latest):
                return super().append(drafts)


class LateCut(Decider):
    """Seeded bug.

    One process takes its cut after the snapshot was fixed, once others have written.
    """

    def cut(self, snapshot: Connection) -> int:
        seen = late = super().cut(snapshot)
        until = time.monotonic() + LATE_SECONDS
        while self.number == 0 and late == seen and time.monotonic() < until:
            time.sleep(0.001)
            with self.store.read() as later:
                late = super().cut(later)
        return late


def decide(
    kind: type[Decider], url: str, own: Sequence[Sequence[Step]], *, number: int, together: int
) -> tuple[list[int], Rows]:
    """Work through batches of records next to other processes; return what was served.

    The first ``together`` batches wait for those of all others.

    Returns
    -------
    list of int, float32 array of shape (n, n_features)
        The number of each decision's record, and the features it was decided on.
    """
    decider = kind(url, number)
    late: list[Step] = []
    for at, batch in enumerate(own):
        if at < together:
            _gate[0].wait(SECONDS)
        decider.clock.time = batch[-1][0]
        late = decider.batch([*late, *batch])
    deadline = time.monotonic() + SECONDS
    while late:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(late)} records wait for crossings that never came")
        time.sleep(0.01)
        late = decider.batch(late)
    decider.writer.close()
    decider.store.dispose()
    return list(decider.served), np.array(list(decider.served.values()))
