"""DuckDB against counting by hand, numpy and numba; restated acts; what the SQL must never do."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_units import DAY, HOUR, MINUTE
from features.catalogue import catalogue
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats, Read, count, previous, smoothed_rate
from features.history.labels import act_events
from features.history.tables import Tables
from features.offline import encoded_history, reference_kernel, window_queries
from features.offline.encoded_history import EncodedHistory, read_log
from features.offline.feature_matrix import matrix, reads
from features.offline.national_job import encode
from features.offline.window_queries import Question, relations, write_query
from tests.support.sizes import PROOF
from tests.support.sql_bugs import by_the_day, counted_twice, forgetful, leaky
from tests.unit.features.offline.naive_reads import by_hand
from tests.unit.features.random_histories import history, tables

PLAN = Plan(catalogue.CATALOGUE)
FEW = Plan(dict(list(catalogue.CATALOGUE.items())[:: 6 if PROOF else 12]))
"""Enough to show a bug, which is one text's for all."""
EXAMPLES, ROWS = (40, 60) if PROOF else (2, 24)
SOME = PLAN if PROOF else Plan(dict(list(catalogue.CATALOGUE.items())[::6]))
"""What all engines are asked."""
LATEST = Plan(
    {
        name: feature
        for name, feature in catalogue.CATALOGUE.items()
        if feature.operator in ("spread", "recent_rate")
    }
)
"""Finds spread along links, and recent rates: one of many events, one of many windows."""
CROSSINGS_AT_SIZE = 62_000 if PROOF else 600
"""With their acts and finds, 100,000 events in the proof; snapshots are ten times as many more."""
steps = st.sampled_from((10 * MINUTE, HOUR, 12 * HOUR, 3 * DAY))
Reads = dict[Read, Floats]


def count_differing_bits(
    one: Reads, other: Reads, only: Callable[[Read], bool] = lambda read: True
) -> int:
    """Count the bits of reads that two engines do not share."""
    assert one.keys() == other.keys()
    return sum(
        int((one[read].view(np.int64) != other[read].view(np.int64)).sum())
        for read in one
        if only(read)
    )


def log_of(seed: int, size: int, step: int, plan: Plan = PLAN) -> EncodedHistory:
    return read_log(tables(history(seed, size, step=step)), plan)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, ROWS), steps)
def test_four_ways_to_read_agree_to_the_bit(seed: int, size: int, step: int) -> None:
    log = log_of(seed, size, step, SOME)
    hand = {r: np.array([by_hand(log, SOME, r, row) for row in range(size)]) for r in SOME.reads}
    engines = {
        "by hand": hand,
        "numpy": reads(log, SOME, reference_kernel.group_reads),
        "numba": reads(log, SOME),
        "duckdb": window_queries.reads(log, SOME),
    }
    for one, other in combinations(engines, 2):
        assert count_differing_bits(engines[one], engines[other]) == 0, (one, other)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 3 * ROWS), steps, st.sampled_from((HOUR, DAY, 40 * DAY))
)
def test_the_width_of_buckets_changes_nothing(seed: int, size: int, step: int, width: int) -> None:
    log = log_of(seed, size, step, FEW)
    assert (
        count_differing_bits(
            reads(log, FEW), window_queries.reads(log, FEW, partial(write_query, bucket=width))
        )
        == 0
    )


def test_spread_finds_and_recent_rates_agree_at_size() -> None:
    """The kernel, numpy and DuckDB; Spark and the store have tests of the same size."""
    crowd = CROSSINGS_AT_SIZE // 4
    found = tables(history(1, CROSSINGS_AT_SIZE, step=HOUR, crowd=crowd))
    log = read_log(found, LATEST)
    recorded = ("crossings", "inspections", "finds")
    assert sum(len(log.streams[name].row) for name in recorded) > (100_000 if PROOF else 900)
    assert len(log.streams["spread"].row) > 10 * CROSSINGS_AT_SIZE
    right = reads(log, LATEST)
    assert all(np.count_nonzero(column) for column in right.values())
    assert count_differing_bits(right, reads(log, LATEST, reference_kernel.group_reads)) == 0
    assert count_differing_bits(right, window_queries.reads(log, LATEST)) == 0
    assert count_differing_bits(right, window_queries.reads(log, LATEST, leaky)) > 0


@cache
def compare_engines(step: int) -> tuple[EncodedHistory, Reads]:
    """Return a history and what all engines, as they are, answer about it."""
    log = log_of(1, 400 if PROOF else 200, step, FEW)
    right = reads(log, FEW)
    assert count_differing_bits(right, window_queries.reads(log, FEW)) == 0
    return log, right


