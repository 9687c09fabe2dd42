"""Temporal splits: rows that teach, and later rows that calibrate.

Assumes that the future differs from the past and that labels come late: what a
fold predicts lies after what teaches it, by the label delay. A row teaches only when its label was
known before the predictions began, as it would have been on the day.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.array_types import Mask, Positions
from models.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a rolling origin: fit on what was known at ``cut``, predict what came after."""

    fit: Positions
    later: Positions
    cut: int


def rolling_folds(
    dataset: Dataset,
    usable: Mask,
    *,
    until: int,
    known_before: int,
    gap: int,
    folds: int,
) -> tuple[Fold, ...]:
    """Return temporal folds over the later half of the usable rows, in time order.

    Arrivals before ``until`` and labels before ``known_before`` count (UTC microseconds). A fold's
    fit ends ``gap``, the label delay in microseconds, before its predictions begin. Cuts are set so
    that each fold predicts about the same number of rows; the ``later`` rows of different folds are
    disjoint. A fold without rows on either side is left out.

    Parameters
    ----------
    dataset : Dataset of n rows
        Ordered by ``as_of``.
    usable : bool array of shape (n,)
        Rows whose label is evidence.
    """
    rows = _rows(dataset, usable, until=until, known_before=known_before)
    arrived = dataset.arrived_at[rows]
    if not len(rows):
        return ()
    edges = [int(edge) for edge in np.quantile(arrived, np.linspace(0.5, 1.0, folds + 1))]
    edges[-1] = until
    made = []
    for cut, end in pairwise(edges):
        fit = _rows(dataset, usable, until=cut - gap, known_before=min(cut, known_before))
        later = _rows(dataset, usable, since=cut, until=end, known_before=known_before)
        if len(fit) and len(later):
            made.append(Fold(fit=fit, later=later, cut=cut))
    return tuple(made)


def _rows(
    dataset: Dataset,
    usable: Mask,
    *,
    until: int,
    known_before: int,
    since: int | None = None,
) -> Positions:
    """Return ascending indices of usable rows that arrived in a period and were known in time."""
    inside = usable & (dataset.arrived_at < until) & (dataset.label_known_at < known_before)
    if since is not None:
        inside &= dataset.arrived_at >= since
    return np.flatnonzero(inside)
