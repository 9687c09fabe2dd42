"""How much of what the score picks falls on one party.

A firm with a few finds and a thousand clean passages can fill a list by itself. That is not wrong
by itself, but nobody should have to find it out: the largest party's share is always stated.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST_PICKS = 4
"""Picks of a shift from which on one party's share of them says something."""
MOST_OF_SHIFT = 0.5
"""Share of a shift's picks that one party holds at most without being counted."""


def measure_concentration(
    parties: Mapping[str, NDArray[Any]], shifts: NDArray[Any]
) -> dict[str, Any]:
    """Return the largest party's share of some picks, together and by shift.

    Parameters
    ----------
    parties : mapping of str to array of shape (n,)
        By kind, whose pick each is; 0 or an empty text where it is not known.
    shifts : array of shape (n,)
        The shift of each pick.

    Returns
    -------
    dict
        ``picks``; the ``kind`` of the largest party and its ``share`` of them (None without a
        pick); of the ``shifts`` with ``FEWEST_PICKS`` picks or more those ``beyond``
        ``MOST_OF_SHIFT``. No party is named.
    """
    kind, most = _find_largest(parties)
    counted = beyond = 0
    for shift in np.unique(shifts):
        rows = shifts == shift
        if rows.sum() >= FEWEST_PICKS:
            counted += 1
            here = _find_largest({name: who[rows] for name, who in parties.items()})[1]
            beyond += here > MOST_OF_SHIFT * rows.sum()
    return {
        "picks": len(shifts),
        "kind": kind,
        "share": most / len(shifts) if len(shifts) else None,
        "shifts": counted,
        "beyond": int(beyond),
    }


def _find_largest(parties: Mapping[str, NDArray[Any]]) -> tuple[str | None, int]:
    """Return the kind of the party with the most picks, and how many these are."""
    found: tuple[str | None, int] = (None, 0)
    for name, who in parties.items():
        counts = np.unique(who[who.astype(np.bool_)], return_counts=True)[1]
        if counts.max(initial=0) > found[1]:
            found = name, int(counts.max())
    return found
