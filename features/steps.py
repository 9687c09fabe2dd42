"""What one record adds to the counters: shared by the bulk log and the service.

Nothing here reads a file or a store, so that both may use it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.encode import FACTS
from features.streams import CROSSINGS

GRAMS_MOST = 10**12
"""Bound of one find's mass in a counter, in grams."""
_PAPERS = frozenset({"documents", "weighing"})
_MEASURES: Sequence[tuple[str, int, int]] = [
    (measure, FACTS.index(fact), scale) for measure, (fact, scale) in CROSSINGS.measures.items()
]

Label = tuple[int, int, int]
"""A crossing's (inspected, hit, seizure), each 0 or 1."""


def is_full(methods: Sequence[str] | None) -> bool:
    """Tell whether an act could have found goods: it does not name papers and scales alone."""
    return not methods or not _PAPERS.issuperset(methods)


def act_step(label: Label, outcome: str, *, full: bool) -> Label:
    """Return a crossing's label after one more act; a clear look at the papers changes nothing."""
    hit, seizure = int(outcome != "clear"), int(outcome == "seizure")
    if not (full or hit):
        return label
    return 1, max(label[1], hit), max(label[2], seizure)


def crossing_measures(facts: NDArray[np.float64]) -> Mapping[str, NDArray[np.int64]]:
    """Return what crossings add to their counters.

    Parameters
    ----------
    facts : float64 array of shape (n_facts, ...)
        NaN where unknown, which adds nothing.

    Returns
    -------
    mapping of str to int64 array of shape (...)
        Scaled measures, rounded half to even.
    """
    known = np.nan_to_num(facts, nan=0.0)
    return {
        measure: np.rint(known[place] * scale).astype(np.int64)
        for measure, place, scale in _MEASURES
    }
