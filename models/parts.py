"""What are the parts of a blend, and how is one fitted? Trees over several seeds, and a line.

Assumes few finds. One ensemble of trees depends on its seed as much as on the data, so several are
grown with few features tried at each split and become one: their leaves count a share each. A line
over all features is steadier where finds are a few dozen, and blunter where they are many; which
weighs how much is decided on later data (:mod:`models.heads`), not here.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.config import Trees
from models.linear import Linear, folded
from models.risk import Floats

_OUTER = (0.005, 0.995)
"""Quantiles of the training rows between which the line's features are held."""
_FLAT = 1e-6
"""A folded feature that varies less says nothing."""

Rows = NDArray[np.float32]
Labels = NDArray[np.int8]


def grow(
    values: Rows,
    label: Labels,
    *,
    trees: Trees,
    signs: NDArray[np.int8],
    seed: int,
    weight: Floats | None = None,
) -> HistGradientBoostingClassifier:
    """Grow one ensemble over the seeds ``seed``, ``seed + 1``, ... and return their mean.

    A column without any value is filled: no tree can split on it, and scikit-learn cannot bin it.

    Parameters
    ----------
    values : float32 array of shape (n, f)
    label : int8 array of shape (n,)
        1 or 0.
    trees : Trees
    signs : int8 array of shape (f,)
        1 rising, -1 falling, 0 free.
    seed : int
    weight : float64 array of shape (n,), optional
        Of each row; all alike when absent. Slow: scikit-learn 1.9 takes long to find its bins.

    Returns
    -------
    HistGradientBoostingClassifier
        ``trees.seeds`` times ``trees.iterations`` trees; its log-odds are the mean of theirs.
    """
    filled = np.where(np.isnan(values).all(axis=0), np.float32(0), values)
    # Sums over threads depend on their number; one thread, and the bits repeat on any machine.
    with threadpool_limits(1, user_api="openmp"):
        grown = [
            _estimator(trees, signs, seed + number).fit(filled, label, sample_weight=weight)
            for number in range(trees.seeds)
        ]
    return _mean(grown)


def _estimator(trees: Trees, signs: NDArray[np.int8], seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=trees.iterations,
        learning_rate=trees.learning_rate,
        max_depth=trees.depth,
        max_leaf_nodes=trees.leaves,
        min_samples_leaf=trees.smallest_leaf,
        l2_regularization=trees.ridge,
        max_features=trees.share_of_features,
        monotonic_cst=signs,
        categorical_features=None,
        early_stopping=False,
        random_state=seed,
    )


def _mean(grown: list[HistGradientBoostingClassifier]) -> HistGradientBoostingClassifier:
    """Put the trees of all into the first, each leaf counting its share: one data file serves."""
    first, count = grown[0], len(grown)
    if count == 1:
        return first
    for estimator in grown:
        for (predictor,) in estimator._predictors:
            predictor.nodes["value"] /= count
    first._predictors = [trees for estimator in grown for trees in estimator._predictors]
    # A start that is the mean of equal starts: all saw the same labels.
    return first


def straight(
    values: Rows, label: Labels, *, strength: float, weight: Floats | None = None
) -> Linear:
    """Fit the line by logistic regression on standardised, folded features.

    Parameters
    ----------
    values : float32 array of shape (n, f)
    label : int8 array of shape (n,)
        1 or 0.
    strength : float
        Inverse of the ridge penalty, scikit-learn's ``C``.
    weight : float64 array of shape (n,), optional
        Of each row; all alike when absent.

    Returns
    -------
    Linear
    """
    known = ~np.isnan(values).all(axis=0)
    x = np.where(known, folded(values), 0.0)
    low, high = np.nanquantile(x, _OUTER, axis=0)
    fill = np.nanmedian(x, axis=0)
    held = np.clip(x, low, high)
    held = np.where(np.isnan(held), fill, held)
    center, spread = held.mean(axis=0), held.std(axis=0)
    says = spread > _FLAT
    scale = np.where(says, spread, 1.0)
    with threadpool_limits(1):
        line = LogisticRegression(C=strength, max_iter=500).fit(
            (held - center) / scale * says, label, sample_weight=weight
        )
    slopes = np.where(says, line.coef_[0] / scale, 0.0)
    return Linear(low, high, fill, center, slopes, float(line.intercept_[0]))
