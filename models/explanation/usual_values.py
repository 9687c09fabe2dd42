"""Usual values: medians of each feature among recent entries, by class and post.

Assumes that most crossings are innocent: all entries are the norm, whether they were searched or
not. Exits are none: an entry is what is decided, and many features ask of its direction. A flag's
usual value is the share of entries that have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Mask, Rows
from models.data.dataset import Dataset

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
    flag = np.array([_is_flag(name) for name in dataset.names])
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


def _is_flag(name: str) -> bool:
    return name in CATALOGUE and CATALOGUE[name].unit == "flag"


def _middles(values: Rows, flag: Mask) -> Floats:
    """Return medians, and means of flags; NaN where nothing is known."""
    usual = np.full(values.shape[1], np.nan)
    known = ~np.isnan(values).all(axis=0)
    for columns, middle in ((known & ~flag, np.nanmedian), (known & flag, np.nanmean)):
        usual[columns] = middle(values[:, columns].astype(np.float64), axis=0)
    return usual
