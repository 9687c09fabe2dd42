"""Values of finds spread along links as of one cut, by a compiled function.

What :func:`features.catalogue.find_spread.spread_values` computes in numpy, which the service runs
twice a week: a history has a hundred cuts, and its tables of entities fit no cache. Both have the
same bits, because every sum is of whole numbers below 2^52.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue.find_spread import BITS, LEAST, PRIOR, STEPS, Codes, Ints
from features.catalogue.spec import Floats
from features.offline.compilation import compile_kernel

Number = int | np.int64
_OVER = float(PRIOR)
_FULL = 1 << BITS


def spread_values(seen: Codes, finds: Sequence[tuple[Codes, Ints]], size: int) -> Ints:
    """Return what :func:`features.catalogue.find_spread.spread_values` does.

    Parameters
    ----------
    seen : int32 array of shape (kinds, n)
    finds : sequence of (int32 array of shape (kinds, f), int64 array of shape (f,))
    size : int

    Returns
    -------
    int64 array of shape (measures, size)
    """
    seen, total = np.ascontiguousarray(seen), np.zeros((len(finds), size))
    for whole, (found, weight) in zip(total, finds, strict=True):
        for row in found:
            np.add.at(whole, row, weight)
    return _spread_totals(seen, total).reshape(-1, size)


@compile_kernel
def _spread_totals(seen: NDArray[Any], totals: Floats) -> Ints:
    """Spread the finds of each kind, of which ``totals``, shape (finds, size), has the weights.

    ``seen`` is an int32 array of shape (kinds, n). The int64 array of shape (finds, STEPS + 1,
    size) has the values of each step, with their leading digits alone.
    """
    size = totals.shape[1]
    over, value = np.full(size, _OVER), np.zeros(size)
    out = np.zeros((len(totals), STEPS + 1, size), np.int64)
    for row in seen:
        for entity in row:
            over[entity] += 1.0
    for kind in range(len(totals)):
        total = totals[kind]
        for step in range(STEPS + 1):
            total[0] = 0.0  # the unknown
            for entity in range(size):
                value[entity] = np.floor(total[entity] / over[entity])
                out[kind, step, entity] = _coarsen(np.int64(value[entity]))
            if step < STEPS:
                total[:] = 0.0
                _add_crossings(seen, value, total)
    return out


@compile_kernel
def _coarsen(value: Number) -> Number:
    """Return a value with its leading digits; see ``features.catalogue.find_spread.coarsen``."""
    if value < LEAST:
        return 0
    spare = 0
    while value >> spare >= _FULL:
        spare += 1
    return value >> spare << spare


@compile_kernel
def _add_crossings(seen: NDArray[Any], value: Floats, total: Floats) -> None:
    """Add the value of each crossing to the totals of its entities."""
    kinds, n = seen.shape
    for at in range(n):
        most, own, known = 0.0, 0.0, 0
        for kind in range(kinds):
            entity = seen[kind, at]
            most = max(most, value[entity])
            own += value[entity]
            known += entity != 0
        if most > 0.0:
            amount = np.floor((6.0 * known * most + 4.0 * own) / (10.0 * known))
            for kind in range(kinds):
                total[seen[kind, at]] += amount
