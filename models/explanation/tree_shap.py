"""Exact Shapley values of a tree ensemble for one row's log-odds.

Assumes path-dependent TreeSHAP (Lundberg et al., 2020): a feature that is not given sends a row
down both sides of a split, by the share of training rows that went there. What a leaf adds then
depends on nothing but which way a row goes at the splits of its path, and leaves that share most
splits can be looked up together: a tree falls into few groups, and for every way through a group's
splits its contributions are worked out once, when the bundle is loaded.
"""

from collections.abc import Mapping, Sequence
from math import factorial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.array_types import Floats, Mask, Rows
from models.data.dataset import Target
from models.explanation.contributions import Contributions, Part
from models.explanation.leaf_groups import group_leaves
from models.explanation.usual_values import UsualValues
from models.scoring.linear import Linear
from models.scoring.risk import Head
from models.scoring.tree_arrays import DEEPEST, TreeArrays


def make_contributions(
    names: Sequence[str],
    *,
    heads: Mapping[Target, Head],
    trees: Mapping[str, TreeArrays],
    lines: Mapping[str, Linear],
    severity: float,
    norms: Mapping[str, tuple[float, ...]],
) -> Contributions:
    """Return what explains rows by a bundle, or by a model as its bundle will."""
    parts: dict[str, Part] = {name: TreeShap(grown, len(names)) for name, grown in trees.items()}
    return Contributions(
        names, heads=heads, parts=parts | dict(lines), severity=severity, norms=UsualValues(norms)
    )


class TreeShap:
    """Exact contributions of one ensemble."""

    def __init__(self, trees: TreeArrays, width: int) -> None:
        """Build the tables; ``width`` is the number of features of a row."""
        self.width = width
        split = np.flatnonzero(trees.feature >= 0)
        self._feature = trees.feature[split]
        self._cut = trees.cut[split]
        self._missing_left = trees.missing_left[split]
        self._groups = groups = group_leaves(trees)
        self._table = np.zeros(int(groups.cells.sum()))
        self._offset = np.concatenate(([0], np.cumsum(groups.cells)))[:-1]
        _fill(
            self._table,
            self._offset,
            groups.splits_of,
            groups.features_of,
            groups.leaf_group,
            groups.leaf_start,
            groups.leaf_value,
            groups.slot,
            groups.asked,
            groups.answer,
            groups.ratio,
            _weights(),
        )
        reach = np.multiply.reduceat(np.append(groups.ratio, 1.0), groups.leaf_start[:-1])
        reach[np.diff(groups.leaf_start) == 0] = 1.0  # a tree of one leaf asks nothing
        self.base = float(trees.base[0] + reach @ groups.leaf_value)
        """Mean log-odds; base plus all contributions is the margin."""

    def __call__(self, row: Rows) -> Floats:
        """Return one contribution a feature, in log-odds, for a row of shape (width,)."""
        added: Floats = self.rows(row.reshape(1, -1))[0]
        return added

    def rows(self, values: Rows) -> Floats:
        """Return the contributions of rows of shape (n, width), in that shape."""
        added = np.zeros((len(values), self.width))
        groups = self._groups
        _explain(
            values,
            added,
            self._feature,
            self._cut,
            self._missing_left,
            groups.splits_of,
            groups.split,
            groups.features_of,
            groups.feature,
            self._offset,
            self._table,
        )
        return added


def _weights() -> Floats:
    """Return Shapley's weights: [m, k] for a set of k others among m features."""
    top = DEEPEST + 1
    weight = np.zeros((top, top))
    for m in range(1, top):
        for k in range(m):
            weight[m, k] = factorial(k) * factorial(m - k - 1) / factorial(m)
    return weight


@njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(
    table: Floats,
    offset: NDArray[np.int64],
    splits_of: NDArray[np.int32],
    features_of: NDArray[np.int32],
    leaf_group: NDArray[np.int32],
    leaf_start: NDArray[np.int32],
    leaf_value: Floats,
    slot: NDArray[np.int32],
    asked: NDArray[np.int32],
    answer: NDArray[np.int32],
    ratio: Floats,
    weight: Floats,
) -> None:
    """Work out what each leaf adds, for every way through its group's splits."""
    products = np.zeros(weight.shape[0] + 1)
    for leaf in range(len(leaf_group)):
        group, s = leaf_group[leaf], leaf_start[leaf]
        m = leaf_start[leaf + 1] - s
        wide = features_of[group + 1] - features_of[group]
        for mask in range(1 << (splits_of[group + 1] - splits_of[group])):
            cell = offset[group] + mask * wide
            for i in range(s, s + m):
                # products[k] sums, over the sets of k other features given, what reaches the leaf.
                products[:] = 0.0
                products[0] = 1.0
                others = 0
                for j in range(s, s + m):
                    if j == i:
                        continue
                    held = 1.0 if (mask & asked[j]) == answer[j] else 0.0
                    for k in range(others, -1, -1):
                        here = products[k]
                        products[k] = here * ratio[j]
                        products[k + 1] += here * held
                    others += 1
                total = 0.0
                for k in range(m):
                    total += weight[m, k] * products[k]
                held = 1.0 if (mask & asked[i]) == answer[i] else 0.0
                table[cell + slot[i]] += total * (held - ratio[i]) * leaf_value[leaf]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _explain(
    values: Rows,
    added: Floats,
    feature: NDArray[np.int32],
    cut: Floats,
    missing_left: Mask,
    splits_of: NDArray[np.int32],
    split: NDArray[np.int32],
    features_of: NDArray[np.int32],
    group_feature: NDArray[np.int32],
    offset: NDArray[np.int64],
    table: Floats,
) -> None:
    """Add up the table's entries for the ways that rows go."""
    left = np.empty(len(feature), np.uint8)
    for row in range(len(values)):
        for node in range(len(feature)):
            x = np.float64(values[row, feature[node]])
            left[node] = (x <= cut[node]) | ((x != x) & missing_left[node])
        for group in range(len(offset)):
            start = splits_of[group]
            mask = 0
            for j in range(start, splits_of[group + 1]):
                mask |= np.int64(left[split[j]]) << (j - start)
            first, last = features_of[group], features_of[group + 1]
            cell = offset[group] + mask * (last - first) - first
            for j in range(first, last):
                added[row, group_feature[j]] += table[cell + j]
