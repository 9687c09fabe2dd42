"""Trees of scikit-learn: private parts as one module expects them, and the compiled walk."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import HistGradientBoostingClassifier

from models.array_types import Floats, Labels, Rows
from models.config import Trees
from models.learning.base_learners import grow_with_field
from models.learning.scikit_trees import (
    ATTRIBUTES,
    NODE_FIELDS,
    UnknownLayoutError,
    add_trees,
    average_ensembles,
    check_layout,
    fit_trees,
    read_trees,
    widen_ensemble,
)


def make_rows(width: int = 3) -> tuple[Rows, Labels]:
    draw = np.random.default_rng(1)
    values = draw.normal(size=(300, width)).astype(np.float32)
    values[draw.random(values.shape) < 0.1] = np.nan
    return values, (np.nan_to_num(values[:, 0]) + draw.normal(size=300) > 0).astype(np.int8)


def make_estimator(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=3, max_depth=3, max_features=0.5, random_state=seed
    )


def grow_small(seed: int) -> HistGradientBoostingClassifier:
    return make_estimator(seed).fit(*make_rows())


ROWS = np.random.default_rng(2).normal(size=(50, 3)).astype(np.float32)


def test_the_mean_of_ensembles_is_what_scikit_learn_predicts_of_it() -> None:
    """A cache of predictions, or a leaf kept elsewhere, would leave the old margins."""
    each = [grow_small(seed) for seed in (1, 2, 3)]
    margins = np.mean([one.decision_function(ROWS) for one in each], axis=0)
    assert np.ptp([one.decision_function(ROWS) for one in each], axis=0).max() > 0.01
    merged = average_ensembles(each)
    assert merged.n_iter_ == 9
    np.testing.assert_allclose(merged.decision_function(ROWS), margins, atol=1e-12)


def test_a_widened_ensemble_reads_the_columns_it_was_fitted_on() -> None:
    estimator = grow_small(1)
    before = estimator.decision_function(ROWS)
    wide = np.full((len(ROWS), 6), 1e9, np.float32)
    columns = np.array([1, 3, 4])
    wide[:, columns] = ROWS
    widened = widen_ensemble(estimator, columns, width=6)
    np.testing.assert_array_equal(widened.decision_function(wide), before)


WEIGHT = np.linspace(0.5, 1.5, 300)


def fit_on(weight: Floats | None, *, by_weight: bool) -> HistGradientBoostingClassifier:
    return fit_trees(make_estimator(1), *make_rows(6), weight=weight, by_weight=by_weight)


def trees_of(estimator: HistGradientBoostingClassifier) -> list[bytes]:
    return [tree.nodes.tobytes() for (tree,) in estimator._predictors]


def bins_of(estimator: HistGradientBoostingClassifier) -> bytes:
    return pickle.dumps(estimator._bin_mapper.bin_thresholds_)


def test_bins_by_weight_are_scikit_learns_own() -> None:
    values, label = make_rows(6)
    own = make_estimator(1).fit(values, label, sample_weight=WEIGHT)
    made = fit_on(WEIGHT, by_weight=True)
    assert (trees_of(made), bins_of(made)) == (trees_of(own), bins_of(own))


def test_bins_by_rows_are_those_of_rows_that_weigh_alike() -> None:
    alike, made = fit_on(None, by_weight=True), fit_on(WEIGHT, by_weight=False)
    assert bins_of(made) == bins_of(alike)
    assert trees_of(made) != trees_of(alike), "trees still follow the weights"
    assert vars(made).keys() == vars(fit_on(WEIGHT, by_weight=True)).keys()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_estimator_without_an_attribute_is_refused(name: str) -> None:
    """Seeded bug: an upgrade that renames an attribute."""
    estimator = grow_small(1)
    delattr(estimator, name)
    with pytest.raises(UnknownLayoutError, match=name):
        read_trees(estimator)


@pytest.mark.parametrize("name", NODE_FIELDS)
def test_a_node_table_without_a_field_is_refused(name: str) -> None:
    """Seeded bug: an upgrade that renames a field."""
    estimator = grow_small(1)
    (predictor,) = estimator._predictors[0]
    fields = [field for field in predictor.nodes.dtype.names if field != name]
    estimator._predictors = [[SimpleNamespace(nodes=predictor.nodes[fields])]]
    with pytest.raises(UnknownLayoutError, match=name):
        read_trees(estimator)


def test_several_trees_an_iteration_are_refused() -> None:
    """A classifier of three classes is no binary one."""
    draw = np.random.default_rng(3)
    three = HistGradientBoostingClassifier(max_iter=2).fit(
        draw.normal(size=(90, 2)), np.arange(90) % 3
    )
    with pytest.raises(UnknownLayoutError, match="single tree"):
        check_layout(three)


DRAW = np.random.default_rng(3)
VALUES = np.round(DRAW.normal(size=(900, 12)), 1).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.2] = np.nan
LABEL = (np.nan_to_num(VALUES[:, 0] * VALUES[:, 1]) + DRAW.normal(size=900) > 1).astype(np.int8)
GROWN = grow_with_field(
    VALUES,
    LABEL,
    trees=Trees(iterations=12, depth=5, leaves=20, smallest_leaf=5, seeds=2),
    signs=np.ones(12, np.int8),
    seed=1,
)
TREES = read_trees(GROWN)
CUTS = [float(cut) for cut in TREES.cut[TREES.feature >= 0][:20]]


def test_rows_in_blocks_and_alone_give_the_same_bits() -> None:
    expected = GROWN.decision_function(VALUES)
    assert np.ptp(expected) > 0.1
    np.testing.assert_array_equal(add_trees(TREES, VALUES), expected)
    np.testing.assert_array_equal(add_trees(TREES, VALUES[::7]), expected[::7])
    assert add_trees(TREES, VALUES[:0]).shape == (0,)


@settings(max_examples=25)
@given(
    arrays(
        np.float32,
        (3, 12),
        elements=st.one_of(
            st.sampled_from([np.float32(cut).item() for cut in CUTS]),
            st.floats(width=32, allow_infinity=False),
        ),
    )
)
def test_any_numbers_and_gaps_give_the_same_bits(rows: Rows) -> None:
    np.testing.assert_array_equal(add_trees(TREES, rows), GROWN.decision_function(rows))
