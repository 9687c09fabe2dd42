"""Contributions are Shapley's, by the definition itself, and sum to the margin."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.explanation import tree_shap
from models.explanation.tree_shap import TreeShap
from models.learning.scikit_trees import convert_nodes, read_trees
from models.scoring import TreeArrays

WIDTH = 5


def fit_trees(seed: int, **choices: int) -> tuple[HistGradientBoostingClassifier, TreeArrays]:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(400, WIDTH)).astype(np.float32)
    values[draw.random(values.shape) < 0.2] = np.nan
    logit = np.nan_to_num(values[:, 0]) * 2 + np.isnan(values[:, 1]) - values[:, 2] ** 2
    label = logit + draw.logistic(size=400) > 0
    shape = {"max_iter": 4, "max_depth": 4, "min_samples_leaf": 5} | choices
    estimator = HistGradientBoostingClassifier(**shape, random_state=seed).fit(values, label)
    return estimator, read_trees(estimator)


def compute_expectation(
    trees: TreeArrays, node: int, row: NDArray[np.float32], given: frozenset[int]
) -> float:
    """Return a tree's mean answer when only some features are given, as the paper defines it."""
    feature = int(trees.feature[node])
    if feature < 0:
        return float(trees.value[node])
    left, right = int(trees.left[node]), int(trees.right[node])
    if feature in given:
        unknown = bool(np.isnan(row[feature])) and bool(trees.missing_left[node])
        goes_left = unknown or float(row[feature]) <= trees.cut[node]
        return compute_expectation(trees, left if goes_left else right, row, given)
    return float(
        trees.share[left] * compute_expectation(trees, left, row, given)
        + trees.share[right] * compute_expectation(trees, right, row, given)
    )


def by_definition(trees: TreeArrays, row: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Shapley's values by going through every set of features."""
    added = np.zeros(WIDTH)
    for feature in range(WIDTH):
        others = [other for other in range(WIDTH) if other != feature]
        for size in range(WIDTH):
            weight = factorial(size) * factorial(WIDTH - size - 1) / factorial(WIDTH)
            for some in combinations(others, size):
                for root in trees.root.tolist():
                    more = compute_expectation(trees, root, row, frozenset({*some, feature}))
                    less = compute_expectation(trees, root, row, frozenset(some))
                    added[feature] += weight * (more - less)
    return added


cell = st.one_of(st.just(np.nan), st.floats(-3, 3, width=32))
rows = st.lists(cell, min_size=WIDTH, max_size=WIDTH)


@pytest.fixture(scope="module")
def estimator_and_trees() -> tuple[HistGradientBoostingClassifier, TreeArrays]:
    """Fit once, and not in every process that only collects."""
    return fit_trees(1)


@pytest.fixture(scope="module")
def estimator(
    estimator_and_trees: tuple[HistGradientBoostingClassifier, TreeArrays],
) -> HistGradientBoostingClassifier:
    return estimator_and_trees[0]


@pytest.fixture(scope="module")
def trees(
    estimator_and_trees: tuple[HistGradientBoostingClassifier, TreeArrays],
) -> TreeArrays:
    return estimator_and_trees[1]


@pytest.fixture(scope="module")
def shap(trees: TreeArrays) -> TreeShap:
    return TreeShap(trees, WIDTH)


@settings(max_examples=20, deadline=None)
@given(rows)
def test_contributions_are_shapleys_by_definition(
    trees: TreeArrays, shap: TreeShap, cells: list[float]
) -> None:
    row = np.array(cells, np.float32)
    np.testing.assert_allclose(shap(row), by_definition(trees, row), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(rows)
def test_contributions_sum_to_the_margin(
    estimator: HistGradientBoostingClassifier, shap: TreeShap, cells: list[float]
) -> None:
    row = np.array(cells, np.float32)
    margin = estimator.decision_function(row.reshape(1, -1))[0]
    assert shap.base + shap(row).sum() == pytest.approx(margin, abs=1e-9)


def test_one_row_and_many_say_the_same_to_the_bit(shap: TreeShap) -> None:
    values = np.random.default_rng(3).normal(size=(20, WIDTH)).astype(np.float32)
    assert shap.rows(values).tobytes() == np.array([shap(row) for row in values]).tobytes()


def test_the_seeded_flaw_is_seen(monkeypatch: pytest.MonkeyPatch, trees: TreeArrays) -> None:
    """Negative control.

    With every order of features weighed alike, sums would still hardly differ.
    """
    right = tree_shap._weights()
    flat = np.where(right > 0, right.sum(axis=1, keepdims=True) / np.arange(7).clip(1)[:, None], 0)
    monkeypatch.setattr(tree_shap, "_weights", lambda: flat)
    row = np.zeros(WIDTH, np.float32)
    wrong = TreeShap(trees, WIDTH)(row)
    assert np.abs(wrong - by_definition(trees, row)).max() > 1e-6


def test_trees_that_are_too_deep_or_categorical_are_refused(
    estimator: HistGradientBoostingClassifier,
) -> None:
    with pytest.raises(ValueError, match="deeper"):
        fit_trees(5, max_depth=9, min_samples_leaf=1, max_leaf_nodes=200, max_iter=20)
    nodes = estimator._predictors[0][0].nodes.copy()
    nodes["is_categorical"][0] = 1
    with pytest.raises(ValueError, match="numeric"):
        convert_nodes([nodes], 0.0)


def test_arrays_are_read_back_and_others_refused(trees: TreeArrays, shap: TreeShap) -> None:
    arrays = trees.as_arrays()
    again = TreeShap(TreeArrays.from_arrays(arrays), WIDTH)
    assert (
        again(np.zeros(WIDTH, np.float32)).tobytes() == shap(np.zeros(WIDTH, np.float32)).tobytes()
    )
    with pytest.raises(TypeError):
        TreeArrays.from_arrays(arrays | {"code": np.zeros(1)})
