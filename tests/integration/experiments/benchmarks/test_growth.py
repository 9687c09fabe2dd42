"""The growth run compares two sizes of two runs: time a row, and peak over input and output."""

from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks import growth
from experiments.benchmarks.growth import RUNS, Measurement, _growth, _peak


def measurement(rows: int, seconds: float, peak: int) -> Measurement:
    return {"rows": rows, "seconds": seconds, "peak": peak, "input": 60, "output": 40}


def test_growth_is_time_a_row_and_peak_is_over_input_and_output() -> None:
    assert _growth(measurement(10, 1.0, 0), measurement(100, 10.0, 0)) == 1.0
    assert _growth(measurement(10, 1.0, 0), measurement(100, 100.0, 0)) == 10.0  # quadratic
    assert _peak(measurement(10, 1.0, 150)) == 1.5


def test_every_run_has_its_figure_and_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def here(what: str, source: Path) -> Measurement:
        asked.append(what)
        return RUNS[what](source)

    monkeypatch.setattr(growth, "measure", here)
    monkeypatch.setattr(growth, "ROUNDS", 2)
    rows = growth.run(None, rows=(2_000, 4_000), crossings=(60, 120))
    assert asked == ["one_key"] * 4 + ["whole_catalogue"] * 2
    assert [each["must"] for each in rows] == ["<= 1.15", "<= 1.15", "<= 1.5"]
    assert all(each["seen"] > 0 for each in rows)
    assert not rows[-1]["holds"]  # so few crossings weigh less than an interpreter


def test_a_run_in_a_process_of_its_own_says_what_it_held(tmp_path: Path) -> None:
    np.save(tmp_path / "columns.npy", growth.columns(1_000))
    found = growth.measure("one_key", tmp_path / "columns.npy")
    assert (found["rows"], found["input"], found["output"]) == (1_000, 40_000, 72_000)
    assert 10**7 < found["peak"] < 10**9
