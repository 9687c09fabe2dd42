"""Exact Shapley values of a tree ensemble for one row's log-odds.

Assumes path-dependent TreeSHAP (Lundberg et al., 2020): a feature that is not given sends a row
down both sides of a split, by the share of training rows that went there. What a leaf adds then
depends on nothing but which way a row goes at the splits of its path, and leaves that share most
splits can be looked up together: a tree falls into few groups, and for every way through a group's
splits its contributions are worked out once, when the bundle is loaded.

A group is a subtree with the path that leads to it. Which way a row goes at each of these splits is
one bit of a number, and that number finds the contributions of all its leaves.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import factorial
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.array_types import Floats, Mask, Rows
from models.data.dataset import Target
from models.explanation.contributions import Contributions, Part, UsualValues
from models.scoring import DEEPEST, Head, Linear, TreeArrays

Ints = NDArray[np.int32]

TOGETHER = 6
"""Most splits of a group: a table has two to this power rows, and must stay in the cache."""


class LeafGroups(NamedTuple):
    """Groups of leaves side by side; what belongs to group g lies from ``..._of[g]`` to the next.

    Attributes
    ----------
    splits_of, features_of : int32 arrays of shape (groups + 1,)
    split : int32 array
        The splits of each group, as numbers among all splits; the first is bit 0 of its number.
    feature : int32 array
        The different features that each group's splits ask about.
    cells : int64 array of shape (groups,)
        Size of each group's table.
    leaf_group : int32 array of shape (leaves,)
    leaf_start : int32 array of shape (leaves + 1,)
        Where the conditions of each leaf begin, one condition a feature of its path.
    leaf_value : float64 array of shape (leaves,)
    slot : int32 array of shape (conditions,)
        Which of its group's features a condition is about.
    asked, answer : int32 arrays of shape (conditions,)
        The condition holds where the group's number has these bits on and off.
    ratio : float64 array of shape (conditions,)
        Share of training rows that go the leaf's way at the splits of this feature.
    """

    splits_of: Ints
    features_of: Ints
    split: Ints
    feature: Ints
    cells: NDArray[np.int64]
    leaf_group: Ints
    leaf_start: Ints
    leaf_value: Floats
    slot: Ints
    asked: Ints
    answer: Ints
    ratio: Floats


Step = tuple[int, bool]
"""A split, and whether the way goes left there."""


def group_leaves(trees: TreeArrays) -> LeafGroups:
    """Put the leaves of an ensemble into groups, tree after tree."""
    is_split = trees.feature >= 0
    number = np.cumsum(is_split) - 1
    splits: list[list[int]] = []
    features: list[list[int]] = []
    leaf_group: list[int] = []
    leaf_value: list[float] = []
    conditions: list[list[tuple[int, int, int, float]]] = []
    for root in trees.root.tolist():
        for top, path in _tops(trees, root, []):
            leaves = list(_leaves(trees, top, path))
            asked = sorted({node for _, steps in leaves for node, _ in steps})
            about = sorted({int(trees.feature[node]) for node in asked})
            leaf_group += [len(splits)] * len(leaves)
            leaf_value += [float(trees.value[leaf]) for leaf, _ in leaves]
            conditions += [_conditions(trees, steps, asked, about) for _, steps in leaves]
            splits.append([int(number[node]) for node in asked])
            features.append(about)
    flat = [one for leaf in conditions for one in leaf]
    slot, bits, wanted, ratio = zip(*flat, strict=True) if flat else ((), (), (), ())
    return LeafGroups(
        splits_of=_starts(splits),
        features_of=_starts(features),
        split=np.array([one for group in splits for one in group], np.int32),
        feature=np.array([one for group in features for one in group], np.int32),
        cells=np.array(
            [len(about) << len(asked) for asked, about in zip(splits, features, strict=True)],
            np.int64,
        ),
        leaf_group=np.array(leaf_group, np.int32),
        leaf_start=_starts(conditions),
        leaf_value=np.array(leaf_value, np.float64),
        slot=np.array(slot, np.int32),
        asked=np.array(bits, np.int32),
        answer=np.array(wanted, np.int32),
        ratio=np.array(ratio, np.float64),
    )


def _starts(lists: list[list[int]] | list[list[tuple[int, int, int, float]]]) -> Ints:
    return np.concatenate(([0], np.cumsum([len(one) for one in lists]))).astype(np.int32)


def _tops(trees: TreeArrays, node: int, path: list[Step]) -> Iterator[tuple[int, list[Step]]]:
    """Yield the largest subtrees that make a group each, with the path to each."""
    if len(path) + _size(trees, node) <= TOGETHER:
        yield node, path
        return
    yield from _tops(trees, int(trees.left[node]), [*path, (node, True)])
    yield from _tops(trees, int(trees.right[node]), [*path, (node, False)])


def _size(trees: TreeArrays, node: int) -> int:
    """Return how many splits a subtree has."""
    if trees.feature[node] < 0:
        return 0
    return 1 + _size(trees, int(trees.left[node])) + _size(trees, int(trees.right[node]))


def _leaves(trees: TreeArrays, node: int, path: list[Step]) -> Iterator[tuple[int, list[Step]]]:
    """Yield the leaves of a subtree, with the path to each."""
    if trees.feature[node] < 0:
        yield node, path
        return
    yield from _leaves(trees, int(trees.left[node]), [*path, (node, True)])
    yield from _leaves(trees, int(trees.right[node]), [*path, (node, False)])


def _conditions(
    trees: TreeArrays, steps: list[Step], asked: list[int], about: list[int]
) -> list[tuple[int, int, int, float]]:
    """Return a leaf's conditions: its slot, the bits asked, those wanted on, and the share."""
    found: dict[int, tuple[int, int, float]] = {}
    for node, is_left in steps:
        feature, bit = int(trees.feature[node]), 1 << asked.index(node)
        child = trees.left[node] if is_left else trees.right[node]
        bits, wanted, ratio = found.get(feature, (0, 0, 1.0))
        share = ratio * float(trees.share[child])
        found[feature] = (bits | bit, wanted | (bit if is_left else 0), share)
    return [(about.index(feature), *one) for feature, one in found.items()]


