"""The benchmark of explanations compares what is equal, and says so when it is not."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from experiments.benchmarks import explain
from models.explanation.tree_shap import TreeShap
from models.learning.fit import fit
from tests.integration.models.learning.test_fit import SMALL
from tests.support.small_dataset import small_world

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


def test_a_whole_model_says_what_it_sums_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the negative control: what trees add is a little less."""
    data = small_world(3000, seed=3)
    until = int(data.as_of[-1]) + 1
    model = fit(data, SMALL, until=until, known_before=until)
    assert explain.sum_error(model, data.values[:50])["holds"]
    exact = TreeShap.__call__
    monkeypatch.setattr(TreeShap, "__call__", lambda self, one: exact(self, one) * (1 - 1e-6))
    assert not explain.sum_error(model, data.values[:50])["holds"]


def test_the_seeded_flaw_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a fast answer that is a little wrong does not hold."""

    def rows(self: TreeShap, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(exact(self, values) * (1 + 1e-6))

    exact = TreeShap.rows
    monkeypatch.setattr(TreeShap, "rows", rows)
    apart, off, *_ = explain.compare(trees(), VALUES[:50])
    assert not apart["holds"]
    assert not off["holds"]
