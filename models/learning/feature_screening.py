"""Screening of features that say nothing alone about later finds.

Each split of a tree tries a few features drawn at random. Where finds are many, those that say
nothing are left out before the draw, so that a split is not spent on them. Where finds are few this
test says hardly more than chance, and nothing is left out (:mod:`models.learning.fit`).

Assumes rows in time order. A feature that speaks only together with another is lost; that costs
less than the crowd does (docs/trials.md).
"""

import numpy as np

from models.array_types import Floats, Labels, Positions, Rows

BINS = 16
PRIOR = 20.0
"""Rows at the mean rate that every bin starts with."""
LEAST = 2.0
"""Standard errors by which a feature's gain in later log-likelihood must exceed nothing."""


def screen_features(values: Rows, label: Labels) -> Positions:
    """Return the columns that, alone, foretell labels of the later half from the earlier half.

    Parameters
    ----------
    values : float32 array of shape (n, f)
        In time order; NaN where unknown.
    label : int8 array of shape (n,)
        1 or 0.

    Returns
    -------
    int array of shape (k,)
        Ascending. All f columns where fewer than two speak: then nothing was learnt about them.
    """
    gains = np.array([_gain(column, label.astype(np.float64)) for column in values.T])
    kept = np.flatnonzero(gains > LEAST)
    return kept if len(kept) > 1 else np.arange(values.shape[1])


def _gain(column: Rows, label: Floats) -> float:
    """Return a feature's gain in later log-likelihood, in its standard errors."""
    half = len(label) // 2
    known = column[:half][~np.isnan(column[:half])]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)) if len(known) else known
    place = np.searchsorted(edges, column, side="right")
    place[np.isnan(column)] = len(edges) + 1
    early, later, count = place[:half], place[half:], len(edges) + 2
    base = label[:half].mean()
    finds = np.bincount(early, weights=label[:half], minlength=count)
    rate = (finds + PRIOR * base) / (np.bincount(early, minlength=count) + PRIOR)
    chance, found = rate[later], label[half:]
    gain = found * np.log(chance / base) + (1 - found) * np.log((1 - chance) / (1 - base))
    return float(gain.sum() / max(np.sqrt(gain @ gain), 1e-12))
