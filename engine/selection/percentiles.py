"""Percentile of a risk among the recent ones of its post.

A table has the quantiles of the risk at ``LEVELS`` even shares. Assumes that the coming hours look
like the days the table was made of; how many decisions stand behind it is kept next to it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

LEVELS = 101
"""Quantiles of a table: the shares 0, 0.01, ..., 1."""
SEED_WEIGHT = 200
"""Decisions that the model's own table counts as, until the post's decisions outnumber it."""


def percentile(table: Sequence[float], value: float) -> float:
    """Return the share of past risks below ``value``; on a step of equal quantiles, its middle."""
    low, high = bisect_left(table, value), bisect_right(table, value)
    last = len(table) - 1
    if high > low:
        return (low + high - 1) / (2 * last)
    if low == 0:
        return 0.0
    if low > last:
        return 1.0
    below, above = table[low - 1], table[low]
    return (low - 1 + (value - below) / (above - below)) / last


def at(table: Sequence[float], share: float) -> float:
    """Return the risk at a share of the table: the inverse of ``percentile`` where it has one."""
    where = share * (len(table) - 1)
    low = min(int(where), len(table) - 2)
    return table[low] + (where - low) * (table[low + 1] - table[low])


def blend_tables(seed: Sequence[float], recent: ArrayLike) -> tuple[float, ...]:
    """Return the table of a post: the model's own quantiles, outweighed as decisions come in.

    ``recent`` has the risks of the post's last 28 days under this model, shape (n,).
    """
    seen = np.sort(np.asarray(recent, np.float64))
    shares = np.linspace(0.0, 1.0, len(seed))
    prior = np.interp((np.arange(SEED_WEIGHT) + 0.5) / SEED_WEIGHT, shares, np.asarray(seed))
    both = np.concatenate([prior, seen])
    weights = np.concatenate([np.full(SEED_WEIGHT, _seed_weight(len(seen))), np.ones(len(seen))])
    order = np.argsort(both, kind="stable")
    mass = np.cumsum(weights[order]) - 0.5 * weights[order]
    return tuple(np.interp(shares, mass / weights.sum(), both[order]).tolist())


def _seed_weight(n: int) -> float:
    """Weight of one of the seed's points: all of it without decisions, half of it after 200."""
    return SEED_WEIGHT / (SEED_WEIGHT + n)
