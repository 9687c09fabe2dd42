"""Rows stay whole when they are put in the order of their cuts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from features.offline.column_file import ColumnFile
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from models.data.build_dataset import assemble, build_on_disk, dataset
from tests.unit.features.random_histories import history, tables

PLAN = Plan({name: CATALOGUE[name] for name in ("hour", "weighed_mass_kg", "plate_crossings_30d")})


def test_cuts_in_another_order_move_whole_rows() -> None:
    found = tables(history(1, 120))
    plain = assemble(found, PLAN)
    cuts = np.random.default_rng(1).permutation(plain.as_of)
    moved = replace(
        found, crossings=found.crossings.append_column("as_of", pa.array(cuts, pa.int64()))
    )
    made = dataset(moved, matrix(read_log(moved, PLAN), PLAN), labels(moved))
    assert (np.diff(made.as_of) >= 0).all()
    by_id = {name: at for at, name in enumerate(plain.crossing_id)}
    rows = np.array([by_id[name] for name in made.crossing_id])
    np.testing.assert_array_equal(made.values[:, :2], plain.values[rows][:, :2])
    np.testing.assert_array_equal(made.discrepancy, plain.discrepancy[rows])
    np.testing.assert_array_equal(made.arrived_at, plain.arrived_at[rows])
    np.testing.assert_array_equal(made.as_of, cuts[rows])


def test_a_dataset_on_disk_is_the_one_in_memory(tmp_path: Path) -> None:
    found = tables(history(2, 150))
    cuts = np.random.default_rng(2).permutation(found.crossings["known_at"].to_numpy())
    moved = replace(
        found, crossings=found.crossings.append_column("as_of", pa.array(cuts, pa.int64()))
    )
    stored, table, kept = build_on_disk(lambda: moved, PLAN, scratch=tmp_path)
    whole = assemble(moved, PLAN)
    assert isinstance(stored.values, ColumnFile)
    assert stored.digest() == whole.digest()
    assert table.keys.shape[1] == len(whole)
    assert kept.inspections.equals(moved.inspections)
    assert kept.seizures.equals(moved.seizures)
