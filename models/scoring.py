"""Evaluation of fitted models, in numpy alone: lines, trees, and the way from margins to risk.

Training and serving share all of it, and nothing here needs a training library.

Lines assume that counts, masses and days matter by their order of magnitude: a feature enters as
``sign(x) log(1 + |x|)``, held within what training rows showed, so that no single number far out
can decide.

Tree ensembles are arrays of binary trees with numeric splits, a few levels deep, evaluated for many
rows at once, one level of all trees a step. :mod:`models.learning.scikit_trees` makes the arrays
from a fitted ensemble.

A fingerprint (goods, countries, tax and mass together) that was inspected before tells most about
its next declaration, and trees that learn from all rows lean on that. If a fingerprint is new, they
know less than trees that were taught by first declarations alone and never look at fingerprints.
Both speak then, in fixed shares (docs/trials.md says why they are not chosen on later rows).

More margin never means less risk: every map here is strictly increasing, so ranking by probability
is ranking by margin and ties stay ties.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.ports import Scores
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Mask, Positions, Rows
from models.data.dataset import Target

_COLUMNS = ("low", "high", "fill", "center", "weight")


def fold_values(values: Rows) -> Floats:
    """Return ``sign(x) log(1 + |x|)`` of values of any shape, as float64; unknown stays NaN.

    >>> fold_values(np.array([0.0, 1.0, -3.0], np.float32)).round(3).tolist()
    [0.0, 0.693, -1.386]
    """
    folded = np.abs(values, dtype=np.float64)
    np.log1p(folded, out=folded)
    return np.copysign(folded, values, out=folded)


@dataclass(frozen=True, slots=True)
class Linear:
    """Log-odds as a weighted sum over f features.

    Attributes
    ----------
    low, high : float64 arrays of shape (f,)
        A folded feature is held between them.
    fill : float64 array of shape (f,)
        Stands for a folded feature that is unknown.
    center : float64 array of shape (f,)
        Mean over the training rows: where a feature adds nothing.
    weight : float64 array of shape (f,)
        Log-odds for each unit of a folded feature.
    base : float
        Log-odds of the mean training row.
    is_folded : bool
        Whether features enter by their order of magnitude; an estimator of an analyst's own takes
        them as they are.
    """

    low: Floats
    high: Floats
    fill: Floats
    center: Floats
    weight: Floats
    base: float
    is_folded: bool = True

    def __call__(self, row: Rows, folded: Floats | None = None) -> Floats:
        """Return what each feature adds to the log-odds of a row, or of many: shape (..., f).

        ``folded`` are its values folded, where they are known already.
        """
        if not self.is_folded:
            seen = row.astype(np.float64)
        else:
            seen = fold_values(row) if folded is None else folded
        held = np.clip(seen, self.low, self.high)
        known = np.where(np.isnan(held), self.fill, held)
        return np.asarray(self.weight * (known - self.center), np.float64)

    def margin(self, values: Rows, folded: Floats | None = None) -> Floats:
        """Return the log-odds of rows of shape (n, f), with their values folded as in a call."""
        return np.asarray(self.base + self(values, folded).sum(axis=1), np.float64)

    def widen(self, columns: Positions, *, width: int) -> Self:
        """Return the part for rows of ``width`` features; its own ``columns`` have shape (n,)."""
        own = self.as_dict()
        for name in _COLUMNS:
            wide = np.zeros(width)
            wide[columns] = own[name]
            own[name] = wide
        return self.from_dict(own)

    def as_dict(self) -> dict[str, Any]:
        """Return the part as JSON keeps it."""
        columns = {name: getattr(self, name).tolist() for name in _COLUMNS}
        return columns | {"base": self.base, "is_folded": self.is_folded}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        columns = {name: np.array(kept[name], np.float64) for name in _COLUMNS}
        if len({len(column) for column in columns.values()}) != 1:
            raise ValueError("a linear part needs one number a feature in each of its columns")
        return cls(**columns, base=float(kept["base"]), is_folded=bool(kept["is_folded"]))


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


SEEN_BY = "terms_mass_inspections"
"""The feature that counts inspections of a fingerprint."""


def column_of(names: Sequence[str]) -> int | None:
    """Return where the count of a fingerprint's inspections is; None where it is not read."""
    return names.index(SEEN_BY) if SEEN_BY in names else None


