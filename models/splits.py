"""Which rows may teach, which calibrate, and which judge? Periods cut by time.

Assumes that the future differs from the past and that labels come late: periods follow each other
in time, and each is cut off from the next by the label delay. A row enters only when its label was
known before the next period began, as it would have been on the day.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.dataset import NEVER, Dataset, Target

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Index arrays of the rows of three periods, with their cuts in UTC microseconds."""

    fit: Rows
    calibrate: Rows
    test: Rows
    fit_until: int
    calibrate_from: int
    calibrate_until: int
    test_from: int
    test_until: int


def temporal(
    dataset: Dataset,
    target: Target,
    *,
    fit_until: int,
    calibrate_until: int,
    test_until: int,
    gap: int,
) -> Split:
    """Split by time, with the label delay as a gap between the periods.

    Parameters
    ----------
    dataset : Dataset of n rows
        Only rows whose label is evidence of the target enter.
    target : {"seizure", "discrepancy"}
        Which label.
    fit_until, calibrate_until, test_until : int
        UTC microseconds; each period holds arrivals strictly before its cut.
    gap : int
        Microseconds between the end of a period and the start of the next.

    Returns
    -------
    Split
        Ascending row indices; a label known at or after the start of the next period keeps its
        row out of the earlier one. Test labels are judged whenever they came.
    """
    if (
        not gap >= 0
        or not fit_until + gap <= calibrate_until <= calibrate_until + gap <= test_until
    ):
        raise ValueError("periods must follow each other: fit, gap, calibrate, gap, test")
    calibrate_from, test_from = fit_until + gap, calibrate_until + gap
    usable = dataset.evidence(target)
    return Split(
        fit=_rows(dataset, usable, until=fit_until, known_before=calibrate_from),
        calibrate=_rows(
            dataset, usable, since=calibrate_from, until=calibrate_until, known_before=test_from
        ),
        test=_rows(dataset, usable, since=test_from, until=test_until, known_before=NEVER),
        fit_until=fit_until,
        calibrate_from=calibrate_from,
        calibrate_until=calibrate_until,
        test_from=test_from,
        test_until=test_until,
    )


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a rolling origin: fit on what was known at ``cut``, predict what came after."""

    fit: Rows
    later: Rows
    cut: int


def rolling(
    dataset: Dataset,
    usable: NDArray[np.bool_],
    *,
    until: int,
    known_before: int,
    gap: int,
    folds: int,
) -> tuple[Fold, ...]:
    """Return temporal folds over the later half of the usable rows.

    Parameters
    ----------
    dataset : Dataset of n rows
        Ordered by ``as_of``.
    usable : bool array of shape (n,)
        Rows whose label is evidence.
    until, known_before : int
        UTC microseconds: arrivals and labels strictly before these.
    gap : int
        Label delay in microseconds: a fold's fit ends this long before its predictions begin.
    folds : int
        How many; cuts are set so that each predicts about the same number of rows.

    Returns
    -------
    tuple of Fold
        In time order; the ``later`` rows of different folds are disjoint. A fold without rows on
        either side is left out.
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
    usable: NDArray[np.bool_],
    *,
    until: int,
    known_before: int,
    since: int | None = None,
) -> Rows:
    """Return ascending indices of usable rows that arrived in a period and were known in time."""
    inside = usable & (dataset.arrived_at < until) & (dataset.label_known_at < known_before)
    if since is not None:
        inside &= dataset.arrived_at >= since
    return np.flatnonzero(inside)
