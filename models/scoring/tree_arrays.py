"""What are an ensemble's trees, as plain arrays? Splits, cuts, and how training rows parted there.

Assumes binary trees of numeric splits, as scikit-learn's histogram gradient boosting makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DEEPEST = 6
"""A table of contributions doubles with every split of a path."""


@dataclass(frozen=True, slots=True)
class TreeArrays:
    """One ensemble of numeric splits, all its nodes in one row.

    Attributes
    ----------
    root : int32 array of shape (trees,)
    feature : int32 array of shape (nodes,)
        What a node splits on; -1 at a leaf.
    cut : float64 array of shape (nodes,)
        A row goes left where x <= cut.
    missing_left : bool array of shape (nodes,)
        Whether it goes left where x is unknown.
    left, right : int32 arrays of shape (nodes,)
        The node's children; -1 at a leaf.
    share : float64 array of shape (nodes,)
        Share of the parent's training rows that came to this node; 1 at a root.
    value : float64 array of shape (nodes,)
        What a leaf adds to the log-odds; 0 at a split.
    base : float64 array of shape (1,)
        Log-odds that every row starts from.
    """

    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    cut: Floats
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    share: Floats
    value: Floats
    base: Floats

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, as a bundle keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what :meth:`as_arrays` gave; the names must be these and no others."""
        return cls(**{name: np.asarray(array) for name, array in arrays.items()})


def paths(nodes: list[NDArray[Any]], baseline: float) -> TreeArrays:
    """Take over the node tables of scikit-learn's histogram gradient boosting.

    Parameters
    ----------
    nodes : list of structured arrays
        ``predictor.nodes`` of each tree of a binary classifier, numeric splits only.
    baseline : float
        The ensemble's initial log-odds.

    Raises
    ------
    ValueError
        If a split is categorical, or a tree deeper than ``DEEPEST``.
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
