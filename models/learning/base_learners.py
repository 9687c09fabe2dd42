"""Base learners of a blend: trees over several seeds, a line, and the prior-seizure score.

Assumes few finds. One ensemble of trees depends on its seed as much as on the data, so several are
grown with few features tried at each split and become one: their leaves count a share each. A line
over all features is steadier where finds are a few dozen, and blunter where they are many; which
weighs how much is decided on later data (:mod:`models.learning.calibration`), not here.

The prior-seizure score assumes that a known seizure counts about the same whichever party it was
found on, that several add up, and that a clear past lowers no risk. A few dozen seizures cannot
teach this: spread over a dozen columns of one kind, chance and the penalty leave hardly anything of
it. So it is said here how much a precedent counts, and chosen on later data how much all of them
weigh (:mod:`models.learning.calibration`); only the rate from which on one counts comes from the
rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.catalogue.catalogue import TRACKED
from models.array_types import Floats, Labels, Positions, Rows
from models.config import Trees
from models.learning.scikit_trees import average_ensembles, fit_trees, widen_ensemble
from models.scoring import Linear, fold_values

_OUTER = (0.005, 0.995)
"""Quantiles of the training rows between which the line's features are held."""
FEWEST_SIGNED = 10
"""Fewer features than this, whose sign is known, grow no trees of their own."""
_COLUMNS = 16
"""Features whose quantiles are found together."""
_FLAT = 1e-6
"""A folded feature that varies less says nothing."""


def grow(
    values: Rows,
    label: Labels,
    *,
    trees: Trees,
    signs: NDArray[np.int8],
    seed: int,
    weight: Floats | None = None,
    among: Positions | None = None,
    by_weight: bool = False,
) -> HistGradientBoostingClassifier:
    """Grow one ensemble over the seeds ``seed``, ``seed + 1``, ... and return their mean.

    A column without any value is filled: no tree can split on it, and scikit-learn cannot bin it.
    Of ``trees.seeds`` times ``trees.iterations`` trees the log-odds are the mean.

    Parameters
    ----------
    values, label : float32 array of shape (n, f), int8 array of shape (n,)
        Features, and 1 or 0.
    signs : int8 array of shape (f,)
        1 rising, -1 falling, 0 free.
    weight : float64 array of shape (n,), optional
        Of each row; all alike when absent.
    among : int array, optional
        Ascending columns that a split may use; all when absent.
    by_weight : bool
        Whether bins hold equal weights instead of equal numbers of rows.
    """
    columns = np.arange(values.shape[1]) if among is None else among
    used = values if among is None else values[:, among]
    is_blank = np.isnan(used).all(axis=0)
    filled = np.where(is_blank, np.float32(0), used) if is_blank.any() else used
    # Sums over threads depend on their number; one thread, and the bits repeat on any machine.
    with threadpool_limits(1, user_api="openmp"):
        grown = [
            fit_trees(
                _estimator(trees, signs[columns], seed + number),
                filled,
                label,
                weight=weight,
                by_weight=by_weight,
            )
            for number in range(trees.seeds)
        ]
    return widen_ensemble(average_ensembles(grown), columns, width=values.shape[1])


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


def grow_with_field(
    values: Rows,
    label: Labels,
    *,
    trees: Trees,
    signs: NDArray[np.int8],
    seed: int,
    weight: Floats | None = None,
    by_weight: bool = False,
) -> HistGradientBoostingClassifier:
    """Grow one ensemble, half of it on nothing but the features whose sign is known.

    Parameters, shapes and result are those of :func:`grow`. Alone that half sees too little; next
    to trees over everything it holds down what a handful of finds makes up. Each of its splits
    tries twice the share of features, about as many as the other half tries.
    """
    signed = np.flatnonzero(signs)
    teach = partial(grow, values, label, signs=signs, seed=seed, weight=weight, by_weight=by_weight)
    whole = teach(trees=trees)
    if len(signed) < FEWEST_SIGNED:
        return whole
    fewer = replace(trees, share_of_features=min(1.0, 2 * trees.share_of_features))
    return average_ensembles([whole, teach(trees=fewer, among=signed)])


