"""Acts that are restated later: numpy, numba and DuckDB read the same of them, to the bit."""

from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from engine.domain.time_units import HOUR
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import act_events
from features.history.tables import Tables
from features.offline import encoded_history, reference_kernel
from features.offline.encoded_history import EncodedHistory, read_log
from features.offline.feature_matrix import reads
from features.offline.sql import duckdb_engine
from tests.integration.features.offline.sql.test_duckdb_engine import Reads, count_differing_bits
from tests.unit.features.random_histories import history, tables

PLAN = Plan(dict(list(CATALOGUE.items())[::3]))


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
        "numpy": reads(log, PLAN, reference_kernel.group_reads),
        "numba": reads(log, PLAN),
        "duckdb": duckdb_engine.reads(log, PLAN),
    }


def test_engines_agree_where_acts_are_restated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = restate(tables(history(47, 80, step=HOUR, crowd=20)), Random(47))
    _, _, measures = act_events(made)
    assert min(measures["hit"]) == -1 and max(measures["hit"]) == 1
    log = read_log(made, PLAN)
    passed = log.streams["passed"].measures
    assert any(min(amounts, default=0) < 0 for amounts in passed.values())
    engines = read_by_every_engine(log)
    for one, other in combinations(engines, 2):
        assert count_differing_bits(engines[one], engines[other]) == 0, (one, other)
    # Negative control: a hit that is taken back follows the links of its correction's time.
    monkeypatch.setattr(encoded_history, "hit_times", lambda _row, known_at, _sign: known_at)
    wrong = reads(read_log(made, PLAN), PLAN)
    assert count_differing_bits(wrong, engines["duckdb"]) > 0
