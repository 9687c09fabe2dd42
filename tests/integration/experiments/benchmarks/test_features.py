"""The features benchmark times no engine before all have computed the same numbers."""

import numpy as np
import pytest

from engine.domain.time_units import DAY
from experiments.benchmarks import features as bench
from tests.unit.features.random_histories import history, tables


def test_all_contestants_agree_and_one_that_does_not_is_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = bench.columns(tables(history(1, 300)), 200)
    assert len(table["t"]) == 200
    assert (np.diff(table["t"]) > 0).all()
    bench.agree(table, bench.contestants_of(table))
    honest = bench.by_kernel
    monkeypatch.setattr(bench, "by_kernel", lambda given, added: honest(given, added * 2))
    with pytest.raises(AssertionError, match="pandas"):
        bench.agree(table, bench.contestants_of(table))


def test_windows_are_those_of_the_catalogue_and_the_shape_is_said() -> None:
    table = bench.columns(tables(history(1, 300)), 200)
    assert {30, 365} <= set(bench.DAYS)
    assert max(bench.DAYS) * DAY < 2 * 365 * DAY
    assert f"200 crossings of {len(set(table['key'].tolist()))} plates" in bench.shape(table)
