"""The benchmark of explanations compares what is equal, and says so when it is not."""

from functools import cache

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from experiments.benchmarks import explain

DRAW = np.random.default_rng(1)
VALUES = DRAW.normal(size=(300, 6)).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.2] = np.nan
LABEL = np.nan_to_num(VALUES[:, 0]) + DRAW.normal(size=300) > 0


@cache
def trees() -> HistGradientBoostingClassifier:
    """Fit once, and not in every process that only collects."""
    estimator = HistGradientBoostingClassifier(max_iter=10, max_depth=4, random_state=1)
    return estimator.fit(VALUES, LABEL)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "ROUNDS", 1)
    monkeypatch.setattr(explain, "ONE_BY_ONE", 3)


def test_both_say_the_same_and_sum_to_the_margin() -> None:
    apart, off, one, batch, _ = explain.compare(trees(), VALUES[:50])
    assert apart["holds"]
    assert off["holds"]
    assert one["must"] == batch["must"] == ">= 4"
    assert one["seen"] > 0