def fingerprints(names: Sequence[str]) -> Positions:
    """Return the columns, shape (k,), that describe a row's fingerprint or similar ones."""
    tells = (name in CATALOGUE and CATALOGUE[name].family == "fingerprints" for name in names)
    return np.flatnonzero(np.fromiter(tells, np.bool_, len(names)))


def unseen(values: Rows, column: int | None) -> Floats:
    """Return 1 for rows of shape (n, f) whose fingerprint was never inspected, else 0."""
    if column is None:
        return np.zeros(len(values))
    return np.asarray(~(values[:, column] > 0), np.float64)


FARTHEST = 16.0
"""Calibrated log-odds never leave +-16 (a chance of 1e-7): no sample here can tell more."""


@dataclass(frozen=True, slots=True)
class Knots:
    """A strictly increasing piecewise-linear map, straight on beyond its outer knots."""

    margin: tuple[float, ...]
    log_odds: tuple[float, ...]
    _lines: tuple[Floats, Floats, Floats] = field(init=False, repr=False, compare=False)
    """The same as arrays, and the slopes between."""

    def __post_init__(self) -> None:
        """Refuse a map that could reverse or merge two margins."""
        rising = all(
            all(low < high for low, high in pairwise(values))
            for values in (self.margin, self.log_odds)
        )
        if len(self.margin) < 2 or len(self.margin) != len(self.log_odds) or not rising:
            raise ValueError("knots must be at least two, and strictly increasing on both axes")
        x, y = np.array(self.margin), np.array(self.log_odds)
        object.__setattr__(self, "_lines", (x, y, np.diff(y) / np.diff(x)))

    def __call__(self, margin: ArrayLike) -> Floats:
        """Return calibrated log-odds of margins of any shape."""
        x, y, slopes = self._lines
        asked = np.asarray(margin, np.float64)
        segment = np.clip(np.searchsorted(x, asked, side="right") - 1, 0, len(slopes) - 1)
        mapped = y[segment] + slopes[segment] * (asked - x[segment])
        return np.asarray(np.clip(mapped, -FARTHEST, FARTHEST), np.float64)

    def at(self, margin: float) -> float:
        """Return the calibrated log-odds of one margin: the same bits, a tenth of the time."""
        x, y = self.margin, self.log_odds
        segment = min(max(bisect_right(x, margin) - 1, 0), len(x) - 2)
        slope = (y[segment + 1] - y[segment]) / (x[segment + 1] - x[segment])
        return min(max(y[segment] + slope * (margin - x[segment]), -FARTHEST), FARTHEST)

    def shift(self, shift: float) -> Self:
        """Return the same map, all of it higher by so many log-odds."""
        return replace(self, log_odds=tuple(level + shift for level in self.log_odds))


UNCALIBRATED = Knots((-1.0, 1.0), (-1.0, 1.0))
"""Leaves margins as they are, within ``FARTHEST``."""


def probability(log_odds: ArrayLike) -> Floats:
    """Return probabilities in (0, 1) of log-odds of any shape.

    >>> probability([0.0, np.log(3.0)]).round(2).tolist()
    [0.5, 0.75]
    """
    # np.exp of -log_odds would overflow far below; the knots' bound makes that impossible.
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64))), np.float64)


def line_of(target: Target) -> str:
    """Return the name of a target's linear part; its trees bear the target's own name."""
    return f"{target}_line"


PRECEDENTS = "seizure_precedents"
"""Name of the part that says what earlier finds alone say of a seizure."""

UNSEEN_TREES = "discrepancy_unseen"
"""Name of discrepancy's trees for fingerprints that were never inspected."""

