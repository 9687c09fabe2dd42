"""Groups of leaves that one lookup of a tree serves.

Assumes that a group is a subtree with the path that leads to it. Which way a row goes at each of
these splits is one bit of a number, and that number finds the contributions of all its leaves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.array_types import Floats
from models.scoring.tree_arrays import TreeArrays

Ints = NDArray[np.int32]

TOGETHER = 6
"""Most splits of a group: a table has two to this power rows, and must stay in the cache."""


@dataclass(frozen=True, slots=True)
class LeafGroups:
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
