"""Rows stay whole when they are put in the order of their cuts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.domain.time_units import DAY
from engine.errors import InputError
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from features.history.tables import Tables
from features.offline.column_file import ColumnFile
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import MonthlyFeatures, matrix
from models.data.build_dataset import (
    assemble,
    build_from_features,
    build_on_disk,
    dataset,
    known_until,
    sample_rows,
)
from tests.support.feature_folder import write_folder
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


@pytest.fixture(scope="module")
def decided() -> Tables:
    """Return a history whose cuts are in another order than its records."""
    found = tables(history(2, 150, step=DAY))
    cuts = np.random.default_rng(2).permutation(found.crossings["known_at"].to_numpy())
    return replace(
        found, crossings=found.crossings.append_column("as_of", pa.array(cuts, pa.int64()))
    )


def test_a_dataset_from_a_folder_is_the_one_from_the_history(
    decided: Tables, tmp_path: Path
) -> None:
    made, table, kept = build_from_features(
        write_folder(decided, PLAN, tmp_path / "out", rows=40),
        PLAN,
        scratch=tmp_path,
        share=1.0,
        recent=0,
    )
    stored, looked_up, _ = build_on_disk(lambda: decided, PLAN, scratch=tmp_path)
    assert made.digest() == stored.digest()
    assert (table.keys == looked_up.keys).all()
    assert table.parties.keys() == looked_up.parties.keys() != set()
    assert all((table.parties[name] == looked_up.parties[name]).all() for name in table.parties)
    assert kept.inspections.equals(decided.inspections)
    assert kept.seizures.equals(decided.seizures)
    assert (kept.network, kept.goods, kept.digest) == (
        decided.network,
        decided.goods,
        decided.digest,
    )


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_sample_keeps_what_teaches_and_what_is_recent(
    decided: Tables, tmp_path: Path, share: float
) -> None:
    found = write_folder(decided, PLAN, tmp_path / "out", rows=40)
    few, _, _ = build_from_features(found, PLAN, scratch=tmp_path, share=share, recent=30 * DAY)
    whole = assemble(decided, PLAN)
    until = known_until(whole.as_of, whole.label_known_at)
    rows = sample_rows(
        whole.crossing_id,
        whole.arrived_at,
        whole.label_known_at,
        share=share,
        since=until - 30 * DAY,
    )
    assert few.digest() == whole.take(rows).digest()
    assert rows[whole.discrepancy >= 0].all()
    assert rows[whole.arrived_at >= until - 30 * DAY].all()
    old = (whole.discrepancy < 0) & (whole.arrived_at < until - 30 * DAY)
    assert old.sum() > 10
    assert share - 0.2 < rows[old].mean() < share + 0.2


@pytest.mark.parametrize("fault", ["no manifest", "other definitions"])
def test_a_folder_that_is_not_whole_or_of_other_definitions_is_refused(
    decided: Tables, tmp_path: Path, fault: str
) -> None:
    found = write_folder(decided, PLAN, tmp_path / "out", rows=40)
    plan = PLAN
    if fault == "no manifest":
        (found.folder / "manifest.json").unlink()
    else:
        plan = Plan({"hour": CATALOGUE["hour"]})
    with pytest.raises(InputError, match=r"no manifest|other definitions"):
        MonthlyFeatures.open(found.folder, plan)
