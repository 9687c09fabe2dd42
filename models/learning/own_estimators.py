"""Estimators of an analyst's own: which scikit-learn classes become a part of a bundle, and how.

Assumes binary classifiers whose answer is a sum over trees or over features, because a bundle holds
data and no code, and every contribution must be exact. What is not such a sum is refused by name.

====================================  ==========================================================
HistGradientBoostingClassifier        its own trees; takes missing values
GradientBoostingClassifier            trees
RandomForest-, ExtraTreesClassifier   trees; the margin is the mean chance, on the slope that
                                      log-odds have at the share of ones
LogisticRegression, RidgeClassifier,  a weighted sum of features
SGDClassifier, LinearSVC
====================================  ==========================================================

Before trees a ``SimpleImputer`` may stand; before a linear model also ``StandardScaler``,
``MinMaxScaler``, ``MaxAbsScaler`` and ``RobustScaler``, in a ``Pipeline``.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.errors import InputError
from models.array_types import Floats, Labels, Rows
from models.learning.scikit_trees import read_trees
from models.scoring import DEEPEST, Linear, TreeArrays

FORESTS: Final = (RandomForestClassifier, ExtraTreesClassifier)
TREES: Final = (HistGradientBoostingClassifier, GradientBoostingClassifier, *FORESTS)
LINES: Final = (LogisticRegression, RidgeClassifier, SGDClassifier, LinearSVC)
SCALERS: Final = (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler)
_WIDEST: Final = float(np.finfo(np.float32).max)
"""No feature is held: every float32 lies within."""


@dataclass(frozen=True, slots=True)
class OwnEstimator:
    """A fitted estimator of an analyst's own, and what a bundle keeps of it."""

    estimator: Any
    chance: float
    """Share of ones among the rows that it learnt from."""
    center: Floats
    """Mean of each feature of those rows, as float64 of shape (f,)."""

    def decision_function(self, values: Rows) -> Floats:
        """Return margins of rows of shape (n, f) by scikit-learn: float64, shape (n,)."""
        wide = values.astype(np.float64)
        with threadpool_limits(1):
            if isinstance(_last_step(self.estimator), FORESTS):
                chance: Floats = self.estimator.predict_proba(wide)[:, 1]
                return _start(self.chance) + (chance - self.chance) * _slope(self.chance)
            return np.asarray(self.estimator.decision_function(wide), np.float64)

    def as_part(self) -> TreeArrays | Linear:
        """Return the same margins as plain data, as a bundle keeps them."""
        last = _last_step(self.estimator)
        if isinstance(last, LINES):
            return _as_linear(self.estimator, self.center)
        fill = _read_fill(self.estimator)
        if isinstance(last, HistGradientBoostingClassifier):
            return _impute(read_trees(last), fill)
        return _impute(_read_tree_tables(last, self), fill)


def load_estimator(name: str) -> Any:
    """Return the unfitted estimator that ``MODULE:FUNCTION`` makes.

    The module is looked for in the current folder, too.

    Raises
    ------
    InputError
        No such function, one that needs arguments or raises, or an estimator that cannot become a
        part.

    """
    module, _, function = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        make: Callable[[], Any] = getattr(import_module(module), function)
        wanted = signature(make).parameters
    except Exception as error:  # an analyst's module raises what it likes
        raise InputError(name, f"MODULE:FUNCTION that can be imported: {_tell(error)}") from error
    if wanted:
        raise InputError(name, "the function takes no arguments and returns an estimator")
    try:
        estimator = make()
    except Exception as error:
        raise InputError(name, _tell(error)) from error
    check_estimator(estimator, name)
    return estimator


def _tell(error: Exception) -> str:
    """Return an error's class and the first line of its message."""
    first, *_ = f"{type(error).__name__}: {error}".splitlines()
    return first


