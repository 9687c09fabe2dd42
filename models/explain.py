"""What did each feature add to one row's log-odds? Exact Shapley values of the trees.

Assumes path-dependent TreeSHAP (Lundberg et al., 2020): a feature that is not given sends a row
down both sides of a split, by the share of training rows that went there. A leaf is then a box over
the few features on its path, and which of its conditions a row satisfies is a bit mask: the
contributions for every mask are worked out once, when the bundle is loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import factorial
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DEEPEST = 6
"""Tables double with every feature on a path."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The leaves of one ensemble as boxes; conditions of a leaf lie side by side.

    Attributes
    ----------
    size : int32 array of shape (leaves,)
        Conditions of each leaf.
    value : float64 array of shape (leaves,)
        What the leaf adds to the log-odds.
    feature : int32 array of shape (conditions,)
    low, high : float64 arrays of shape (conditions,)
        The condition holds where low < x <= high.
    takes_missing : bool array of shape (conditions,)
        Whether it holds where x is unknown.
    ratio : float64 array of shape (conditions,)
        Share of training rows that go the leaf's way at the splits of this feature.
    base : float64 array of shape (1,)
        Log-odds that every row starts from.
    """

    size: NDArray[np.int32]
    value: Floats
    feature: NDArray[np.int32]
    low: Floats
    high: Floats
    takes_missing: NDArray[np.bool_]
    ratio: Floats
    base: Floats

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, as a bundle keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Read what :meth:`as_arrays` gave; the names must be these and no others."""
        return cls(**{name: np.asarray(array) for name, array in arrays.items()})


def paths(nodes: list[NDArray[Any]], baseline: float) -> Paths:
    """Turn the node tables of scikit-learn's histogram gradient boosting into boxes.

    Parameters
    ----------
    nodes : list of structured arrays
        ``predictor.nodes`` of each tree of a binary classifier, numeric splits only.
    baseline : float
        The ensemble's initial log-odds.

    Raises
    ------
    ValueError
        If a path holds more than ``DEEPEST`` features.
    """
    leaves = [leaf for tree in nodes for leaf in _leaves(tree)]
    boxes = [(feature, *box) for _, path in leaves for feature, box in path.items()]
    size = np.array([len(path) for _, path in leaves], np.int32)
    if size.max(initial=0) > DEEPEST:
        raise ValueError(f"a path holds more than {DEEPEST} features")
    return Paths(
        size=size,
        value=np.array([value for value, _ in leaves], np.float64),
        feature=np.array([box[0] for box in boxes], np.int32),
        low=np.array([box[1] for box in boxes], np.float64),
        high=np.array([box[2] for box in boxes], np.float64),
        takes_missing=np.array([box[3] for box in boxes], np.bool_),
        ratio=np.array([box[4] for box in boxes], np.float64),
        base=np.array([baseline], np.float64),
    )


Box = tuple[float, float, bool, float]


def _leaves(nodes: NDArray[Any]) -> Iterator[tuple[float, dict[int, Box]]]:
    """Yield each leaf's value and, by feature, its box: low, high, takes missing, ratio."""
    stack: list[tuple[int, dict[int, Box]]] = [(0, {})]
    while stack:
        index, path = stack.pop()
        node = nodes[index]
        if node["is_leaf"]:
            yield float(node["value"]), path
            continue
        if node["is_categorical"]:
            raise ValueError("only numeric splits can be explained")
        feature, cut = int(node["feature_idx"]), float(node["num_threshold"])
        for side in ("left", "right"):
            low, high, missing, ratio = path.get(feature, (-np.inf, np.inf, True, 1.0))
            child, is_left = int(node[side]), side == "left"
            box = (
                low if is_left else max(low, cut),
                min(high, cut) if is_left else high,
                missing and bool(node["missing_go_to_left"]) == is_left,
                ratio * float(nodes[child]["count"]) / float(node["count"]),
            )
            stack.append((child, {**path, feature: box}))


