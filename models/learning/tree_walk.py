"""Compiled walk of many rows through one ensemble, with scikit-learn's log-odds to the bit.

Assumes numeric splits. scikit-learn adds its trees to the baseline in their order, for each row;
so does this, in one call for all trees instead of one a tree. What serves adds them up in another
order (:mod:`models.scoring`), and its last bits differ.
"""

import numpy as np
from numpy.typing import NDArray

from features.offline.kernel import compile_kernel
from models.array_types import Floats, Mask, Rows
from models.scoring import TreeArrays

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
