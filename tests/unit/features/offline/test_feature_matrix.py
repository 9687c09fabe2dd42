"""Bulk features against counting by hand, and the past against the future."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_units import DAY, HOUR, MINUTE, NEVER
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from features.history.tables import Tables
from features.offline import kernel, reference_kernel
from features.offline.encoded_history import EncodedHistory, Events, read_log
from features.offline.feature_matrix import Kernel, matrix, reads
from features.offline.kernel import Ints, group_reads
from models.data.build_dataset import freeze_history
from tests.support.sizes import PROOF
from tests.unit.features.offline.naive_reads import by_hand
from tests.unit.features.random_histories import START, history, tables

PLAN = Plan(CATALOGUE)
steps = st.sampled_from((10 * MINUTE, HOUR, 12 * HOUR, 3 * DAY))


@settings(max_examples=8 if PROOF else 3, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), steps)
def test_every_read_is_what_counting_by_hand_gives(seed: int, size: int, step: int) -> None:
    log = read_log(tables(history(seed, size, step=step)), PLAN)
    for read, column in reads(log, PLAN).items():
        expected = [by_hand(log, PLAN, read, row) for row in range(len(log))]
        np.testing.assert_array_equal(column, np.array(expected), err_msg=str(read))


@settings(max_examples=20 if PROOF else 4, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300), steps)
def test_the_kernel_equals_the_numpy_reference(seed: int, size: int, step: int) -> None:
    log = read_log(tables(history(seed, size, step=step)), PLAN)
    reference = reads(log, PLAN, reference_kernel.group_reads)
    for read, column in reads(log, PLAN).items():
        np.testing.assert_array_equal(column, reference[read], err_msg=str(read))


@st.composite
def groups(draw: st.DrawFn) -> tuple[Ints, ...]:
    """Draw questions to a kernel: ties, empty groups, strangers, no events, many entities."""
    entities, asks_itself = draw(st.sampled_from((1, 3, 700))), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    m, n = draw(st.integers(0, 40)) * entities // 2, draw(st.integers(0, 200))
    keys = np.append(rng.integers(1, 2**63 - 1, entities + 1), 0)
    event_key, event_time = rng.choice(keys[1:], m), np.sort(rng.integers(0, 60, m))
    query_key, query_time = rng.choice(keys, n), np.sort(rng.integers(0, 70, n))
    if asks_itself:
        query_key, query_time = event_key.copy(), event_time + rng.integers(0, 2)
    amounts = rng.integers(-(2**40), 2**40, (draw(st.integers(1, 3)), m))
    amounts[draw(st.integers(0, 2)) :] = 1  # as where events are counted
    spans, reads_ = rng.integers(0, 25, draw(st.integers(1, 4))), draw(st.integers(0, 8))
    spans[0] = draw(st.sampled_from((0, 1, 100)))
    which = (rng.integers(0, len(amounts), reads_), rng.integers(0, len(spans), reads_))
    return event_key, event_time, amounts, query_key, query_time, spans, *which


@settings(max_examples=40 if PROOF else 12, deadline=None)
@given(groups())
def test_the_kernel_equals_the_reference_on_whatever_it_is_asked(group: tuple[Ints, ...]) -> None:
    found = group_reads(*group)
    np.testing.assert_array_equal(found, reference_kernel.group_reads(*group))
    np.testing.assert_array_equal(group_reads(*group, last=False), found[:-1])


@settings(max_examples=60 if PROOF else 4, deadline=None)
@given(groups())
def test_dealt_into_parts_it_equals_the_reference_too(group: tuple[Ints, ...]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kernel, "PARTITION_FROM", 1)
        patched.setattr(kernel, "PART_ROWS", 4)
        patched.setattr(kernel, "BLOCK_ROWS", 8)
        found, without = group_reads(*group), group_reads(*group, last=False)
    np.testing.assert_array_equal(found, reference_kernel.group_reads(*group))
    np.testing.assert_array_equal(without, found[:-1])


def known_before(found: Tables, cut: int) -> Tables:
    """Remove every crossing, act and find known at or after a time."""
    crossings, inspections, seizures = (
        table.filter(pc.less(table["known_at"], cut))
        for table in (found.crossings, found.inspections, found.seizures)
    )
    return replace(found, crossings=crossings, inspections=inspections, seizures=seizures)


def changed_by_the_future(found: Tables, cut: int) -> int:
    """Count earlier rows that move when everything from ``cut`` on is removed."""
    whole = matrix(read_log(found, PLAN), PLAN)
    past = matrix(read_log(known_before(found, cut), PLAN), PLAN)
    earlier = whole.values[: len(past.values)]
    assert list(whole.crossing_id[: len(earlier)]) == list(past.crossing_id)
    return int((earlier.view(np.int32) != past.values.view(np.int32)).any(axis=1).sum())


def before(events: Events, cut: int) -> Events:
    """Events known before a time."""
    is_past = events.known_at < cut
    measures = {name: column[is_past] for name, column in events.measures.items()}
    keys = events.keys and {by: column[is_past] for by, column in events.keys.items()}
    return Events(events.known_at[is_past], events.row[is_past], measures, keys)


def leaks(log: EncodedHistory, kernel: Kernel) -> int:
    """Count reads cut at a time that move when all events from that time on are removed."""
    cut = int(log.as_of[len(log) // 2])
    past = {name: before(events, cut) for name, events in log.streams.items()}
    now, then = reads(log, PLAN, kernel), reads(replace(log, streams=past), PLAN, kernel)
    upto = log.as_of <= cut
    return sum(
        int((now[read][upto].view(np.int64) != then[read][upto].view(np.int64)).sum())
        for read in PLAN.reads
    )


@settings(max_examples=8 if PROOF else 2, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 149), steps)
def test_the_future_moves_no_feature(seed: int, upto: int, step: int) -> None:
    found = tables(history(seed, 150, step=step))
    assert changed_by_the_future(found, found.crossings["known_at"][upto].as_py()) == 0


def leaky(
    event_key: Ints,
    event_time: Ints,
    amounts: Ints,
    query_key: Ints,
    query_time: Ints,
    *rest: Ints,
    last: bool = True,
) -> Ints:
    """Seeded bug: ``<=`` for ``<``, so that a crossing sees what became known with it.

    Events are moved, and not queries: numba would compile the kernel for arrays of other kinds.
    """
    return group_reads(event_key, event_time - 1, amounts, query_key, query_time, *rest, last=last)


def by_the_day(
    event_key: Ints,
    event_time: Ints,
    amounts: Ints,
    query_key: Ints,
    query_time: Ints,
    spans: Ints,
    *rest: Ints,
    last: bool = True,
) -> Ints:
    """Seeded bug: windows are whole days."""
    days = -(-spans // DAY) * DAY
    return group_reads(
        event_key, event_time, amounts, query_key, query_time, days, *rest, last=last
    )


def test_a_window_of_minutes_that_became_a_day_is_caught() -> None:
    log = read_log(tables(history(1, 100, step=10 * MINUTE)), PLAN)
    right, wrong = reads(log, PLAN), reads(log, PLAN, by_the_day)
    different = {
        read
        for read in PLAN.reads
        if (right[read].view(np.int64) != wrong[read].view(np.int64)).any()
    }
    assert different
    assert different <= {read for read in PLAN.reads if read.window % DAY}


def test_a_leak_is_caught() -> None:
    log = read_log(tables(history(1, 400 if PROOF else 200, step=12 * HOUR)), PLAN)
    assert leaks(log, group_reads) == leaks(log, reference_kernel.group_reads) == 0
    assert leaks(log, leaky) > 0


def test_labels_take_the_maximum_and_the_time_of_the_deciding_act() -> None:
    found = tables(history(3, 400))
    everything = labels(found)
    assert set(everything.discrepancy.tolist()) == {-1, 0, 1}
    for row, crossing_id in enumerate(found.crossings["crossing_id"].to_pylist()):
        acts = [a for a in found.inspections.to_pylist() if a["crossing_id"] == crossing_id]
        finds = [s for s in found.seizures.to_pylist() if s["linked_crossing_id"] == crossing_id]
        full = [
            a
            for a in acts
            if not a["methods"] or not {"documents", "weighing"} >= set(a["methods"])
        ]
        hit = any(a["outcome"] != "clear" for a in acts) or bool(finds)
        expected = 1 if hit else (0 if full else -1)
        assert everything.discrepancy[row] == expected
        stated = [
            (a["known_at"], ("clear", "discrepancy", "seizure").index(a["outcome"]))
            for a in acts
            if a in full or a["outcome"] != "clear"
        ]
        levels = [*sorted(stated), *((s["known_at"], 2) for s in finds)]
        top = max((level for _, level in levels), default=None)
        deciding = next((at for at, level in levels if level == top), NEVER)
        assert everything.known_at[row] == deciding


@given(st.integers(0, 10**6), st.integers(0, 450))
@settings(max_examples=10, deadline=None)
def test_labels_before_a_time_know_nothing_later(seed: int, days: int) -> None:
    found, cut = tables(history(seed, 60)), START + days * DAY
    at_cut = labels(freeze_history(found, labels_before=cut))
    past = known_before(found, cut)
    removed = replace(found, inspections=past.inspections, seizures=past.seizures)
    again = labels(removed)
    for name in ("seizure", "discrepancy", "known_at", "basis", "is_full"):
        np.testing.assert_array_equal(getattr(at_cut, name), getattr(again, name))
