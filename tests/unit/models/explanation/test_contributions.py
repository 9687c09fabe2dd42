"""Contributions are Shapley's, and sum to calibrated log-odds; norms are of the like."""

from collections.abc import Mapping
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.domain.time_units import DAY
from models.data.dataset import Target
from models.explanation.contributions import (
    ALL,
    BASE,
    CALIBRATION,
    Contributions,
    UsualValues,
    compute_usual_values,
)
from models.explanation.tree_shap import TreeShap
from models.learning.scikit_trees import convert_nodes, read_trees
from models.scoring import SEEN_BY, UNSEEN, Head, Knots, TreeArrays
from tests.support.small_dataset import small_world

MODEL_WIDTH = 40
NAMES = (*(f"f{at}" for at in range(MODEL_WIDTH - 1)), SEEN_BY)


class Line:
    """A linear part: each feature adds its weight times its value."""

    def __init__(self, weight: float, base: float) -> None:
        self.weight = weight
        self.base = base

    def __call__(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.weight * np.nan_to_num(row.astype(np.float64))


HEADS: Mapping[Target, Head] = {
    "seizure": Head((("one", 0.3), ("other", 0.7)), Knots((-2.0, 0.0, 1.0), (-5.0, -2.0, 0.5))),
    "discrepancy": Head(
        (("other", 1.0),),
        Knots((-1.0, 1.0), (-1.5, 0.25)),
        Head((("one", 0.5), ("other", 0.5)), Knots((-2.0, 1.0), (-2.0, 0.5))),
    ),
}
USUAL = {
    ALL: (0.0,) * MODEL_WIDTH,
    "truck": (1.0,) * MODEL_WIDTH,
    "truck OYB": (2.0,) * MODEL_WIDTH,
}
MADE = Contributions(
    NAMES,
    heads=HEADS,
    parts={"one": Line(0.2, -1.0), "other": Line(-0.1, 0.4)},
    norms=UsualValues(USUAL),
)
model_rows = st.lists(st.floats(-3, 3, width=32), min_size=MODEL_WIDTH, max_size=MODEL_WIDTH)


def log_odds(row: NDArray[np.float32]) -> dict[Target, float]:
    total = float(row.astype(np.float64).sum())
    margins = {"one": np.array(-1.0 + 0.2 * total), "other": np.array(0.4 - 0.1 * total)}
    margins[UNSEEN] = np.array(float(not row[-1] > 0))
    return {name: float(head.log_odds(margins)) for name, head in HEADS.items()}


@given(model_rows)
def test_any_blend_of_parts_sums_to_the_calibrated_log_odds(cells: list[float]) -> None:
    row = np.array(cells, np.float32)
    expected = log_odds(row)
    for target, calibrated in expected.items():
        assert MADE.target(row, target).sum() == pytest.approx(calibrated, abs=1e-9)


def test_all_that_is_not_zero_is_listed_in_order_and_ties_go_by_the_features() -> None:
    row = np.zeros(MODEL_WIDTH, np.float32)
    added = np.zeros(MODEL_WIDTH + 2)
    added[[3, 9, 5]], added[-1] = (0.5, -0.5, 0.1), -0.3
    result = MADE.describe(row, added, vehicle_class="truck", post="OYB")
    assert [one.feature for one in result] == ["f3", "f9", CALIBRATION, "f5"]
    assert np.isnan(result[2].value)
    assert np.isnan(result[2].normal)
    assert BASE not in {one.feature for one in result}


@pytest.mark.parametrize(
    ("vehicle_class", "post", "value", "others"),
    [
        ("truck", "OYB", 2.0, "truck OYB"),
        ("truck", "FOT", 1.0, "truck"),
        ("bus", "OYB", 0.0, "*"),
    ],
)
def test_a_value_is_compared_with_the_narrowest_group(
    vehicle_class: str, post: str, value: float, others: str
) -> None:
    row = np.ones(MODEL_WIDTH, np.float32)
    result = MADE.describe(row, MADE.target(row, "seizure"), vehicle_class=vehicle_class, post=post)
    features = [one for one in result if one.feature in NAMES]
    assert {one.normal for one in features} == {value}
    assert {one.among for one in result} == {others}


def test_the_usual_is_a_median_of_late_entries_and_of_flags_a_share() -> None:
    data = small_world(3000, seed=41)
    object.__setattr__(data, "names", ("is_empty", *data.names[1:]))
    data.values[:, 0] = np.arange(3000) % 4 == 0
    data.values[:, 5] = np.nan
    entry = data.direction == "entry"
    late = entry & (data.arrived_at >= data.arrived_at[entry].max() - 180 * DAY)
    data.values[~late, 1] = 1e6
    found = compute_usual_values(data)
    here = late & (data.vehicle_class == "bus") & (data.post == "OYB")

    assert found[ALL][0] == pytest.approx(data.values[late, 0].mean())
    assert np.isnan(found[ALL][5])
    assert found["bus OYB"][1] == pytest.approx(float(np.nanmedian(data.values[here, 1])))
    assert set(found) == {ALL} | {
        f"{kind}{post}" for kind in ("truck", "car", "bus") for post in ("", " OYB", " FOT")
    }
    assert ALL in compute_usual_values(data.take(np.arange(20)))


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
