"""Tree ensemble as arrays, and its margins for many rows at once, one level of all trees a step.

Assumes binary trees of numeric splits, a few levels deep. Plain numpy: each step is a handful of
operations over rows times trees, so a batch of arrivals costs little more than one; nothing has to
be compiled or loaded before a service can answer. :mod:`models.learning.scikit_trees` makes the
arrays from a fitted ensemble.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.array_types import Floats, Mask, Rows

_ROWS = 1024
"""Rows that walk together: bounds the memory of a long table."""


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
    missing_left: Mask
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    share: Floats
    value: Floats
    base: Floats

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, with the shapes above, as a bundle keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read arrays of the shapes above; the names must be these and no others."""
        return cls(**{name: np.asarray(array) for name, array in arrays.items()})


class TreeEnsemble:
    """The margin of one ensemble."""

    def __init__(self, trees: TreeArrays) -> None:
        """Take over an ensemble; a leaf leads to itself, so that every row takes every step."""
        is_leaf = trees.feature < 0
        here = np.arange(len(is_leaf))
        self._root = trees.root.astype(np.intp)
        self._feature = np.where(is_leaf, 0, trees.feature).astype(np.intp)
        self._cut = np.where(is_leaf, np.inf, trees.cut)
        self._missing_right = ~trees.missing_left
        children = [np.where(is_leaf, here, side) for side in (trees.left, trees.right)]
        self._child = np.stack(children, axis=1).astype(np.intp).ravel()
        self._value = trees.value
        self._base = float(trees.base[0])
        self._steps = self._depth(is_leaf)

    def __call__(self, values: Rows) -> Floats:
        """Return log-odds (float64, shape (n,)) of float32 rows of shape (n, f); NaN is unknown."""
        parts = [self._walk(values[at : at + _ROWS]) for at in range(0, len(values), _ROWS)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _walk(self, values: Rows) -> Floats:
        rows, width = values.shape
        flat = np.ascontiguousarray(values).ravel()
        start = np.arange(rows)[:, None] * width
        at = np.broadcast_to(self._root, (rows, len(self._root)))
        for _ in range(self._steps):
            seen = flat.take(self._feature.take(at) + start)
            right = seen > self._cut.take(at)
            right |= np.isnan(seen) & self._missing_right.take(at)
            at = self._child.take(2 * at + right)
        margin: Floats = self._base + self._value.take(at).sum(axis=1)
        return margin

    def _depth(self, is_leaf: Mask) -> int:
        """Return how many steps lead every row to a leaf; raises ``ValueError`` for a circle."""
        at, steps = self._root, 0
        while not is_leaf[at].all():
            reached = np.zeros(len(is_leaf), np.bool_)
            reached[self._child[2 * at]] = reached[self._child[2 * at + 1]] = True
            at, steps = reached.nonzero()[0], steps + 1
            if steps > len(is_leaf):
                raise ValueError("a tree that does not end")
        return steps
