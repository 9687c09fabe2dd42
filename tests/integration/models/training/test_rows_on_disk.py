"""A model taught from features in a file is, to the bit, the model taught from memory."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engine.domain.time_units import DAY
from features.offline.column_file import ColumnFile
from models.array_types import Rows
from models.data.dataset import Dataset
from models.training import trainer
from models.training.bundle_writer import serving_files, version_of
from tests.support.small_dataset import QUICK, START, small_world

CUT = START + 200 * DAY
DATA = small_world(3_000, seed=8)


def on_disk(data: Dataset, folder: Path) -> Dataset:
    values = ColumnFile((len(data), len(data.names)), folder)
    values.write(range(len(data.names)), slice(0, len(data)), data.values.T.copy())
    return replace(data, values=cast("Rows", values))


def train(data: Dataset) -> tuple[str, dict[str, Any]]:
    made = trainer.train(data, QUICK, cutoff=CUT)
    return version_of(made, serving_files(made)), dict(made.report)


def test_a_model_from_a_file_has_the_version_of_one_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "CHECKED", 500)
    whole, same = train(DATA), train(on_disk(DATA, tmp_path))
    assert same == whole

    # The version notices one cell.
    other = replace(DATA, values=DATA.values.copy())
    other.values[17, 3] += 1
    assert train(on_disk(other, tmp_path))[0] != whole[0]


def test_what_is_narrowed_stays_in_the_file(tmp_path: Path) -> None:
    data = on_disk(DATA, tmp_path)
    rows = np.flatnonzero(DATA.discrepancy >= 0)
    few = data.narrow(rows)
    assert isinstance(few.values, ColumnFile)
    assert isinstance(data.last_entries(30).values, ColumnFile)
    assert few.digest() == DATA.take(rows).digest()
    assert data.take(rows).digest() == DATA.take(rows).digest()