@pytest.mark.parametrize(
    ("bug", "step"),
    [
        (leaky, 12 * HOUR),
        (counted_twice, 12 * HOUR),
        (forgetful, 12 * HOUR),
        (by_the_day, 10 * MINUTE),
    ],
)
def test_a_seeded_bug_of_the_text_is_caught(bug: Callable[[Question], str], step: int) -> None:
    log, right = compare_engines(step)
    assert count_differing_bits(right, window_queries.reads(log, FEW, bug)) > 0


def test_a_history_encoded_in_parts_is_the_history(tmp_path: Path) -> None:
    found = restate(tables(history(3, 500, step=HOUR)), Random(3))
    parts = encode(found, PLAN, tmp_path / "parts", rows=20)
    assert len(parts) > 25
    for name, one in relations(read_log(found, PLAN), PLAN).items():
        many = pq.read_table(parts[0].work / name)
        by = [(column, "ascending") for column in one.column_names if "fact" not in column]
        assert one.num_rows > 0
        assert one.sort_by(by).to_pydict().__repr__() == many.sort_by(by).to_pydict().__repr__()


def test_one_line_makes_a_feature_for_every_bulk_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CATALOGUE", {})
    by = ("carrier", "driver", "hs2")
    catalogue.feature("links", "seen_together", count(CROSSINGS, by, 90))
    catalogue.feature("links", "found_together", smoothed_rate(INSPECTIONS, "hit", by, 200))
    catalogue.feature("links", "mass_before", previous(CROSSINGS, "weighed_mass_kg", by))
    plan = Plan(catalogue.CATALOGUE)
    log = log_of(5, 600 if PROOF else 300, 12 * HOUR, plan)
    engines = (reads, partial(reads, kernel=reference_kernel.group_reads), window_queries.reads)
    numba, numpy, sql = (matrix(log, plan, engine=engine).values for engine in engines)
    assert (np.nanmax(numba, axis=0) > np.nanmin(numba, axis=0)).all()
    np.testing.assert_array_equal(numba.view(np.int32), numpy.view(np.int32))
    np.testing.assert_array_equal(numba.view(np.int32), sql.view(np.int32))


THIRD_OF_PLAN = Plan(dict(list(CATALOGUE.items())[::3]))


def restate(found: Tables, draw: Random) -> Tables:
    """Restate some acts hours later, half of them as clear, and withdraw or change some finds."""
    acts: list[dict[str, Any]] = []
    for row in draw.choices(found.inspections.to_pylist(), k=found.inspections.num_rows):
        outcome = draw.choice(("clear", "discrepancy", "seizure"))
        acts.append(row | {"outcome": outcome, "known_at": row["known_at"] + later(draw)})
    finds: list[dict[str, Any]] = []
    for row in draw.choices(found.seizures.to_pylist(), k=found.seizures.num_rows):
        linked = row["linked_crossing_id"] if draw.random() < 0.6 else None
        changed = {"linked_crossing_id": linked, "quantity_g": float(draw.randrange(5_000))}
        finds.append(row | changed | {"known_at": row["known_at"] + later(draw)})
    return replace(
        found,
        inspections=join_rows(found.inspections, acts, "inspection_id"),
        seizures=join_rows(found.seizures, finds, "seizure_id"),
    )


def later(draw: Random) -> int:
    return HOUR * draw.randrange(1, 2_000)


def join_rows(table: Any, rows: list[dict[str, Any]], name: str) -> Any:
    more = pa.Table.from_pylist(rows, table.schema)
    order = [("known_at", "ascending"), (name, "ascending")]
    return pa.concat_tables([table, more]).sort_by(order).combine_chunks()


def read_by_every_engine(log: EncodedHistory) -> dict[str, Reads]:
    return {
        "numpy": reads(log, THIRD_OF_PLAN, reference_kernel.group_reads),
        "numba": reads(log, THIRD_OF_PLAN),
        "duckdb": window_queries.reads(log, THIRD_OF_PLAN),
    }


def test_engines_agree_where_acts_are_restated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = restate(tables(history(47, 80, step=HOUR, crowd=20)), Random(47))
    _, _, measures = act_events(made)
    assert min(measures["hit"]) == -1 and max(measures["hit"]) == 1
    log = read_log(made, THIRD_OF_PLAN)
    passed = log.streams["passed"].measures
    assert any(min(amounts, default=0) < 0 for amounts in passed.values())
    engines = read_by_every_engine(log)
    for one, other in combinations(engines, 2):
        assert count_differing_bits(engines[one], engines[other]) == 0, (one, other)
    # Negative control: a hit that is taken back follows the links of its correction's time.
    monkeypatch.setattr(encoded_history, "known_since", lambda known_at, *_: known_at)
    wrong = reads(read_log(made, THIRD_OF_PLAN), THIRD_OF_PLAN)
    assert count_differing_bits(wrong, engines["duckdb"]) > 0
