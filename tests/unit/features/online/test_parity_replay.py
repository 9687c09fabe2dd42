"""Online equals bulk, bit for bit: histories replayed through the journal, on both stores."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from engine.domain.time_units import DAY, HOUR, MINUTE
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal
from engine.ports import CrossingEvent
from engine.storage.database import Store
from features.offline.encoded_history import EncodedHistory, Events, read_log
from features.online import counter_store, projection
from features.online.backfill import backfill
from features.online.counter_states import pick_states
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import (
    PLAN,
    Replay,
    batches,
    rough,
    steps,
    unlike_bulk,
    until,
)
from tests.unit.features.online.small_logs import write_at_once
from tests.unit.features.random_histories import History, history, tables

CROSSINGS = 54_000 if PROOF else 84
"""With their acts and finds there are twice as many events."""
CROWD = CROSSINGS // 4
COARSE = HOUR if PROOF else 3 * DAY
"""What times are multiples of, so that some fall together and some where a window begins."""
SMALL = 120 if PROOF else 50
"""Crossings of the histories that a seeded bug meets."""
FEW = 12
"""Records in a batch, at most, of the small histories: more, and all of one would be one batch."""
MOST = 500 if PROOF else FEW
"""Of the large ones."""
Load = Callable[[Connection, EncodedHistory], None]


def test_a_replay_equals_bulk(store: Store) -> None:
    found = history(1, CROSSINGS, step=MINUTE + 1, span=400 * DAY, crowd=CROWD)
    replay, order = Replay(store), steps(found)
    for batch in batches(order, MOST):
        replay.batch(batch)
    assert len(replay.known) == len(order) > (100_000 if PROOF else 150)
    assert unlike_bulk(found, replay) == (0, 0)


def load_log(connection: Connection, log: EncodedHistory) -> None:
    """Fill the counters from a history."""
    backfill(connection, log, PLAN)


def coarse(store: Store, found: History, load: Load = load_log, *, most: int) -> Replay:
    """Load the first half of a history and replay the second by a bad clock."""
    replay, order = Replay(store), steps(found)
    half = order[len(order) // 2][0]
    with store.write() as connection:
        load(connection, read_log(tables(until(found, half)), PLAN))
    for time, batch in rough([step for step in order if step[0] >= half], most):
        replay.tick(time)
        replay.batch(batch, time)
    return replay


def test_a_history_with_ties_and_a_service_with_a_bad_clock_equal_bulk(store: Store) -> None:
    found = history(2, CROSSINGS, step=COARSE, crowd=CROWD)
    replay = coarse(store, found, most=MOST)
    assert unlike_bulk(found, replay) == (0, 0)
    ties = Counter(time for time, *_ in steps(found) if time not in replay.known.values())
    shared = Counter(cut for cut, _ in replay.rows.values())
    known = np.array(sorted(replay.known.values()))
    assert max(ties.values()) > 1
    assert max(shared.values()) > 5
    assert (np.diff(known) == 1).mean() > 0.5


class OneByOne(Journal):
    """Records a batch as if others came in between: of what was read, the first alone is fresh."""

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        return [super(OneByOne, self).append([draft])[0] for draft in drafts]


def overtaken(store: Store) -> tuple[int, int]:
    """Count what is not as in bulk where others record between a snapshot and its records."""
    found = history(6, 50 if PROOF else 32, step=3 * DAY)
    replay = Replay(store)
    replay.journal = OneByOne(store, [projection.CounterProjection(PLAN)], replay.clock)
    for batch in batches(steps(found), FEW):
        replay.batch(batch)
    return unlike_bulk(found, replay)


def trust_first_states(event: CrossingEvent, _after: int | None) -> bytes:
    """Seeded bug: where counters stood when features were read counts, whatever came since."""
    return event.stood


def test_what_others_record_in_between_is_counted(store: Store) -> None:
    assert overtaken(store) == (0, 0)


def test_a_count_that_overlooks_them_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "_stood", trust_first_states)
    assert min(overtaken(store)) > 0


class Forgetful(counter_store.CounterState):
    """Seeded bug: each event of a hot entity is added to what stood before its batch."""

    def keep(self, places: Any, known_at: int, row: Any) -> None:
        stored = dict(self._kept)
        super().keep(places, known_at, row)
        self._kept = stored


def seeing_its_own_time(text: str) -> str:
    """Plant ``<=`` for ``<`` in the seek."""
    assert text.count("known_at < q.t") == 1
    return text.replace("known_at < q.t", "known_at <= q.t")


def pick_with_own_time(blocks: Sequence[bytes], cuts: Sequence[int]) -> list[tuple[bytes, int]]:
    """Seeded bug: the same within a block."""
    return pick_states(blocks, [min(cut, 2**62) + 1 for cut in cuts])


def dropping_ties(connection: Connection, log: EncodedHistory) -> None:
    """Seeded bug: of the events of one instant the first alone is counted."""
    load_log(connection, replace(log, streams=dict(_without_ties(log))))


def _without_ties(log: EncodedHistory) -> Iterator[tuple[str, Events]]:
    for name, events in log.streams.items():
        known_at, first = np.unique(events.known_at, return_index=True)
        measures = {measure: column[first] for measure, column in events.measures.items()}
        keys = events.keys and {by: column[first] for by, column in events.keys.items()}
        yield name, Events(known_at, events.row[first], measures, keys)


def unlike(store: Store, load: Load = load_log) -> tuple[int, int]:
    """Count what is not as in bulk in a small replay."""
    found = history(5, SMALL, step=3 * DAY)
    return unlike_bulk(found, coarse(store, found, load, most=FEW))


def test_a_batch_that_forgets_its_own_events_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "CounterState", Forgetful)
    served, again = unlike(store)
    assert served > 0
    assert again > 0


def test_a_seek_that_sees_its_own_time_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_at_once(monkeypatch.setattr)
    monkeypatch.setattr(counter_store, "_LATEST", seeing_its_own_time(counter_store._LATEST))
    monkeypatch.setattr(counter_store, "pick_states", pick_with_own_time)
    served, again = unlike(store)
    assert served > 0  # where a window begins
    assert again > served  # and what was recorded at the cut


def test_a_load_that_drops_ties_is_caught(store: Store) -> None:
    served, again = unlike(store, dropping_ties)
    assert served > 0
    assert again > 0


def load_reachable(connection: Connection, log: EncodedHistory) -> None:
    """Fill the counters with what is read as of the history's end or later."""
    backfill(connection, log, PLAN, reads_from=log.ends)


def load_too_little(connection: Connection, log: EncodedHistory) -> None:
    """Seeded bug: windows reach back less than features say."""
    backfill(connection, log, PLAN, reads_from=log.ends + 60 * DAY)


def serve_after(store: Store, load: Load) -> int:
    """Load half a history and serve the other half; count the values that bulk does not give."""
    found = history(9, CROSSINGS, step=3 * DAY, span=500 * DAY, crowd=CROWD)
    return unlike_bulk(found, coarse(store, found, load, most=FEW))[0]


def test_what_no_later_read_reaches_is_not_needed(store: Store) -> None:
    assert serve_after(store, load_reachable) == 0


def test_a_load_that_leaves_out_too_much_is_caught(store: Store) -> None:
    assert serve_after(store, load_too_little) > 0
