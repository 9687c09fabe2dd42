"""The store's counters: what comes later never moves what was read, what came earlier does."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.domain.time_units import DAY, HOUR
from engine.journal.entries import Draft, Entry
from engine.storage.database import Store
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Rows
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from features.online import counter_store
from features.online.backfill import backfill
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from tests.support.sizes import PROOF
from tests.unit.features.online.record_batches import draft, name_of, rough, steps
from tests.unit.features.online.replay import PLAN, Replay, as_known, bits
from tests.unit.features.online.small_logs import write_at_once
from tests.unit.features.random_histories import (
    EVENTFUL,
    NETWORK,
    History,
    history,
    list_movable_features,
    tables,
    thin_history,
)

Ints = NDArray[np.int64]
FEATURES = OnlineFeatures(PLAN, NETWORK)
LOADED, REPLAYED = (400, 200) if PROOF else (60, 40)


def list_single_states(
    entity: Ints, known_at: Ints, states: Ints, _sums: int
) -> tuple[list[int], list[int], list[bytes]]:
    """Return rows of single states, as the service writes them."""
    return entity.tolist(), known_at.tolist(), [state.tobytes() for state in states]


@pytest.mark.parametrize("is_single", [False, True])
def test_a_loaded_history_reads_as_if_replayed(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, is_single: bool
) -> None:
    """Fill the counters from a whole history: the same bits as counting it in bulk."""
    if is_single:
        monkeypatch.setattr(counter_store, "pack_blocks", list_single_states)
    found = history(11, LOADED, step=6 * HOUR)
    log = read_log(tables(found), PLAN)
    with store.write() as connection:
        backfill(connection, log, PLAN)
    arrivals = [Arrival(crossing=c, declaration=d) for _, c, d in found.crossings]
    with store.read() as connection:
        served = FEATURES.read(connection, arrivals, as_of=log.as_of.tolist()).values
    assert bits(served, matrix(log, PLAN).values) == 0


def moved_by_the_future(store: Store) -> int:
    """Replay a history by a bad clock and ask for its first half again, at the cuts of then."""
    found = history(13, REPLAYED, step=3 * DAY)
    replay = Replay(store)
    for time, batch in rough(steps(found), 6):
        replay.batch(batch, time)
    early = [(c, d) for _, c, d in found.crossings[: REPLAYED // 2]]
    before = np.array([replay.rows[c.crossing_id][1] for c, _ in early])
    arrivals = [Arrival(crossing=c, declaration=d) for c, d in early]
    cuts = [replay.rows[c.crossing_id][0] for c, _ in early]
    with store.read() as connection:
        now = replay.journal.head(connection).as_of
    assert (replay.read(arrivals, [now] * len(arrivals)) != before).any(axis=1).mean() > 0.9
    return bits(replay.read(arrivals, cuts), before)


def test_the_future_moves_no_feature_of_the_store(store: Store) -> None:
    """Whatever is recorded later, the same question about the same cut has the same answer."""
    assert moved_by_the_future(store) == 0


def test_a_seek_that_sees_its_own_time_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_at_once(monkeypatch.setattr)
    leaky = counter_store._LATEST.replace("known_at < q.t", "known_at <= q.t")
    monkeypatch.setattr(counter_store, "_LATEST", leaky)
    assert moved_by_the_future(store) > 0


def apart(found: History) -> History:
    """Return a history of which no two records became known at once, as in a journal."""
    known, last = {}, 0
    for time, kind, record in steps(found):
        last = max(time, last + 1)
        known[name_of(kind, record)] = last
    return as_known(found, known)


def serve_rows(connection: Connection, found: History, half: int) -> Rows:
    """Count what was known before a time; return what the arrivals after it are served then."""
    early = [step for step in steps(found) if step[0] < half]
    late = [(c, d) for time, c, d in found.crossings if time >= half]
    result = iter([FEATURES.record(*record) for _, kind, record in early if kind == 0])
    entries: Sequence[tuple[Entry, Draft]] = [
        (Entry("", at, step[0], "", "", "", b"", b""), draft(FEATURES, connection, step, result))
        for at, step in enumerate(early)
    ]
    CounterProjection(PLAN).apply(connection, entries)
    arrivals = [Arrival(crossing=c, declaration=d) for c, d in late]
    return FEATURES.read(connection, arrivals, as_of=[half] * len(arrivals)).values


@pytest.mark.parametrize("kind", ["crossings", "inspections", "seizures"])
def test_earlier_records_move_every_feature_that_reads_them_and_no_other(
    store: Store, kind: str
) -> None:
    moved = set().union(*(moved_in(store, apart(found), kind) for found in EVENTFUL))
    assert moved == list_movable_features(CATALOGUE, kind=kind)


def moved_in(store: Store, found: History, kind: str) -> set[str]:
    """Name the features that move without some of the records that came before."""
    half = found.crossings[len(found.crossings) // 2][0]
    rows = []
    for one in (found, thin_history(found, half, kind=kind)):
        with store.engine.connect() as connection:  # nothing is committed
            rows.append(serve_rows(connection, one, half))
    differs = rows[0].view(np.int32) != rows[1].view(np.int32)
    return {name for name, column in zip(PLAN.names, differs.T, strict=True) if column.any()}


def test_an_append_right_after_its_read_asks_nothing_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    latest = counter_store.latest

    def count_lookups(connection: Connection, lookups: Sequence[counter_store.Lookup]) -> object:
        seen.append(len(lookups))
        return latest(connection, lookups)

    monkeypatch.setattr(counter_store, "latest", count_lookups)
    replay = Replay(store)
    for step in steps(history(3, 40)):
        if step[1] == 0:  # a crossing
            replay.batch([step])
    assert len(seen) == 40
    assert not any(seen[1:])  # the first has no record before it to go by
