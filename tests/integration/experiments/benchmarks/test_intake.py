"""The intake's benchmark measures what it says, on data of its own or on a given folder."""

from pathlib import Path

import pytest

from experiments.benchmarks import intake
from tests.support import bulk_folders as folders


@pytest.mark.parametrize("given", [True, False])
def test_a_row_has_its_figure_and_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    monkeypatch.setattr(intake, "CROSSINGS", 300)
    monkeypatch.setattr(intake, "REPEATS", 1)
    folders.write(folders.clean(300), tmp_path)
    (row,) = intake.run(tmp_path if given else None)
    assert row["must"] == ">= 50000"
    assert row["seen"] > 0
    assert row["holds"] == (row["seen"] >= 50_000)