def straight_part(
    values: Rows,
    label: Labels,
    *,
    strength: float,
    weight: Floats | None = None,
    among: Positions | None = None,
    families: NDArray[np.object_] | None = None,
) -> Linear:
    """Fit the line by logistic regression on standardised, folded features.

    ``strength`` is the inverse of the ridge penalty, scikit-learn's ``C``. With ``families`` a
    second line joins, by half, to which a family of many columns is worth as much as one of few:
    neither prior is right everywhere (docs/trials.md). Both count twice, which makes up for the
    steepness that a strong penalty takes.

    Parameters
    ----------
    values, label : float32 array of shape (n, f), int8 array of shape (n,)
        Features, and 1 or 0.
    weight : float64 array of shape (n,), optional
        Of each row; all alike when absent.
    among : int array, optional
        Columns that it reads; all when absent.
    families : object array of shape (f,), optional
        Name of each column's family.
    """
    if among is not None:
        own = None if families is None else families[among]
        line = straight_part(
            values[:, among], label, strength=strength, weight=weight, families=own
        )
        return line.widen(among, width=values.shape[1])
    known = ~np.isnan(values).all(axis=0)
    x = fold_values(values)  # one array, changed in place: all else would need it several times
    x[:, ~known] = 0.0
    parts = [x[:, begin : begin + _COLUMNS] for begin in range(0, x.shape[1], _COLUMNS)]
    low, high = np.concatenate([np.nanquantile(one, _OUTER, axis=0) for one in parts], axis=1)
    fill = np.concatenate([np.nanmedian(one, axis=0) for one in parts])
    np.clip(x, low, high, out=x)
    np.copyto(x, fill, where=np.isnan(x))
    center, spread = x.mean(axis=0), x.std(axis=0)
    says = spread > _FLAT
    scale = np.where(says, spread, 1.0)
    x -= center
    x /= scale
    x *= says
    ridge = LogisticRegression(C=strength, max_iter=500)
    with threadpool_limits(1):
        line = ridge.fit(x, label, sample_weight=weight)
        slopes, base = line.coef_[0], float(line.intercept_[0])
        if families is not None:
            _, family = np.unique(families.astype(str), return_inverse=True)
            columns = np.maximum(np.bincount(family, weights=says), 1.0)[family]
            share = np.sqrt(says.sum() / (says @ (1.0 / columns)) / columns)
            x *= share
            other = ridge.fit(x, label, sample_weight=weight)
            slopes = 2.0 * slopes + other.coef_[0] * share
    return Linear(low, high, fill, center, np.where(says, slopes / scale, 0.0), base)


RATES = tuple(f"{who}_recent_seizure_rate" for who in TRACKED)
"""Traffic holds these down: a find on a firm with a thousand passages is no precedent for each."""
HIGH = 5.0
"""A rate counts from the base rate on, and no more beyond this many times it."""
WORTH = 2.0
"""Log-odds of a rate that is as high as counts."""


def precedents(
    values: Rows, label: Labels, *, names: Sequence[str], kept: float = 1.0
) -> Linear | None:
    """Return what precedents add to the log-odds of a seizure; None where no feature tells of any.

    Parameters
    ----------
    values, label : float32 array of shape (n, f), int8 array of shape (n,)
        The rows that teach: their means are where a feature adds nothing, and the base rate is the
        share of ones among their labels, 1 or 0.
    kept : float
        Share of the rows labelled 0 that is left among them.
    """
    fields = np.isin(names, RATES)
    if not fields.any():
        return None
    finds = int(label.sum())
    base = finds / (finds + (len(label) - finds) / kept)
    low = np.where(fields, np.log1p(base), 0.0)
    high = np.where(fields, np.log1p(min(HIGH * base, 1.0)), 0.0)
    weight = np.zeros(len(names))
    weight[fields] = WORTH / (high - low)[fields]
    held = np.clip(fold_values(values[:, fields]), low[fields], high[fields])
    center = low.copy()
    center[fields] = np.where(np.isnan(held), low[fields], held).mean(axis=0)
    level = float(np.log(base / (1 - base)) + weight @ (center - low))
    return Linear(low, high, low.copy(), center, weight, level)
