"""Novelty blend for declarations whose fingerprint was never inspected.

A fingerprint (goods, countries, tax and mass together) that was inspected before tells most about
its next declaration, and trees that learn from all rows lean on that. Where a fingerprint is new
they know less than trees that were taught by first declarations alone and never look at
fingerprints: for these, the rates of goods hold no declaration of the same kind. Both speak there,
in fixed shares (docs/trials.md says why they are not chosen on later rows).
"""

from collections.abc import Sequence

import numpy as np

from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Positions, Rows

SEEN_BY = "terms_mass_inspections"
"""The feature that counts inspections of a fingerprint."""


def column_of(names: Sequence[str]) -> int | None:
    """Return where the count of a fingerprint's inspections is; None where it is not read."""
    return names.index(SEEN_BY) if SEEN_BY in names else None


def fingerprints(names: Sequence[str]) -> Positions:
    """Return the columns, shape (k,), that describe a row's fingerprint or similar ones."""
    tells = (name in CATALOGUE and CATALOGUE[name].family == "fingerprints" for name in names)
    return np.flatnonzero(np.fromiter(tells, np.bool_, len(names)))


def unseen(values: Rows, column: int | None) -> Floats:
    """Return 1 for rows of shape (n, f) whose fingerprint was never inspected, else 0."""
    if column is None:
        return np.zeros(len(values))
    return np.asarray(~(values[:, column] > 0), np.float64)