def check_estimator(estimator: Any, name: str) -> None:
    """Refuse what cannot become a part of a bundle; raises ``InputError`` with its class."""
    steps = _list_steps(estimator)
    last = steps[-1]
    if not is_classifier(last) or not isinstance(last, TREES + LINES):
        known = ", ".join(one.__name__ for one in TREES + LINES)
        why = f"{type(last).__name__} cannot become part of a bundle; these can: {known}"
        raise InputError(name, why)
    allowed = (SimpleImputer, *SCALERS) if isinstance(last, LINES) else (SimpleImputer,)
    for step in steps[:-1]:
        if not isinstance(step, allowed):
            why = f"{type(step).__name__} cannot stand before {type(last).__name__} in a bundle"
            raise InputError(name, why)
        if getattr(step, "add_indicator", False):
            raise InputError(name, "add_indicator makes columns that are no features")


def fit_estimator(
    estimator: Any, values: Rows, label: Labels, *, seed: int, weight: Floats | None = None
) -> OwnEstimator:
    """Fit a copy of an estimator; where it draws at random without a seed, it gets ``seed``.

    Parameters
    ----------
    values, label : float32 array of shape (n, f), int8 array of shape (n,)
        Features, NaN where missing, and 1 or 0.
    weight : float64 array of shape (n,), optional
        Of each row; all alike when absent.

    Raises
    ------
    InputError
        The estimator raises, by its own message, or a tree is deeper than can be explained.

    """
    own = clone(estimator)
    own.set_params(**_list_seeds(own, seed))
    wide = values.astype(np.float64)
    wide[:, np.isnan(wide).all(axis=0)] = 0.0  # scikit-learn would drop what has no value at all
    name = type(_last_step(own)).__name__
    step = f"{own.steps[-1][0]}__" if isinstance(own, Pipeline) else ""
    given = {} if weight is None else {f"{step}sample_weight": weight}
    try:
        with threadpool_limits(1):
            own.fit(wide, label, **given)
    except Exception as error:  # what an analyst's own code raises is not known here
        raise InputError(name, _tell(error)) from error
    _check_depth(_last_step(own), name)
    known = np.where(np.isnan(wide), np.nanmean(wide, axis=0), wide)
    return OwnEstimator(own, float(label.mean()), known.mean(axis=0))


def _check_depth(last: Any, name: str) -> None:
    depths = [tree.tree_.max_depth for tree in np.ravel(getattr(last, "estimators_", []))]
    if isinstance(last, HistGradientBoostingClassifier):
        try:
            read_trees(last)
        except ValueError as error:
            raise InputError(name, f"{error}: set max_depth, and no categories") from error
    if depths and max(depths) > DEEPEST:
        raise InputError(name, f"a tree is {max(depths)} deep: set max_depth to {DEEPEST} or less")


def _list_seeds(estimator: Any, seed: int) -> Mapping[str, int]:
    parameters = estimator.get_params()
    return {
        name: seed
        for name, value in parameters.items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }


def _list_steps(estimator: Any) -> Sequence[Any]:
    if isinstance(estimator, Pipeline):
        return [step for _, step in estimator.steps if step not in (None, "passthrough")]
    return [estimator]


def _last_step(estimator: Any) -> Any:
    return _list_steps(estimator)[-1]


def _start(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))


def _slope(chance: float) -> float:
    return 1 / (chance * (1 - chance))


def _read_fill(estimator: Any) -> Floats | None:
    """Return what an imputer puts for each feature; None where nothing is imputed."""
    imputers = [step for step in _list_steps(estimator) if isinstance(step, SimpleImputer)]
    return None if not imputers else np.asarray(imputers[0].statistics_, np.float64)