UNSEEN = "(unseen)"
"""Next to the parts' margins: 1 where a row's fingerprint was never inspected, else 0."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far a target's stated chances may be off, by what set their level and their slope.

    Random checks set the level, later finds the slope. Of both, the errors are counted in log-odds,
    and so is ``SHAPE``: what no straight line tells.
    """

    random_finds: int
    """Finds of the random checks behind the level."""
    center: float
    """Log-odds at which the level is known best."""
    level: float
    """Standard error of the level there."""
    slope: float
    """Standard error of the slope, which is 1 as stated."""

    @property
    def has_level(self) -> bool:
        """Tell whether a chance may be stated at all; where not, only the order is known."""
        return self.random_finds >= FEWEST_RANDOM_FINDS

    def bounds(self, log_odds: ArrayLike) -> Floats | None:
        """Return the 95 % intervals of stated chances; None below the fewest finds.

        ``log_odds`` have any shape, and the intervals one more axis, of low and high.

        >>> doubt = Doubt(random_finds=12, center=-5.0, level=0.3, slope=0.1)
        >>> doubt.bounds(np.log(1 / 239)).round(4).tolist()
        [0.0017, 0.0103]
        """
        if not self.has_level:
            return None
        stated = np.asarray(log_odds, np.float64)
        line = np.hypot(self.level, self.slope * (stated - self.center))
        error = NORMAL_95 * np.hypot(line, SHAPE)
        return probability(np.stack([stated - error, stated + error], axis=-1))


FEWEST_RANDOM_FINDS = 5
"""Below so many finds of random checks a chance has an order and no number."""
SHAPE = 0.35
"""Log-odds by which chances like each other stray from the line, however well that is known."""
NORMAL_95 = 1.96

Blend = tuple[tuple[str, float], ...]
"""Parts and their weights, which are positive and sum to 1."""


@dataclass(frozen=True, slots=True)
class Head:
    """One target: a blend of the parts' margins, then its calibration."""

    blend: Blend
    knots: Knots
    unseen: "Head | None" = None
    """What holds where a fingerprint was never inspected; the same as elsewhere when None."""
    doubt: Doubt | None = None
    """Of the stated chances; None where no random check set their level."""

    def margin(self, margins: Mapping[str, Floats]) -> Floats:
        """Return this head's own blend of log-odds, of the shape of the margins."""
        first, *others = (weight * margins[name] for name, weight in self.blend)
        return sum(others, start=first)

    def log_odds(self, margins: Mapping[str, Floats]) -> Floats:
        """Return calibrated log-odds, shape (n,), each row by the head that holds for it."""
        everywhere = self.knots(self.margin(margins))
        if self.unseen is None:
            return everywhere
        return np.where(margins[UNSEEN] > 0, self.unseen.log_odds(margins), everywhere)

    def between(self, log_odds: ArrayLike) -> Floats | None:
        """Return the 95 % intervals of chances, as :meth:`Doubt.bounds` has them.

        None where no random check set their level, or too few: only their order is known then.
        """
        return None if self.doubt is None else self.doubt.bounds(log_odds)

    def where(self, *, unseen: bool) -> "Head":
        """Return the head that holds for rows of one kind, alone."""
        return self.unseen if unseen and self.unseen else replace(self, unseen=None)

    def parts(self) -> set[str]:
        """Return the names of all parts that are blended anywhere."""
        own = {name for name, _ in self.blend}
        return own | (self.unseen.parts() if self.unseen else set())

    def as_dict(self) -> dict[str, Any]:
        """Return the head as JSON keeps it."""
        knots = {"margin": self.knots.margin, "log_odds": self.knots.log_odds}
        kept = {"blend": dict(self.blend), "knots": knots}
        kept |= {"unseen": self.unseen.as_dict()} if self.unseen else {}
        return kept | ({"doubt": asdict(self.doubt)} if self.doubt else {})

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        knots = Knots(tuple(kept["knots"]["margin"]), tuple(kept["knots"]["log_odds"]))
        blend = tuple((name, float(weight)) for name, weight in kept["blend"].items())
        unseen = cls.from_dict(kept["unseen"]) if "unseen" in kept else None
        return cls(blend, knots, unseen, Doubt(**kept["doubt"]) if "doubt" in kept else None)


def state_chances(heads: Mapping[Target, Head], margins: Mapping[str, Floats]) -> Scores:
    """Return what is stated of n rows by the margins of their parts, each of shape (n,)."""
    stated: dict[str, Any] = {}
    for target, head in heads.items():
        log_odds = head.log_odds(margins)
        stated[f"p_{target}"] = probability(log_odds)
        stated[f"{target}_between"] = head.between(log_odds)
    return Scores(**stated)
