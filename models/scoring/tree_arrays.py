"""Arrays of a tree ensemble: splits, cuts, and the share of training rows at each node.

Assumes binary trees of numeric splits. :mod:`models.learning.scikit_trees` makes them from a fitted
ensemble.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.array_types import Floats, Mask

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
