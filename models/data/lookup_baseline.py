"""Lookup-table baseline: the smoothed rate of the most particular key, with back-off.

The plainest peer of a model: no learning but counting, from the most general key to the most
particular. A model that does not beat it has learnt nothing but its fingerprints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from features.catalogue.plan import Plan
from models.array_types import Floats, Labels, Mask
from models.data.dataset import Dataset

NAME = "a look-up table with back-off"
LOOKUP: tuple[tuple[tuple[str, ...], float], ...] = (
    (("hs2",), 50.0),
    (("hs6",), 20.0),
    (("hs6", "origin"), 10.0),
    (("hs6", "dispatch", "origin", "preference", "rate"), 3.0),
    (("hs6", "dispatch", "origin", "preference", "rate", "mass"), 0.1),
)
"""The table's keys from general to particular, and how much the more general one weighs."""

PARTIES = ("plate", "driver", "carrier", "consignee")
"""Whose share of what a list picks is stated."""
Keys = NDArray[np.int64]
_BLANK = 0.5
"""Rate of a table that was shown nothing."""


def back_off(keys: Sequence[Keys], label: Labels, *, taught: Mask, strengths: Floats) -> Floats:
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


@dataclass(frozen=True, slots=True)
class Lookup:
    """The keys of n arrivals, before anything is counted.

    Attributes
    ----------
    keys : int64 array of shape (n_keys, n)
        From the most general to the most particular; 0 where not known.
    strengths : float64 array of shape (n_keys,)
        How many rows the more general rate weighs.
    parties : mapping of str to int64 array of shape (n,)
        The key of each arrival's party of a kind, which the table does not read; 0 where not known.
    """

    keys: Keys
    strengths: Floats
    parties: Mapping[str, Keys]

    def take(self, rows: NDArray[Any] | slice) -> Self:
        """Return some rows by a mask of shape (n,), ascending indices of shape (k,), or a slice."""
        parties = {name: keys[rows] for name, keys in self.parties.items()}
        return replace(self, keys=self.keys[:, rows], parties=parties)

    def estimate(self, seen: Dataset, *, until: int, known_before: int) -> Floats:
        """Return the chance of a discrepancy that a table would state of each row, shape (n,).

        It counts arrivals before ``until`` and labels known before ``known_before``, UTC
        microseconds, as a fit does.
        """
        taught = (seen.arrived_at < until) & (seen.label_known_at < known_before)
        taught &= seen.evidence("discrepancy")
        return back_off(list(self.keys), seen.discrepancy, taught=taught, strengths=self.strengths)


def key_names(plan: Plan) -> list[tuple[str, ...]]:
    """Return the combinations of entities whose keys :func:`lookup` reads, those of a plan."""
    names = [*(by for by, _ in LOOKUP), *((name,) for name in PARTIES)]
    return [by for by in dict.fromkeys(names) if (by, by) in plan.column]


def lookup(keys: Callable[[tuple[str, ...]], Keys], plan: Plan, n: int) -> Lookup:
    """Return the keys of n arrivals, those that a plan has.

    ``keys`` returns the int64 keys, shape (n,), of a combination of entities.
    """
    held = key_names(plan)
    found = [keys(by) for by, _ in LOOKUP if by in held]
    return Lookup(
        np.array(found, np.int64).reshape(len(found), n),
        np.array([weight for by, weight in LOOKUP if by in held], np.float64),
        {name: np.asarray(keys((name,)), np.int64) for name in PARTIES if (name,) in held},
    )
