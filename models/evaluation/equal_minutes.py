"""Two aims at equal minutes: what two lists find, against one list that adds both chances up.

There are two budgets: minutes of search, and minutes of papers (documents and scan). Each is the
same share of what all of a post's entries of a day would take, by the minutes that are expected of
a vehicle's class. With two lists, searches go to the likeliest loads and papers to the likeliest
discrepancies, each for a minute of its budget. With one rank, by which officers were sent until 30
November 2026, a seizure weighs five discrepancies, and who comes next after those to be searched is
looked at.

A search finds whatever there is, a look no load. Counted are the finds that were made, so the
shares are of these, biased by whom officers searched; a list is not favoured by the draws that it
would have made, as both are asked about the same finds.
"""

from typing import Any

import numpy as np

from engine.decision.inspection_minutes import PRIOR
from models.array_types import Floats, Mask
from models.data.dataset import Dataset
from models.evaluation.metric_view import RESAMPLING
from models.statistics.intervals import (
    FEWEST,
    TOO_FEW,
    Estimate,
    bootstrap,
    share,
    unknown_estimate,
)
from models.statistics.ranking_metrics import within_capacity

SEIZURE_WEIGHT = 5.0
"""Discrepancies that a seizure weighs in the one rank."""
AIMS = ("loads", "papers", "all")
"""Loads within minutes of search; other finds within minutes of papers; all within both."""


def compare_lists(
    test: Dataset, p_seizure: Floats, p_discrepancy: Floats, *, capacity: float, seed: int
) -> dict[str, Any]:
    """Return the share of each aim's finds that two lists reach, and that one rank does.

    Parameters
    ----------
    p_seizure, p_discrepancy : float64 arrays of shape (n,)
        Stated chances.
    capacity : float
        Share of all minutes that each budget has.

    Returns
    -------
    dict
        By aim, ``two_lists`` and ``one_rank`` as estimates with exact intervals, and ``more``: the
        difference of both, with a bootstrap interval over finds.
    """
    minutes = np.array([PRIOR[one] for one in test.vehicle_class], np.float64)
    one_rank = (p_discrepancy + SEIZURE_WEIGHT * p_seizure) / (1 + SEIZURE_WEIGHT)

    def choose(risk: Floats, among: Mask) -> Mask:
        # A look takes the same part of a search in every class, so both budgets order alike.
        return within_capacity(
            np.where(among, risk / minutes, -1.0),
            test.post,
            test.arrived_at,
            capacity=capacity,
            seed=seed,
            minutes=minutes,
        )

    everybody = np.ones(len(test), np.bool_)
    evidence = test.evidence("discrepancy")
    is_load = evidence & (test.seizure == 1)
    is_find = evidence & (test.discrepancy == 1)
    reached = {}
    for name, searched_by, looked_by in (
        ("two_lists", p_seizure, p_discrepancy),
        ("one_rank", one_rank, one_rank),
    ):
        searched = choose(searched_by, everybody)
        looked = choose(looked_by, ~searched) & ~searched
        reached[name] = {
            "loads": is_load & searched,
            "papers": is_find & ~is_load & looked,
            "all": (is_find & searched) | (is_find & ~is_load & looked),
        }
    finds = {"loads": is_load, "papers": is_find & ~is_load, "all": is_find}
    return {
        aim: {
            name: share(int(of_list[aim].sum()), int(finds[aim].sum())).as_dict()
            for name, of_list in reached.items()
        }
        | {"more": _subtract(*(of_list[aim][finds[aim]] for of_list in reached.values()))}
        for aim in AIMS
    }


def _subtract(two_lists: Mask, one_rank: Mask) -> dict[str, Any]:
    """Return how much more of the same finds, shape (n,), two lists reach."""
    n, apart = len(two_lists), two_lists.astype(np.float64) - one_rank
    if n < FEWEST:
        return unknown_estimate(n, n, TOO_FEW).as_dict()
    low, high = bootstrap(lambda weight: weight @ apart / weight.sum(), n, seed=RESAMPLING)
    return Estimate(
        float(apart.mean()), float(low[0]), float(high[0]), n, n, knowable=True
    ).as_dict()
