"""Prior-seizure score: a linear term with fixed coefficients.

Assumes that a known seizure counts about the same whichever party it was found on, that several add
up, and that a clear past lowers no risk. A few dozen seizures cannot teach this: spread over a
dozen columns of one kind, chance and the penalty leave hardly anything of it. So it is said here
how much a precedent counts, and chosen on later data how much all of them weigh
(:mod:`models.learning.blending`); only the rate from which on one counts comes from the rows.
"""

from collections.abc import Sequence

import numpy as np

from models.array_types import Labels, Rows
from models.scoring.linear import Linear, fold_values

RATES = tuple(f"{who}_seizure_rate" for who in ("plate", "driver", "carrier", "consignee"))
COUNTS = tuple(
    f"{who}_finds_elsewhere"
    for who in ("plate", "trailer", "driver", "carrier", "consignee", "consignor", "declarant")
)
"""Each adds ``log(1 + n)`` log-odds."""
HIGH = 5.0
"""A rate counts from the base rate on, and no more beyond this many times it."""
WORTH = 2.0
"""Log-odds of a rate that is as high as counts."""
MOST = float(np.log1p(50.0))
"""More than fifty finds add nothing: a bundle keeps finite numbers alone."""


def precedents(values: Rows, label: Labels, *, names: Sequence[str]) -> Linear | None:
    """Return what precedents add to the log-odds of a seizure; None where no feature tells of any.

    Parameters
    ----------
    values : float32 array of shape (n, f)
        The rows that teach: their means are where a feature adds nothing.
    label : int8 array of shape (n,)
        1 or 0; the base rate is the share of ones.
    names : sequence of f str
    """
    rates, counts = np.isin(names, RATES), np.isin(names, COUNTS)
    fields = rates | counts
    if not fields.any():
        return None
    base = float(label.mean())
    low = np.where(rates, np.log1p(base), 0.0)
    high = np.where(rates, np.log1p(min(HIGH * base, 1.0)), np.where(counts, MOST, 0.0))
    weight = np.zeros(len(names))
    weight[rates], weight[counts] = WORTH / (high - low)[rates], 1.0
    held = np.clip(fold_values(values[:, fields]), low[fields], high[fields])
    center = low.copy()
    center[fields] = np.where(np.isnan(held), low[fields], held).mean(axis=0)
    level = float(np.log(base / (1 - base)) + weight @ (center - low))
    return Linear(low, high, low.copy(), center, weight, level)
