"""Which searches did the engine draw, how likely was each, and what did it show? The log of draws.

Assumes that the engine logged its propensities (:mod:`engine.selection`). What officers or a
counterpart picked has none, so that it teaches a model and never measures one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.dataset import Dataset, Target
from models.intervals import Floats

ENGINE_DRAWN = ("random", "score", "profile", "watchlist")
"""Bases whose propensity is the engine's own; an officer's choice has none."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What became of n arrivals under the policy of the day.

    Attributes
    ----------
    drawn : bool array of shape (n,)
        Sent to inspection by the engine's own draws.
    propensity : float64 array of shape (n,)
        With what probability, in (0, 1]; read where ``drawn``.
    found : int8 array of shape (n,)
        1 or 0, and -1 where there is no evidence: not drawn, not carried out, or papers alone.
    minutes : float64 array of shape (n,), optional
        Length of each search; NaN where unknown.
    """

    drawn: NDArray[np.bool_]
    propensity: Floats
    found: NDArray[np.int8]
    minutes: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse a draw without a probability: its weight could be anything."""
        kept = self.propensity[self.drawn]
        if not ((kept > 0) & (kept <= 1)).all():
            raise ValueError("every draw needs a propensity in (0, 1]")


def logged(dataset: Dataset, target: Target, *, sent: Floats | None = None) -> Logged:
    """Read the log of the engine's draws from labelled arrivals.

    Parameters
    ----------
    dataset : Dataset of n rows
    target : {"seizure", "discrepancy"}
    sent : float64 array of shape (n,), optional
        Propensity of every decision that sent its vehicle to officers, NaN elsewhere. Without it
        only acts are known, and a draw that never became one looks like no draw.

    Returns
    -------
    Logged
    """
    acted = np.isin(dataset.basis, ENGINE_DRAWN) & ~np.isnan(dataset.propensity)
    propensity = np.where(acted, dataset.propensity, np.nan)
    if sent is not None:
        propensity = np.where(acted, propensity, sent)
    found = np.where(acted & dataset.evidence(target), dataset.label(target), -1)
    return Logged(~np.isnan(propensity), propensity, found.astype(np.int8))


def by_lot(dataset: Dataset, target: Target) -> Logged:
    """Read the random stream alone, its share counted at each post.

    Fewer draws than :func:`logged` has, but whatever else went wrong with scores and propensities,
    these were chosen by nobody.
    """
    drawn = dataset.evidence(target) & (dataset.basis == "random")
    _, post = np.unique(dataset.post.astype(str), return_inverse=True)
    share = np.bincount(post, weights=drawn) / np.maximum(1, np.bincount(post))
    found = np.where(drawn, dataset.label(target), -1).astype(np.int8)
    return Logged(drawn, np.where(drawn, share[post], np.nan), found)
