"""Trees that walk level by level say what scikit-learn and Treelite say, to the last digits."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import treelite
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.scoring import _ROWS, TreeArrays, TreeEnsemble
from tests.unit.models.explanation.test_contributions import WIDTH, fit_trees

cells = st.one_of(st.just(np.nan), st.just(np.inf), st.just(-np.inf), st.floats(width=32))
tables = st.lists(st.lists(cells, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=5)


@cache
def estimator_and_paths() -> tuple[HistGradientBoostingClassifier, TreeArrays]:
    """Fit once, and not in every process that only collects."""
    return fit_trees(3, max_iter=12, max_depth=6)


def at_the_cuts(paths: TreeArrays) -> NDArray[np.float32]:
    """Return rows whose every cell is some split's own cut, or just next to it, or unknown."""
    draw = np.random.default_rng(5)
    cuts = paths.cut[paths.feature >= 0].astype(np.float32)
    values = draw.choice(cuts, (2 * _ROWS, WIDTH))
    side = draw.integers(-1, 2, values.shape)
    with np.errstate(over="ignore"):  # some cuts part the known from the unknown: infinity
        values = np.where(side < 0, np.nextafter(values, -np.inf), values)
        values = np.where(side > 0, np.nextafter(values, np.inf), values)
    values[draw.random(values.shape) < 0.2] = np.nan
    return values.astype(np.float32)


def off(paths: TreeArrays, estimator: HistGradientBoostingClassifier) -> float:
    """Return the largest difference from either peer."""
    values = at_the_cuts(paths)
    ours = TreeEnsemble(paths)(values)
    model = treelite.sklearn.import_model(estimator)
    theirs = np.asarray(treelite.gtil.predict(model, values, pred_margin=True)).reshape(-1)
    return max(
        float(np.abs(ours - estimator.decision_function(values)).max()),
        float(np.abs(ours - theirs).max()),
    )


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_equal_to_both_peers_at_every_cut(depth: int) -> None:
    estimator, paths = fit_trees(depth, max_iter=12, max_depth=depth)
    assert off(paths, estimator) < 1e-12


@settings(max_examples=25, deadline=None)
@given(tables)
def test_equal_to_scikit_learn_on_any_row(table: list[list[float]]) -> None:
    estimator, paths = estimator_and_paths()
    values = np.array(table, np.float32)
    np.testing.assert_allclose(
        TreeEnsemble(paths)(values), estimator.decision_function(values), rtol=0, atol=1e-12
    )


def test_a_circle_is_refused() -> None:
    _, paths = estimator_and_paths()
    left = paths.left.copy()
    left[paths.root[0]] = paths.root[0]
    with pytest.raises(ValueError, match="does not end"):
        TreeEnsemble(replace(paths, left=left))
