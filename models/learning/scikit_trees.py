"""Private parts of scikit-learn's histogram gradient boosting, read and written here alone.

Assumes the node tables and attributes named below, which scikit-learn does not promise to keep:
``tests/integration/models/learning/test_scikit_trees.py`` fails when an upgrade changes them, and
:func:`check_layout` refuses an estimator that has none of them before anything is read.

The compiled walk of many rows through one ensemble gives scikit-learn's log-odds to the bit. It
assumes numeric splits. scikit-learn adds its trees to the baseline in their order, for each row;
so does this, in one call for all trees instead of one a tree. What serves adds them up in another
order (:mod:`models.scoring`), and its last bits differ.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.errors import RiskError
from features.offline.kernel import compile_kernel
from models.array_types import Floats, Labels, Mask, Positions, Rows
from models.scoring import DEEPEST, TreeArrays

ATTRIBUTES = ("_predictors", "_baseline_prediction", "n_features_in_")
"""Attributes of a fitted estimator."""
NODE_FIELDS = (
    "value",
    "count",
    "feature_idx",
    "num_threshold",
    "missing_go_to_left",
    "left",
    "right",
    "depth",
    "is_leaf",
    "is_categorical",
)
"""Fields of a tree's node table."""


class UnknownLayoutError(RiskError):
    """An estimator is not laid out as the known versions of scikit-learn lay it out."""

    missing: str
    TEXT = "scikit-learn's trees have no {missing}: its version is not supported"


def fit_trees(
    estimator: HistGradientBoostingClassifier,
    values: Rows,
    label: Labels,
    *,
    weight: Floats | None,
    by_weight: bool,
) -> HistGradientBoostingClassifier:
    """Fit an estimator and return it.

    ``values`` are float32 of shape (n, k), ``label`` int8 and ``weight`` float64 of shape (n,).
    ``by_weight``: bins hold equal weights, as scikit-learn has them, instead of equal numbers of
    rows. Version 1.9 takes twenty times as long to find them.
    """

    def bin_rows(rows: Any, _weight: Any, *, is_training_data: bool) -> Any:
        del is_training_data  # nothing is held back: fits do not stop early
        return estimator._bin_mapper.fit_transform(rows)

    if by_weight:
        return estimator.fit(values, label, sample_weight=weight)
    estimator._bin_data = bin_rows
    try:
        return estimator.fit(values, label, sample_weight=weight)
    finally:
        del estimator._bin_data


def check_layout(estimator: HistGradientBoostingClassifier) -> None:
    """Refuse an estimator whose private parts are not those that this module knows.

    Raises ``UnknownLayoutError`` with the name of the first attribute or field that is missing.
    """
    for name in ATTRIBUTES:
        if not hasattr(estimator, name):
            raise UnknownLayoutError(name)
    for trees in estimator._predictors:
        if len(trees) != 1:  # one tree an iteration: a binary classifier
            raise UnknownLayoutError("single tree per iteration")
        fields = trees[0].nodes.dtype.names or ()
        for name in NODE_FIELDS:
            if name not in fields:
                raise UnknownLayoutError(f"nodes[{name!r}]")
    if np.size(estimator._baseline_prediction) != 1:
        raise UnknownLayoutError("single baseline")


def average_ensembles(
    estimators: Sequence[HistGradientBoostingClassifier],
) -> HistGradientBoostingClassifier:
    """Merge fitted ensembles into the first, so that its log-odds are the mean of theirs.

    Assumes that all were fitted on the same labels: their baselines are then equal. Every leaf is
    divided by the number of ensembles, in place; one data file serves the mean.
    """
    first, count = estimators[0], len(estimators)
    if count == 1:
        return first
    for estimator in estimators:
        check_layout(estimator)
        for (predictor,) in estimator._predictors:
            predictor.nodes["value"] /= count
    first._predictors = [trees for estimator in estimators for trees in estimator._predictors]
    return first


