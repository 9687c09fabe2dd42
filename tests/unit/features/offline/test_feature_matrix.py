"""Bulk features against counting by hand; no later record moves one; directions are told apart."""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.criteria.indicator_rules import find_firing_rules
from engine.domain.records import Crossing, Inspection
from engine.domain.time_units import DAY, HOUR, MINUTE, NEVER, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Fact, Read
from features.history.labels import labels
from features.history.tables import Tables
from features.offline import kernel, reference_kernel
from features.offline.encoded_history import EncodedHistory, Events, read_log
from features.offline.feature_matrix import Kernel, Matrix, matrix, reads
from features.offline.kernel import Ints, group_reads
from models.data.build_dataset import freeze_history
from tests.support.sizes import PROOF
from tests.unit.features.offline.naive_reads import by_hand
from tests.unit.features.random_histories import (
    EVENTFUL,
    START,
    History,
    history,
    list_movable_features,
    tables,
    thin_history,
)

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
    drawn = history(3, 400)
    elsewhere = [row for row in drawn.seizures if row[1].inspection_id is None]
    found = tables(replace(drawn, seizures=elsewhere))
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
        taught = [(s["known_at"], 1 if s["substance_class"] == "other" else 2) for s in finds]
        if {level for _, level in taught} == {1}:  # acts that took goods took no load either
            since = min(at for at, _ in taught)
            stated = [(max(at, since), 1) if level == 2 else (at, level) for at, level in stated]
        levels = [*sorted(stated), *taught]
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


@cache
def compute_whole(place: int) -> Matrix:
    """Return the features of an eventful history, the same for every kind of record."""
    return matrix(read_log(tables(EVENTFUL[place]), PLAN), PLAN)


def list_moved_features(place: int, kind: str) -> set[str]:
    """Name the features of the second half that move without some records of the first."""
    found, whole = EVENTFUL[place], compute_whole(place)
    half = found.crossings[len(found.crossings) // 2][0]
    thin = matrix(read_log(tables(thin_history(found, half, kind=kind)), PLAN), PLAN)
    late, thin_late = whole.as_of >= half, thin.as_of >= half
    assert whole.crossing_id[late].tolist() == thin.crossing_id[thin_late].tolist()
    differs = whole.values[late].view(np.int32) != thin.values[thin_late].view(np.int32)
    return {name for name, column in zip(PLAN.names, differs.T, strict=True) if column.any()}


@pytest.mark.parametrize("kind", ["crossings", "inspections", "seizures"])
def test_earlier_records_move_every_feature_that_reads_them_and_no_other(kind: str) -> None:
    assert set().union(
        *(list_moved_features(place, kind) for place in range(len(EVENTFUL)))
    ) == list_movable_features(CATALOGUE, kind=kind)


def test_what_no_record_moves_is_declared() -> None:
    still = set(CATALOGUE) - list_movable_features(CATALOGUE, kind="crossings")
    assert still
    for name in still:
        feature = CATALOGUE[name]
        assert feature.operator == "value"
        assert all(isinstance(item, Fact) and not isinstance(item, Read) for item in feature.inputs)


NAMES = (
    "new_driver_for_plate",
    "driver_changed",
    "vin_changed",
    "post_changed",
    "plate_same_way_365d",
    "plate_same_way_days_since",
    "plate_searched_here_60d",
)
DIRECTION_PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
VIN, OTHER_VIN = "1M8GDM9AXKP042788", "1M8GDM9AXKP042789"
Passage = tuple[int, Crossing, None]


def passage(number: int, at: int, post: str, direction: str, **fields: Any) -> Passage:
    known = {"plate": "01A123BC", "driver_ref": "d1", "vin": VIN, "carrier_id": "c1"} | fields
    crossing = Crossing(
        crossing_id=f"c{number:05d}",
        post=post,
        direction=direction,  # type: ignore[arg-type]
        arrived_at=moment(START + at),
        vehicle_class="truck",
        **known,
    )
    return START + at, crossing, None


def movement(number: int, at: int, **fields: Any) -> list[Passage]:
    """Return both records of one movement from Fotehobod to Oybek."""
    return [
        passage(number, at, "FOT", "exit", **fields),
        passage(number + 1, at + 4 * HOUR, "OYB", "entry", **fields),
    ]


def last(
    passages: list[Passage],
    acts: tuple[tuple[int, Inspection], ...] = (),
    plan: Plan = DIRECTION_PLAN,
) -> dict[str, float]:
    """Return the features of the last of some passages."""
    found = matrix(read_log(tables(History(passages, acts, ())), plan), plan)
    return dict(zip(plan.names, found.values[-1].tolist(), strict=True))


def test_the_exit_hours_ago_is_no_acquaintance() -> None:
    before = movement(0, 0)
    same = last(before + movement(2, 200 * DAY))
    assert (same["new_driver_for_plate"], same["driver_changed"], same["vin_changed"]) == (0, 0, 0)
    assert same["plate_same_way_days_since"] == pytest.approx(200.0)
    assert same["plate_same_way_365d"] == 1.0

    other = last(before + movement(2, 200 * DAY, driver_ref="d2", vin=OTHER_VIN))
    assert (other["new_driver_for_plate"], other["driver_changed"]) == (1, 1)
    assert other["vin_changed"] == 1


def test_a_first_movement_is_a_first() -> None:
    first = last(movement(0, 0))
    assert first["plate_same_way_365d"] == 0.0
    assert math.isnan(first["plate_same_way_days_since"])
    assert first["new_driver_for_plate"] == 1.0

    def codes(features: dict[str, float]) -> set[str]:
        return {rule.code for rule in find_firing_rules(features)}

    assert "first_crossing" in codes(first), "without a model, by rule"
    assert "first_crossing" not in codes(last(movement(0, 0) + movement(2, 200 * DAY)))


def test_both_posts_of_a_line_are_one_way_across() -> None:
    before = movement(0, 0)
    there_and_back = [
        passage(2, 2 * DAY, "OYB", "exit"),
        passage(3, 2 * DAY + 4 * HOUR, "FOT", "entry"),
    ]
    assert last(before + there_and_back + movement(4, 5 * DAY))["post_changed"] == 0.0
    elsewhere = [passage(4, 5 * DAY, "ALT", "entry")]
    assert last(before + there_and_back + elsewhere)["post_changed"] == 1.0
    assert last([*elsewhere, passage(5, 6 * DAY, "ALT", "entry")])["post_changed"] == 0.0


def test_who_was_searched_elsewhere_of_late_is_seen() -> None:
    before = movement(0, 0)
    at = START + 5 * HOUR
    act = Inspection(
        inspection_id="i1",
        crossing_id="c00001",
        basis="officer",
        recorded_at=moment(at),
        outcome="clear",
    )
    here = last(before + movement(2, 3 * DAY), ((at, act),))
    assert here["plate_searched_here_60d"] == 1.0
    there = last([*before, passage(2, 3 * DAY, "ALT", "entry")], ((at, act),))
    assert there["plate_searched_here_60d"] == 0.0
    assert math.isnan(last(before + movement(2, 90 * DAY), ((at, act),))["plate_searched_here_60d"])
