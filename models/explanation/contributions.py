"""Contributions of each feature to the risk of an arrival, and the usual values there.

Assumes a bundle's heads: each target is a blend of parts in log-odds, then a calibration. Every
part says exactly what each feature added to it, so that with ``(base)`` and ``(calibration)`` the
contributions sum to the calibrated log-odds.

Usual values are medians of each feature among recent entries, by class and post. They assume that
most crossings are innocent: all entries are the norm, whether they were searched or not. Exits are
left out: an entry is what is decided, and many features ask of its direction. A flag's usual value
is the share of entries that have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol

import numpy as np

from engine.ports import Contribution
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Mask, Rows
from models.data.dataset import Dataset, Target
from models.scoring import Head, column_of, unseen

ALL = "*"
FEWEST_ROWS = 50
"""Below this many crossings a class at a post has no norm of its own."""
_COLUMNS = 16
"""Features that are looked at together."""
NORMAL_DAYS = 180
"""Histories begin with empty counters: what was usual then is not usual now."""


@dataclass(frozen=True, slots=True)
class UsualValues:
    """Usual values by class at a post, by class, and of all, as a bundle keeps them."""

    table: Mapping[str, tuple[float, ...]]

    def usual(self, *, vehicle_class: str, post: str) -> tuple[tuple[float, ...], str]:
        """Return the values of the narrowest group that has any, and that group.

        A group is ``class post``, ``class`` or ``*`` for all.
        """
        groups = (f"{vehicle_class} {post}", vehicle_class, ALL)
        group = next(group for group in groups if group in self.table)
        return self.table[group], group


def compute_usual_values(dataset: Dataset) -> dict[str, Floats]:
    """Return what is usual by group; NaN where a feature was never known.

    ``dataset`` has all that was known at a cut-off: entries of the last ``NORMAL_DAYS`` count, or
    all entries where those are too few; exits only where there is no entry.

    Returns
    -------
    mapping of group to float64 array of shape (f,)
        ``class post``, ``class`` and ``*``, in the order of the features.
    """
    recent = dataset.last_entries(NORMAL_DAYS)
    of = recent if len(recent) >= FEWEST_ROWS else dataset.take(dataset.entries)
    groups = _groups(of)
    flag = np.array(
        [name in CATALOGUE and CATALOGUE[name].unit == "flag" for name in dataset.names]
    )
    usual = {name: np.empty(len(flag)) for name in groups}
    for begin in range(0, len(flag), _COLUMNS):
        columns = slice(begin, begin + _COLUMNS)
        values = of.values[:, columns]
        for name, rows in groups.items():
            usual[name][columns] = _middles(values[rows], flag[columns])
    return usual


def _groups(of: Dataset) -> dict[str, Mask | slice]:
    """Return the rows of each group that is large enough to have a norm."""
    groups: dict[str, Mask | slice] = {ALL: slice(None)}
    classes, posts = of.vehicle_class.astype(str), of.post.astype(str)
    for name in np.unique(classes).tolist():
        here = classes == name
        if int(here.sum()) < FEWEST_ROWS:
            continue
        groups[name] = here
        for post in np.unique(posts[here]).tolist():
            there = here & (posts == post)
            if int(there.sum()) >= FEWEST_ROWS:
                groups[f"{name} {post}"] = there
    return groups


def _middles(values: Rows, flag: Mask) -> Floats:
    """Return medians, and means of flags; NaN where nothing is known."""
    usual = np.full(values.shape[1], np.nan)
    known = ~np.isnan(values).all(axis=0)
    for columns, middle in ((known & ~flag, np.nanmedian), (known & flag, np.nanmean)):
        usual[columns] = middle(values[:, columns].astype(np.float64), axis=0)
    return usual


BASE, CALIBRATION = "(base)", "(calibration)"
"""Contributions that no feature made: where every row starts, and what calibration moved."""
_NO_FEATURE = np.full(2, nan, np.float32)

PartOutput = tuple[Floats, float]
"""What a part says: one contribution a feature, and where every row starts."""


class Part(Protocol):
    """One part of a blend that says what each feature added to its log-odds."""

    @property
    def base(self) -> float:
        """Log-odds that every row starts from."""
        ...

    def __call__(self, row: Rows) -> Floats:
        """Return one contribution a feature; with ``base`` they sum to the part's log-odds."""
        ...


