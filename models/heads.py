"""How does a rare target get probabilities? By as much of its own evidence as there is.

Assumes out-of-time margins. Seizures may be hundreds, a dozen or none; each case has its answer,
and none of them invents a scale that the data cannot carry.
"""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from models.calibrate import fit_blend, fit_knots
from models.dataset import Dataset, Target
from models.risk import Floats, Head, Knots, probability

BLENDED_POSITIVES = 3
"""From this many out-of-time positives on, own trees are blended in; few keep the blend even."""
SCALED_POSITIVES = 10
"""Below this many out-of-time positives a target gets a level, not a scale of its own."""


def seizure_head(
    dataset: Dataset,
    later: NDArray[np.intp],
    *,
    margins: Mapping[Target, Floats],
    knots: Knots,
    fitted: Collection[Target],
) -> tuple[Head, tuple[int, int]]:
    """Blend and calibrate seizure by what its positives can carry.

    Parameters
    ----------
    dataset : Dataset of n rows
    later : int array of shape (m,)
        Rows that the folds predicted.
    margins : mapping of target to float64 array of shape (m,)
        Out-of-time log-odds; NaN where a fold had no trees for the target.
    knots : Knots
        The calibration of discrepancy.
    fitted : collection of targets
        Which have trees of their own in the final model.

    Returns
    -------
    Head, (int, int)
        The head, and the rows and positives it was calibrated on. With enough positives: own trees
        blended with discrepancy's. With some: discrepancy's margin, rescaled. With hardly any:
        discrepancy's chance lowered to the seizure rate, which holds when a seizure is equally
        likely among all discrepancies.
    """
    usable = dataset.evidence("seizure")[later] & ~np.isnan(margins["discrepancy"])
    label, dense = dataset.seizure[later][usable], margins["discrepancy"][usable]
    own = margins["seizure"][usable]
    counted = len(label), int(label.sum())
    both = ~np.isnan(own)
    if "seizure" in fitted and int(label[both].sum()) >= BLENDED_POSITIVES:
        share = fit_blend(own[both], dense[both], label[both])
        z = share * own[both] + (1 - share) * dense[both]
        parts: tuple[tuple[Target, float], ...] = (
            ("seizure", share),
            ("discrepancy", round(1 - share, 2)),
        )
        head = Head(tuple(part for part in parts if part[1] > 0), fit_knots(z, label[both]))
        return head, (int(both.sum()), int(label[both].sum()))
    if counted[1] >= SCALED_POSITIVES:
        return Head((("discrepancy", 1.0),), fit_knots(dense, label, segments=1)), counted
    # Too few to scale: among discrepancies, a seizure is taken to be equally likely everywhere.
    rate = (counted[1] + 0.5) / (counted[0] + 1.0)
    chance = float(probability(knots(dense)).mean()) if len(dense) else 0.5
    shift = min(0.0, float(np.log(rate / chance)))
    lowered = Knots(knots.margin, tuple(level + shift for level in knots.log_odds))
    return Head((("discrepancy", 1.0),), lowered), counted