class Splits(NamedTuple):
    """The n splits of an ensemble: arrays of shape (n,), as :class:`TreeArrays` has its nodes."""

    feature: Ints
    cut: Floats
    missing_left: Mask


def make_contributions(
    names: Sequence[str],
    *,
    heads: Mapping[Target, Head],
    trees: Mapping[str, TreeArrays],
    lines: Mapping[str, Linear],
    norms: Mapping[str, tuple[float, ...]],
) -> Contributions:
    """Return what explains rows by a bundle, or by a model as its bundle will."""
    parts: dict[str, Part] = {name: TreeShap(grown, len(names)) for name, grown in trees.items()}
    return Contributions(names, heads=heads, parts=parts | dict(lines), norms=UsualValues(norms))


class TreeShap:
    """Exact contributions of one ensemble."""

    def __init__(self, trees: TreeArrays, width: int) -> None:
        """Build the tables; ``width`` is the number of features of a row."""
        self.width = width
        split = np.flatnonzero(trees.feature >= 0)
        self._splits = Splits(trees.feature[split], trees.cut[split], trees.missing_left[split])
        self._groups = groups = group_leaves(trees)
        self._table = np.zeros(int(groups.cells.sum()))
        self._offset = np.concatenate(([0], np.cumsum(groups.cells)))[:-1]
        _fill(self._table, self._offset, groups, _weights())
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
        _explain(values, added, self._splits, self._groups, self._offset, self._table)
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
def _fill(table: Floats, offset: NDArray[np.int64], groups: LeafGroups, weight: Floats) -> None:
    """Work out what each leaf adds, for every way through its group's splits."""
    splits_of, features_of, leaf_start = groups.splits_of, groups.features_of, groups.leaf_start
    slot, asked, answer, ratio = groups.slot, groups.asked, groups.answer, groups.ratio
    products = np.zeros(weight.shape[0] + 1)
    for leaf in range(len(groups.leaf_group)):
        group, s = groups.leaf_group[leaf], leaf_start[leaf]
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
                table[cell + slot[i]] += total * (held - ratio[i]) * groups.leaf_value[leaf]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _explain(
    values: Rows,
    added: Floats,
    splits: Splits,
    groups: LeafGroups,
    offset: NDArray[np.int64],
    table: Floats,
) -> None:
    """Add up the table's entries for the ways that rows go."""
    feature, cut, missing_left = splits.feature, splits.cut, splits.missing_left
    splits_of, features_of = groups.splits_of, groups.features_of
    left = np.empty(len(feature), np.uint8)
    for row in range(len(values)):
        for node in range(len(feature)):
            x = np.float64(values[row, feature[node]])
            left[node] = (x <= cut[node]) | ((x != x) & missing_left[node])
        for group in range(len(offset)):
            start = splits_of[group]
            mask = 0
            for j in range(start, splits_of[group + 1]):
                mask |= np.int64(left[groups.split[j]]) << (j - start)
            first, last = features_of[group], features_of[group + 1]
            cell = offset[group] + mask * (last - first) - first
            for j in range(first, last):
                added[row, groups.feature[j]] += table[cell + j]