class Contributions:
    """Explains rows by one model."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        heads: Mapping[Target, Head],
        parts: Mapping[str, Part],
        norms: UsualValues,
    ) -> None:
        """``parts`` are the heads' ensembles, and whatever else a blend may name, by name."""
        self._names = (*names, BASE, CALIBRATION)
        self._heads = tuple(
            {target: head.where(unseen=unseen) for target, head in heads.items()}
            for unseen in (False, True)
        )
        self._counted = column_of(names)
        self._parts = parts
        self._norms = norms

    def target(self, row: Rows, target: Target) -> Floats:
        """Return the features' contributions to one target, then base and calibration.

        A row of shape (f,) gives float64 log-odds of shape (f + 2,), whose sum is the target's
        calibrated log-odds.
        """
        heads = self._heads_of(row)
        outputs = self._evaluate_parts(row, heads)
        return self._weigh(outputs, _log_odds(outputs, heads), {target: 1.0}, heads=heads)

    def describe(
        self, row: Rows, added: Floats, *, vehicle_class: str, post: str
    ) -> tuple[Contribution, ...]:
        """Put names, values and what is usual to every contribution that is not zero.

        Row and contributions have shape (f,). Largest magnitude first; ties go by the features'
        order.
        """
        usual, others = self._norms.usual(vehicle_class=vehicle_class, post=post)
        places = np.argsort(-np.abs(added), kind="stable")[: np.count_nonzero(added)]
        values = np.concatenate((row, _NO_FEATURE))[places].tolist()
        listed = zip(places.tolist(), values, added[places].tolist(), strict=True)
        return tuple(
            Contribution(
                self._names[at], value, usual[at] if at < len(usual) else nan, log_odds, others
            )
            for at, value, log_odds in listed
        )

    def _heads_of(self, row: Rows) -> Mapping[Target, Head]:
        """Return the heads of a row's kind: its fingerprint was inspected before, or never."""
        return self._heads[int(unseen(row[None], self._counted)[0])]

    def _evaluate_parts(self, row: Rows, heads: Mapping[Target, Head]) -> dict[str, PartOutput]:
        """Return what each part says of a row and where it starts, once for all heads."""
        used = sorted({name for head in heads.values() for name, _ in head.blend})
        return {name: (self._parts[name](row), self._parts[name].base) for name in used}

    def _weigh(
        self,
        outputs: Mapping[str, PartOutput],
        log_odds: Mapping[Target, tuple[float, float]],
        weights: Mapping[Target, float],
        *,
        heads: Mapping[Target, Head],
    ) -> Floats:
        """Return the weighted sum of the targets' contributions."""
        of_part = dict.fromkeys(outputs, 0.0)
        added = np.zeros(len(self._names))
        for target, weight in weights.items():
            before, after = log_odds[target]
            added[-1] += weight * (after - before)
            for name, share in heads[target].blend:
                of_part[name] += weight * share
        for name, weight in of_part.items():
            features, base = outputs[name]
            added[:-2] += weight * features
            added[-2] += weight * base
        return added


def _log_odds(
    outputs: Mapping[str, PartOutput], heads: Mapping[Target, Head]
) -> dict[Target, tuple[float, float]]:
    """Return each target's log-odds before and after calibration."""
    sums = {name: float(added.sum()) + base for name, (added, base) in outputs.items()}
    found: dict[Target, tuple[float, float]] = {}
    for target, head in heads.items():
        margin = sum(weight * sums[name] for name, weight in head.blend)
        found[target] = margin, head.knots.at(margin)
    return found