class TreeShap:
    """Exact contributions of one ensemble, one row at a time."""

    def __init__(self, leaves: Paths, width: int) -> None:
        """Build the tables; ``width`` is the number of features of a row."""
        self.width = width
        self._size = leaves.size
        self._feature = leaves.feature
        self._missing = leaves.takes_missing
        # Cut points of a feature side by side, and conditions as ranks among them: a row's value
        # is then searched once a feature, not compared once a condition.
        cuts = [_cuts(leaves, feature) for feature in range(width)]
        self._cut = np.concatenate([*cuts, np.empty(0)])
        self._cut_start = np.concatenate(([0], np.cumsum([len(cut) for cut in cuts])))
        self._low = _ranks(leaves.low, leaves.feature, cuts) + 1
        self._high = _ranks(leaves.high, leaves.feature, cuts)
        self._low[np.isneginf(leaves.low)] = 0
        cells = leaves.size.astype(np.int64) * (1 << leaves.size.astype(np.int64))
        self._offset = np.concatenate(([0], np.cumsum(cells)))[:-1]
        start = np.concatenate(([0], np.cumsum(leaves.size)))[:-1]
        self._table = np.empty(int(cells.sum()))
        _fill(self._table, start, leaves.size, leaves.value, leaves.ratio, _weights())
        reach = [
            np.prod(leaves.ratio[at : at + size])
            for at, size in zip(start, leaves.size, strict=True)
        ]
        self.base = float(leaves.base[0] + np.array(reach) @ leaves.value)
        """Mean log-odds; base plus all contributions is the margin."""

    def __call__(self, row: NDArray[np.float32]) -> Floats:
        """Return one contribution a feature, in log-odds, for a row of shape (width,)."""
        added = np.zeros(self.width)
        _explain(
            row.astype(np.float64),
            added,
            self._cut,
            self._cut_start,
            self._size,
            self._offset,
            self._feature,
            self._low,
            self._high,
            self._missing,
            self._table,
        )
        return added


def _cuts(leaves: Paths, feature: int) -> Floats:
    """Return the finite cut points of one feature, ascending."""
    here = leaves.feature == feature
    ends = np.concatenate((leaves.low[here], leaves.high[here]))
    return np.unique(ends[np.isfinite(ends)])


def _ranks(ends: Floats, feature: NDArray[np.int32], cuts: list[Floats]) -> NDArray[np.int32]:
    """Return how many cut points of its feature lie below each end."""
    ranks = np.zeros(len(ends), np.int32)
    for column, cut in enumerate(cuts):
        here = feature == column
        ranks[here] = np.searchsorted(cut, ends[here])
    return ranks


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
    start: NDArray[np.int64],
    size: NDArray[np.int32],
    value: Floats,
    ratio: Floats,
    weight: Floats,
) -> None:
    """Work out each condition's contribution, for each leaf and each mask of conditions held."""
    at = 0
    for leaf in range(len(size)):
        m, s = size[leaf], start[leaf]
        for mask in range(1 << m):
            for i in range(m):
                # products[k] sums, over the sets of k other features given, what reaches the leaf.
                products = np.zeros(m)
                products[0] = 1.0
                others = 0
                for j in range(m):
                    if j == i:
                        continue
                    held = float((mask >> j) & 1)
                    for k in range(others, -1, -1):
                        here = products[k]
                        products[k] = here * ratio[s + j]
                        products[k + 1] += here * held
                    others += 1
                total = 0.0
                for k in range(m):
                    total += weight[m, k] * products[k]
                table[at] = total * (float((mask >> i) & 1) - ratio[s + i]) * value[leaf]
                at += 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _explain(
    row: Floats,
    added: Floats,
    cut: Floats,
    cut_start: NDArray[np.int64],
    size: NDArray[np.int32],
    offset: NDArray[np.int64],
    feature: NDArray[np.int32],
    low: NDArray[np.int32],
    high: NDArray[np.int32],
    missing: NDArray[np.bool_],
    table: Floats,
) -> None:
    """Add up the table entries of the masks that a row satisfies."""
    rank = np.empty(len(row), np.int32)
    for f in range(len(row)):
        inside = cut[cut_start[f] : cut_start[f + 1]]
        rank[f] = -1 if np.isnan(row[f]) else np.searchsorted(inside, row[f])
    at = 0
    for leaf in range(len(size)):
        m = size[leaf]
        mask = 0
        for j in range(m):
            r = rank[feature[at + j]]
            holds = ((low[at + j] <= r) & (r <= high[at + j])) | (missing[at + j] & (r < 0))
            mask |= holds << j
        cell = offset[leaf] + mask * m
        for j in range(m):
            added[feature[at + j]] += table[cell + j]
        at += m
