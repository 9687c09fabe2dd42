"""Drift of the test period from the training rows, for the report.

Assumes the training rows and the test rows. Drift of features and scores needs no label;
the two alarms read the period's searches week by week, as they will be read in force.
"""

from typing import Any

import numpy as np

from engine.domain.time_units import WEEK
from engine.selection.policy import COUNTERPART
from models.array_types import Floats
from models.data.dataset import Dataset
from models.statistics import sequential_test
from models.statistics.drift import reference, score_shift, shifts

SHOWN = 12
BEFORE_DAYS = 90
"""What the period is compared with: older counters were still filling up."""


def drift(
    earlier: Dataset, test: Dataset, *, risks: tuple[Floats, Floats], capacity: float
) -> dict[str, Any]:
    """Compare a test period with what came before it, as :func:`recent` has it.

    Parameters
    ----------
    earlier, test : Dataset of n and m rows
        Of the same features.
    risks : float64 arrays of shape (n,) and (m,)
        Of both; released arrivals are compared, since the model was not fitted on them.
    capacity : float
        Share that can be searched.

    Returns
    -------
    dict
        ``features``: the farthest movers; ``moved``: how many of how many; ``score``; the alarms.
    """
    found = shifts(reference(earlier.values, earlier.names), test.values)
    scores = score_shift(
        risks[0][~earlier.is_inspected], risks[1][~test.is_inspected], capacity=capacity
    )
    return {
        "moved": sum(one.has_moved for one in found),
        "of": len(found),
        "features": [
            {"name": one.name, "psi": one.psi, "noise": one.noise, "moved": one.has_moved}
            for one in found[:SHOWN]
        ],
        "score": scores.as_dict(),
    }


def recent(earlier: Dataset) -> Dataset:
    """Return the last ninety days of what taught."""
    return earlier.last(BEFORE_DAYS)


def alarms(test: Dataset, chance: Floats) -> dict[str, Any]:
    """Run the two alarms over a period's searches, by the week in which each was made.

    Parameters
    ----------
    test : Dataset of n rows
    chance : float64 array of shape (n,)
        Stated chance of a discrepancy.

    Returns
    -------
    dict
        For ``picked`` (do searches find less than stated? those on a counterpart's word say nothing
        of it) and ``random`` (do random checks find more?): weeks, evidence, the threshold, and
        whether an alarm went off.
    """
    random_rows = test.evidence("discrepancy") & (test.basis == "random")
    picked = test.evidence("discrepancy") & ~np.isin(test.basis, ("random", COUNTERPART))
    weeks = test.arrived_at // WEEK
    watches = {
        "picked": (sequential_test.EDetector(), picked),
        "random": (sequential_test.watch_more(), random_rows),
    }
    return {
        name: sequential_test.over(
            watch, chance[rows], test.discrepancy[rows], periods=weeks[rows]
        ).as_dict()
        for name, (watch, rows) in watches.items()
    }
