"""Cells of files that people open: no text of a sender becomes a formula."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from api.cli.models import _write_scores
from engine.storage.home import FORMULA_STARTS, escape_cell
from experiments.synthetic.folder import write
from features.intake.file_reader import RowFault
from features.intake.stored_loads import write_quarantine

if TYPE_CHECKING:
    from models.training.backtest import Backtest

HOSTILE = ["=1+1", '=HYPERLINK("http://x")', "@SUM(A1)", "+1", "-1", "\t=1", " =1", "\n=1", "\r=1"]


def cells(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def formulas(path: Path) -> list[str]:
    """Return the cells of a file that a spreadsheet may take for formulas, numbers excepted."""
    return [
        cell
        for cell in cells(path)
        if cell.lstrip().startswith(FORMULA_STARTS) and not number(cell)
    ]


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def write_scores(folder: Path) -> Path:
    class CellSample:
        crossing_id = np.array([*HOSTILE, "c-1"], dtype=object)
        p_seizure = p_discrepancy = risk = np.full(len(HOSTILE) + 1, 0.25)

    _write_scores(cast("Backtest", CellSample()), folder / "scores.csv")
    return folder / "scores.csv"


def test_an_identifier_in_the_scores_is_no_formula(tmp_path: Path) -> None:
    path = write_scores(tmp_path)
    assert formulas(path) == []
    assert "c-1" in cells(path) and "'=1+1" in cells(path)
    assert "'+1" in cells(path), "a number that is an identifier stays text"


def test_a_file_name_in_the_quarantine_is_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    write_quarantine(path, [RowFault("=cmd.csv", 2, "post", "required", "is missing")])
    assert formulas(path) == [] and "'=cmd.csv" in cells(path)


def test_a_synthetic_network_holds_no_formula(tmp_path: Path) -> None:
    """A bulk folder is read back as it is, so its cells are not changed: none needs it."""
    write(tmp_path, crossings=200, seed=1)
    for path in tmp_path.glob("*.csv"):
        assert formulas(path) == []


def test_a_writer_that_passes_text_on_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr("api.cli.models.escape_cells", list)
    assert len(formulas(write_scores(tmp_path))) >= len(HOSTILE) - 2


@pytest.mark.parametrize("text", HOSTILE)
def test_an_apostrophe_comes_first(text: str) -> None:
    assert escape_cell(text) == "'" + text
