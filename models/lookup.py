"""What would a table have said? The rate of what looked most alike, backing off where it is new.

The plainest peer of a model: no learning but counting, from the most general key to the most
particular. A model that does not beat it has learnt nothing but its fingerprints.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.risk import Floats

Keys = NDArray[np.int64]
_BLANK = 0.5
"""Rate of a table that was shown nothing."""


def back_off(
    keys: Sequence[Keys], label: NDArray[np.int8], *, taught: NDArray[np.bool_], strengths: Floats
) -> Floats:
    """Return the smoothed rate of each row's most particular key that was seen.

    Parameters
    ----------
    keys : sequence of int64 arrays of shape (n,)
        From the most general to the most particular; 0 where not known.
    label : int8 array of shape (n,)
        1 or 0 where ``taught``.
    taught : bool array of shape (n,)
        Rows that the table counts.
    strengths : float64 array of shape (n_keys,)
        How many rows the more general rate weighs against the more particular one's own.

    Returns
    -------
    float64 array of shape (n,)
        Rates in [0, 1].
    """
    hit = np.where(taught, label, 0).astype(np.float64)
    base = hit.sum() / taught.sum() if taught.any() else _BLANK
    rate = np.full(len(label), base)
    for column, strength in zip(keys, strengths, strict=True):
        _, code = np.unique(column, return_inverse=True)
        hits = np.bincount(code, weights=hit)[code]
        rows = np.bincount(code, weights=taught)[code]
        rate = np.where(column == 0, rate, (hits + strength * rate) / (rows + strength))
    return rate
