"""The written matrix is the matrix, and a month written later moves no bit of an earlier one."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import SCHEMAS
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import export, matrix
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import START, history, known_before, tables

PLAN = Plan(CATALOGUE)
Bits = NDArray[np.int32]


def bits(path: Path) -> Bits:
    """The features of a written matrix, row by row, as integers."""
    written = pq.read_table(path)
    return np.array([written[name].to_numpy() for name in PLAN.names]).T.view(np.int32)


def test_an_export_holds_the_matrix_and_what_it_was_made_from(tmp_path: Path) -> None:
    found, out = tables(history(4, 200)), tmp_path / "matrix.parquet"
    made = export(lambda: found, PLAN, out)
    written, whole = pq.read_table(out), matrix(read_log(found, PLAN), PLAN)
    assert written.column_names == ["crossing_id", "as_of", *PLAN.names]
    assert written.schema.metadata[b"definitions"].decode() == PLAN.digest == made.definitions
    assert written["crossing_id"].to_pylist() == list(whole.crossing_id)
    assert written.schema.field("as_of").type == pa.timestamp("us", tz="UTC")
    np.testing.assert_array_equal(written["as_of"].cast(pa.int64()).to_numpy(), whole.as_of)
    np.testing.assert_array_equal(bits(out), whole.values.view(np.int32))
    assert (made.rows, made.output_bytes) == (200, whole.values.nbytes)
    assert made.input_bytes == sum(found.table(name).nbytes for name in SCHEMAS)
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.parquet"]


def count_missing(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count nulls, and numbers that are none, of each written feature, as DuckDB reads the file."""
    each = 'count(*) - count("{0}"), coalesce(count_if(isnan("{0}")), 0)'
    names = ", ".join(map(each.format, PLAN.names))
    with duckdb.connect() as connection:
        (row,) = connection.execute(f"SELECT {names} FROM '{path}'").fetchall()  # noqa: S608
    counts = np.array(row, np.int64)
    return counts[::2], counts[1::2]


def test_what_is_missing_is_null_and_times_are_timestamps_for_another_program(
    tmp_path: Path,
) -> None:
    found, out = tables(history(4, 200)), tmp_path / "matrix.parquet"
    export(lambda: found, PLAN, out)
    whole = matrix(read_log(found, PLAN), PLAN)
    missing, not_numbers = count_missing(out)
    assert list(missing) == np.isnan(whole.values).sum(axis=0).tolist()
    assert missing.sum() > 0 == not_numbers.sum()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT typeof(as_of), epoch_us(as_of) FROM '{out}'"  # noqa: S608
        assert connection.execute(query).fetchall() == [
            ("TIMESTAMP WITH TIME ZONE", int(time)) for time in whole.as_of
        ]


@settings(max_examples=3 if PROOF else 1, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_what_is_added_later_and_what_is_written_since(
    tmp_path_factory: pytest.TempPathFactory, seed: int, days: int
) -> None:
    folder, found, cut = (
        tmp_path_factory.mktemp("m"),
        tables(history(seed, 120)),
        START + days * DAY,
    )
    earlier = export(lambda: known_before(found, cut), PLAN, folder / "earlier.parquet")
    later = export(lambda: found, PLAN, folder / "later.parquet", since=cut)
    export(lambda: found, PLAN, folder / "whole.parquet")
    assert earlier.rows + later.rows == 120
    both = np.concatenate([bits(folder / "earlier.parquet"), bits(folder / "later.parquet")])
    np.testing.assert_array_equal(both, bits(folder / "whole.parquet"))