def widen_ensemble(
    estimator: HistGradientBoostingClassifier, columns: Positions, *, width: int
) -> HistGradientBoostingClassifier:
    """Let an ensemble that was fitted on some columns take rows of all of them.

    It is changed in place. It was fitted on rows of shape (n, k); ``columns`` (intp, shape (k,))
    says where each of its columns is among all ``width`` columns.
    """
    if len(columns) == width:
        return estimator
    check_layout(estimator)
    for (predictor,) in estimator._predictors:
        nodes = predictor.nodes
        # A leaf names a feature too, which nothing reads.
        nodes["feature_idx"] = columns[np.clip(nodes["feature_idx"], 0, len(columns) - 1)]
    estimator.n_features_in_ = width
    return estimator


def shift_log_odds(estimator: HistGradientBoostingClassifier, *, by: float) -> None:
    """Add to the log-odds that an estimator states of every row."""
    estimator._baseline_prediction = estimator._baseline_prediction + by


def read_trees(estimator: HistGradientBoostingClassifier) -> TreeArrays:
    """Return a fitted binary ensemble as plain arrays.

    Raises ``UnknownLayoutError`` as :func:`check_layout`, ``ValueError`` if a split is categorical
    or a tree deeper than ``DEEPEST``.
    """
    check_layout(estimator)
    nodes = [predictor.nodes for (predictor,) in estimator._predictors]
    return convert_nodes(nodes, float(np.ravel(estimator._baseline_prediction)[0]))


def convert_nodes(nodes: Sequence[NDArray[Any]], baseline: float) -> TreeArrays:
    """Return node tables as plain arrays.

    Nodes are structured arrays of shape (nodes of a tree,) with ``NODE_FIELDS``; ``baseline`` is
    the ensemble's initial log-odds. Raises ValueError if a split is categorical, or a tree deeper
    than ``DEEPEST``.
    """
    start = np.concatenate(([0], np.cumsum([len(tree) for tree in nodes])))[:-1].astype(np.int32)
    every = np.concatenate(nodes)
    if every["is_categorical"].any():
        raise ValueError("only numeric splits can be explained")
    if every["depth"].max(initial=0) > DEEPEST:
        raise ValueError(f"a tree is deeper than {DEEPEST}")
    is_leaf = every["is_leaf"].astype(np.bool_)
    first = np.repeat(start, [len(tree) for tree in nodes])
    children = {
        side: np.where(is_leaf, -1, every[side].astype(np.int64) + first).astype(np.int32)
        for side in ("left", "right")
    }
    share = np.ones(len(every))
    for side in children.values():
        split = np.flatnonzero(~is_leaf)
        share[side[split]] = every["count"][side[split]] / every["count"][split].astype(np.float64)
    return TreeArrays(
        root=start,
        feature=np.where(is_leaf, -1, every["feature_idx"]).astype(np.int32),
        cut=np.where(is_leaf, 0.0, every["num_threshold"]),
        missing_left=every["missing_go_to_left"].astype(np.bool_) & ~is_leaf,
        **children,
        share=share,
        value=np.where(is_leaf, every["value"], 0.0),
        base=np.array([baseline], np.float64),
    )


_ROWS = 64
"""Rows that go through a tree together: they and the tree stay near the processor."""


def add_trees(trees: TreeArrays, values: Rows) -> Floats:
    """Return log-odds (float64, shape (n,)) of float32 rows of shape (n, f); NaN is unknown."""
    sums = np.full(len(values), trees.base[0])
    _walk(
        np.ascontiguousarray(values, np.float32),
        sums,
        trees.root,
        trees.feature,
        trees.cut,
        trees.missing_left,
        trees.left,
        trees.right,
        trees.value,
        _ROWS,
    )
    return sums


@compile_kernel
def _walk(
    values: Rows,
    sums: Floats,
    root: NDArray[np.int32],
    feature: NDArray[np.int32],
    cut: Floats,
    missing_left: Mask,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: Floats,
    size: int,
) -> None:
    """Add each tree's leaf to the sum of each row, ``size`` rows at a time."""
    for begin in range(0, len(values), size):
        end = min(begin + size, len(values))
        for start in root:
            for row in range(begin, end):
                node = start
                while feature[node] >= 0:
                    x = np.float64(values[row, feature[node]])
                    goes_left = x <= cut[node] or (x != x and missing_left[node])
                    node = left[node] if goes_left else right[node]
                sums[row] += value[node]
