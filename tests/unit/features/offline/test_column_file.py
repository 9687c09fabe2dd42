"""Features in a file read as the array that went in, however rows are named."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from features.offline import column_file
from features.offline.column_file import ColumnFile, ScratchFile, select_rows

DRAW = np.random.default_rng(3)
VALUES = DRAW.normal(size=(100, 7)).astype(np.float32)
ROWS = {
    "all": slice(None),
    "a part": slice(13, 61),
    "none": slice(5, 5),
    "a mask": DRAW.random(100) < 0.3,
    "spread": np.array([2, 40, 41, 99]),
    "in another order": DRAW.permutation(100)[:50],
    "twice": np.array([8, 8, 3]),
}


@pytest.fixture
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ColumnFile:
    monkeypatch.setattr(column_file, "_AT_ONCE", 16)
    made = ColumnFile((100, 7), tmp_path)
    for places in ((0, 4), (6, 1, 2), (3, 5)):
        for begin in (0, 64):
            rows = slice(begin, min(begin + 64, 100))
            made.write(places, rows, np.ascontiguousarray(VALUES[rows][:, places].T))
    return made


@pytest.mark.parametrize("rows", ROWS.values(), ids=list(ROWS))
def test_rows_and_columns_are_those_of_the_array(
    on_disk: ColumnFile, rows: slice | NDArray[np.intp]
) -> None:
    found = on_disk[rows]
    assert found.flags.c_contiguous  # or sums over a row would differ in their last bits
    np.testing.assert_array_equal(found, VALUES[rows])
    np.testing.assert_array_equal(on_disk[rows, 4], VALUES[rows, 4])
    np.testing.assert_array_equal(on_disk[rows, 2:5], VALUES[rows, 2:5])


@pytest.mark.parametrize("rows", ROWS.values(), ids=list(ROWS))
def test_a_selection_of_a_selection_reads_the_same_rows(
    on_disk: ColumnFile, rows: slice | NDArray[np.intp]
) -> None:
    order = DRAW.permutation(100)
    chosen = select_rows(select_rows(on_disk, order), rows)
    del on_disk  # the file stays open while it is read
    assert chosen.shape == VALUES[order][rows].shape
    np.testing.assert_array_equal(chosen[:], VALUES[order][rows])


def test_nothing_of_it_is_left_in_the_folder(on_disk: ColumnFile, tmp_path: Path) -> None:
    assert len(on_disk) == 100
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [*ROWS.values(), np.array([-1, 4]), 7], ids=str)
def test_rows_of_a_stored_column_are_those_of_the_array(rows: NDArray[np.int64]) -> None:
    column = ScratchFile().store(VALUES[:, 0])
    assert np.array_equal(column[rows], VALUES[:, 0][rows])