def _read_tree_tables(last: Any, own: OwnEstimator) -> TreeArrays:
    """Return the public tables of scikit-learn's trees, one after the other."""
    trees = [tree.tree_ for tree in np.ravel(last.estimators_)]
    is_forest = isinstance(last, FORESTS)
    start = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1].astype(np.int32)
    is_leaf = np.concatenate([tree.children_left < 0 for tree in trees])
    first = np.repeat(start, [tree.node_count for tree in trees])
    children = {
        side: np.where(
            is_leaf, -1, np.concatenate([getattr(t, f"children_{side}") for t in trees]) + first
        ).astype(np.int32)
        for side in ("left", "right")
    }
    weight = np.concatenate([tree.weighted_n_node_samples for tree in trees])
    share = np.ones(len(is_leaf))
    for side in children.values():
        share[side[~is_leaf]] = weight[side[~is_leaf]] / weight[~is_leaf]
    leaves = np.concatenate([_leaf_values(tree.value, is_forest) for tree in trees])
    if is_forest:
        value = (leaves - own.chance) * _slope(own.chance) / len(trees)
        base = _start(own.chance)
    else:
        value, base = leaves * last.learning_rate, _read_base(last)
    return TreeArrays(
        root=start,
        feature=np.where(is_leaf, -1, np.concatenate([t.feature for t in trees])).astype(np.int32),
        cut=np.where(is_leaf, 0.0, np.concatenate([t.threshold for t in trees])),
        missing_left=np.concatenate([t.missing_go_to_left for t in trees]).astype(np.bool_)
        & ~is_leaf,
        **children,
        share=share,
        value=np.where(is_leaf, value, 0.0),
        base=np.array([base], np.float64),
    )


def _leaf_values(value: Any, is_forest: bool) -> Floats:
    """Return each node's value, or its share of ones where the tree is of a forest."""
    flat = value[:, 0, :]
    return np.asarray(flat[:, 1] / flat.sum(axis=1) if is_forest else flat[:, 0], np.float64)


def _read_base(last: GradientBoostingClassifier) -> float:
    """Return the margin from which a boosting starts, by what a row gets beyond its trees."""
    row = np.zeros((1, last.n_features_in_), np.float32)
    added = sum(tree.predict(row)[0] for tree in np.ravel(last.estimators_))
    return float(last.decision_function(row)[0] - last.learning_rate * added)


def _impute(trees: TreeArrays, fill: Floats | None) -> TreeArrays:
    """Send missing values the way that the imputed value goes."""
    if fill is None:
        return trees
    is_split = trees.feature >= 0
    filled = fill.astype(np.float32)[np.where(is_split, trees.feature, 0)]
    columns = trees.as_arrays() | {"missing_left": is_split & (filled <= trees.cut)}
    return TreeArrays.from_arrays(columns)


def _as_linear(estimator: Any, center: Floats) -> Linear:
    """Return imputation, scaling and a linear model as one weighted sum of features."""
    width = len(center)
    slope, shift = np.ones(width), np.zeros(width)
    fill = np.zeros(width)
    for step in _list_steps(estimator)[:-1]:
        if isinstance(step, SimpleImputer):  # it sees what earlier scalers made of a feature
            fill = (np.asarray(step.statistics_, np.float64) - shift) / slope
        else:
            times, plus = _read_scaling(step, width)
            slope, shift = slope * times, shift * times + plus
    last = _last_step(estimator)
    weight = np.ravel(last.coef_) * slope
    base = float(np.ravel(last.intercept_)[0] + np.ravel(last.coef_) @ shift + weight @ center)
    held = np.full(width, _WIDEST)
    return Linear(-held, held, fill, center, weight, base, is_folded=False)


def _read_scaling(step: Any, width: int) -> tuple[Floats, Floats]:
    """Return factor and summand by which a fitted scaler changes each feature."""
    if isinstance(step, MinMaxScaler):
        return step.scale_, step.min_
    scale = getattr(step, "scale_", None)
    times = np.ones(width) if scale is None else 1.0 / scale
    name = "center_" if isinstance(step, RobustScaler) else "mean_"
    center = getattr(step, name, None)
    return times, np.zeros(width) if center is None else -center * times
