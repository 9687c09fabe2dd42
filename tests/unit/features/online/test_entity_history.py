"""What a reviewer is shown of the past: as it was known, whatever is recorded later."""

from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.records import Crossing, Declaration
from engine.domain.time_units import DAY, WEEK
from engine.storage.database import Store
from features.catalogue.encoder import encode, key
from features.offline.encoded_history import EncodedHistory, read_log
from features.online import counter_store, entity_history
from features.online.backfill import backfill
from features.online.counter_states import WEEKS, expand_rows
from features.online.entity_history import (
    MOST_EVENTS,
    EntityHistoryReader,
    count_co_occurrences,
    passages,
    read_tie_groups,
)
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import PLAN, Replay, batches, steps
from tests.unit.features.random_histories import NETWORK, history, tables

LOOKING = EntityHistoryReader(PLAN)
STEPS = steps(history(17, 160 if PROOF else 80, step=3 * DAY))
HALF = len(STEPS) // 2
AT_ONCE = 30
"""Records in a batch, at most: how they are recorded is not what is asked here."""
ASKED = [(c, d) for _, kind, record in STEPS[:HALF] if kind == 0 for c, d in [record]][-12:]


def replay(store: Store) -> Replay:
    found = Replay(store)
    for batch in batches(STEPS[:HALF], AT_ONCE):
        found.batch(batch)
    return found


def go_on(found: Replay) -> None:
    for batch in batches(STEPS[HALF:], AT_ONCE):
        found.batch(batch)


def read_histories(found: Replay, cut: int) -> list[Any]:
    """Return all that a reviewer is shown of the vehicles asked about."""
    values: list[Any] = []
    with found.store.read() as connection:
        for crossing, papers in ASKED:
            entities, _ = encode(crossing, papers, NETWORK)
            keys, plate = PLAN.keys(entities), entities["plate"]
            values.append(LOOKING.past(connection, keys, as_of=cut))
            values.append(read_tie_groups(LOOKING, connection, keys, as_of=cut))
            values.append(count_co_occurrences(LOOKING, connection, keys, as_of=cut))
            if plate is not None:
                values.append(passages(connection, key("plate", plate), as_of=cut))
    return values


def head(found: Replay) -> int:
    with found.store.read() as connection:
        return found.journal.head(connection).as_of


def count_moved(store: Store) -> tuple[int, int]:
    """Return how much differs once more is recorded: asked about then, and about now."""
    found = replay(store)
    cut = head(found)
    before = read_histories(found, cut)
    go_on(found)
    then, now = read_histories(found, cut), read_histories(found, head(found))
    apart = [sum(a != b for a, b in zip(before, each, strict=True)) for each in (then, now)]
    return apart[0], apart[1]


def test_later_records_move_nothing_and_earlier_ones_do(store: Store) -> None:
    then, now = count_moved(store)
    assert then == 0
    assert now > 30


def test_a_seek_that_sees_later_records_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaky(connection: Any, lookups: Any) -> Any:
        late = [(group, entity, cut + 900 * DAY) for group, entity, cut in lookups]
        return seek(connection, late)

    seek = counter_store.latest
    monkeypatch.setattr(entity_history, "latest", leaky)
    assert count_moved(store)[0] > 0


def driver(crossing: Crossing, papers: Declaration | None) -> str | None:
    return encode(crossing, papers, NETWORK)[0]["driver"]


def test_it_is_what_counting_by_hand_gives(store: Store) -> None:
    found = replay(store)
    go_on(found)
    cut = head(found)
    passed = [record for _, kind, record in STEPS if kind == 0]
    drove = [(driver(*record), found.known[record[0].crossing_id]) for record in passed]
    known = [record for record in ASKED if driver(*record) is not None]
    assert len(known) > 5
    for record in known:
        keys = PLAN.keys(encode(*record, NETWORK)[0])
        times = [at for who, at in drove if who == driver(*record)]
        weeks = [0] * WEEKS
        for at in times:
            if at >= cut - WEEKS * WEEK:
                weeks[WEEKS - 1 - (cut - 1 - at) // WEEK] += 1
        with found.store.read() as connection:
            shown = {one.whose: one for one in LOOKING.past(connection, keys, as_of=cut)}["driver"]
        assert (shown.ever, list(shown.weeks)) == (len(times), weeks)
        listed, result = sum(one.count for one in shown.events), sum(shown.totals.values())
        assert listed == result or len(shown.events) == MOST_EVENTS


def read_after_load(store: Store, reads_from: int | None, log: EncodedHistory) -> tuple[Any, int]:
    """Return what a reviewer is shown of a loaded history, and the rows of its counters."""
    with store.write() as connection:
        backfill(connection, log, PLAN, reads_from=reads_from)
    with store.read() as connection:
        rows = list(expand_rows(connection.execute(select(counter_store.COUNTERS)).all()))
    return read_histories(Replay(store), log.ends), len(rows)


def test_what_is_shown_needs_no_state_that_a_load_leaves_out(store: Store) -> None:
    log = read_log(tables(history(17, 80, step=6 * DAY)), PLAN)
    (whole, all_rows), (shown, rows) = (
        read_after_load(store, reads_from, log) for reads_from in (None, log.ends)
    )
    assert shown == whole
    assert rows < 0.8 * all_rows
