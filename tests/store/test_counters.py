"""Online equals bulk, bit for bit: a history replayed through the journal, on both stores."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.journal import Draft, Journal
from engine.records import Arrival
from engine.store import Store
from engine.times import HOUR
from features import counters, projection
from features.backfill import backfill
from features.bulk import matrix
from features.catalogue import CATALOGUE
from features.log import read_log
from features.online import OnlineFeatures
from features.passages import FindEvent
from features.plan import Plan, Rows
from features.projection import CounterProjection
from tests.histories import NETWORK, History, history, tables

PLAN = Plan(CATALOGUE)
SIZE = 8_000 if os.environ.get("DARVOZA_PROOF") else 250
"""Crossings: with their acts and finds about twice as many events."""


class SetClock:
    """Tells the time it was told."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time


Step = tuple[int, int, Any]
"""(when, what first at equal times, the record)."""


def steps(found: History) -> list[Step]:
    """All records in the order in which they became known."""
    crossings = [(t, 0, (c, d)) for t, c, d in found.crossings]
    acts = [(t, 1, act) for t, act in found.inspections]
    finds = [(t, 2, seizure) for t, seizure, _ in found.seizures]
    return sorted([*crossings, *acts, *finds], key=lambda step: step[:2])


class Replay:
    """A service without HTTP: reads features for each entry, records everything."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = store, SetClock()
        self.features = OnlineFeatures(PLAN, NETWORK)
        self.journal = Journal(store, [CounterProjection(PLAN)], self.clock)
        self.known: dict[str, int] = {}
        self.rows: dict[str, tuple[int, Rows]] = {}

    def batch(self, batch: Sequence[Step]) -> None:
        """Read for all crossings of a batch at once, then record the batch in one transaction."""
        self.clock.time = batch[-1][0]
        crossings = [record for _, kind, record in batch if kind == 0]
        with self.store.read() as connection:
            cut = self.journal.head(connection).as_of
            if crossings:
                arrivals = [Arrival(crossing=c, declaration=d) for c, d in crossings]
                read = self.features.read(connection, arrivals, as_of=[cut] * len(arrivals))
            drafts, at = [], 0
            for _, kind, record in batch:
                if kind == 0:
                    self.rows[record[0].crossing_id] = (cut, read.values[at])
                    drafts.append(self._draft(record[0].crossing_id, read.events[at]))
                    at += 1
                elif kind == 1:
                    drafts.append(self._draft(record.inspection_id, self.features.act(record)))
                else:
                    event = FindEvent(record.crossing_id, int(np.rint(record.quantity_g or 0)))
                    drafts.append(self._draft(record.seizure_id, event))
        for entry in self.journal.append(drafts):
            self.known[entry.subject] = entry.known_at

    @staticmethod
    def _draft(subject: str, event: object) -> Draft:
        return Draft("test", subject, "", {}, extra=event)


def as_bulk(found: History, replay: Replay) -> Rows:
    """The same history in bulk, with the times at which the journal came to know each record."""
    again = History(
        sorted((replay.known[c.crossing_id], c, d) for t, c, d in found.crossings),
        sorted(
            ((replay.known[a.inspection_id], a) for _, a in found.inspections), key=lambda r: r[0]
        ),
        sorted(
            ((replay.known[s.seizure_id], s, link) for _, s, link in found.seizures),
            key=lambda r: r[0],
        ),
    )
    made = tables(again)
    cuts = [replay.rows[c][0] for c in made.crossings["crossing_id"].to_pylist()]
    made = replace(
        made, crossings=made.crossings.append_column("as_of", pa.array(cuts, pa.int64()))
    )
    return matrix(read_log(made, PLAN), PLAN).values


def differing(found: History, replay: Replay, size: int) -> int:
    """Replay a history in batches and count the bits of features that bulk does not give."""
    order = steps(found)
    for begin in range(0, len(order), size):
        replay.batch(order[begin : begin + size])
    bulk = as_bulk(found, replay)
    ids = sorted(replay.rows, key=lambda name: replay.known[name])
    served = np.array([replay.rows[name][1] for name in ids])
    return int((served.view(np.int32) != bulk.view(np.int32)).sum())


@pytest.mark.parametrize("batch", [1, 7])
def test_replay_equals_bulk(store: Store, batch: int) -> None:
    found = history(batch, SIZE, step=HOUR)
    assert differing(found, Replay(store), batch) == 0


def test_a_counter_that_forgets_a_tie_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a batch that adds up each entity from the stored state alone."""

    class Forgetful(counters.Standing):
        def add(self, place: Any, known_at: int, *, sums: Any, carried: Any) -> None:
            stored = self._values[place[0].number, place[1]]
            super().add(place, known_at, sums=sums, carried=carried)
            self._values[place[0].number, place[1]] = stored

    monkeypatch.setattr(projection, "Standing", Forgetful)
    assert differing(history(5, 120, step=HOUR), Replay(store), 7) > 0


def test_a_loaded_history_reads_as_if_replayed(store: Store) -> None:
    """Backfill the first half, replay the second: the same bits as replaying all of it."""
    found = history(11, 400, step=6 * HOUR)
    log = read_log(tables(found), PLAN)
    with store.write() as connection:
        backfill(connection, log, PLAN)
    features = OnlineFeatures(PLAN, NETWORK)
    arrivals = [Arrival(crossing=c, declaration=d) for _, c, d in found.crossings]
    with store.read() as connection:
        served = features.read(connection, arrivals, as_of=log.as_of.tolist()).values
    bulk = matrix(log, PLAN).values
    assert (served.view(np.int32) == bulk.view(np.int32)).all()


def test_the_future_moves_no_feature_of_the_store(store: Store) -> None:
    """Whatever is recorded later, the same question about the same cut has the same answer."""
    found = history(13, 200)
    replay, order = Replay(store), steps(found)
    half = len(order) // 2
    for step in order[:half]:
        replay.batch([step])
    arrivals = [Arrival(crossing=c, declaration=d) for _, _, (c, d) in _crossings(order[:half])]
    cuts = [replay.rows[a.crossing.crossing_id][0] for a in arrivals]
    for step in order[half:]:
        replay.batch([step])
    with store.read() as connection:
        again = replay.features.read(connection, arrivals, as_of=cuts).values
    before = np.array([replay.rows[a.crossing.crossing_id][1] for a in arrivals])
    assert (again.view(np.int32) == before.view(np.int32)).all()
    with store.read() as connection:
        now = replay.journal.head(connection).as_of
        moved = replay.features.read(connection, arrivals, as_of=[now] * len(arrivals)).values
    assert (moved.view(np.int32) != before.view(np.int32)).any(axis=1).mean() > 0.9


def _crossings(order: Sequence[Step]) -> list[Step]:
    return [step for step in order if step[1] == 0]
