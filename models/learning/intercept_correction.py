"""Intercept correction of chances to the level of the random stream.

Assumes that labels were selected by more than features see: an officer who picks what looks wrong
to him finds more than others would in vehicles that read the same. A map fitted on inspected rows
then states too much for the rest, and for seizures more so than for discrepancies, which bends the
order of a risk that weighs both. Random checks hold what all arrivals hold: it sets the level,
and never the order of one target's chances.
"""

from dataclasses import replace

import numpy as np

from models.array_types import Floats, Labels, Positions
from models.data.dataset import Dataset, Target
from models.learning.blending import FittedHead
from models.scoring.risk import Head, probability

SPREAD = 0.35
"""Log-odds by which a level may well be off before any random check (a prior's)."""
_NEWTON = 50
_CLOSE = 1e-9


def correct_intercept(
    judged: FittedHead,
    dataset: Dataset,
    later: Positions,
    *,
    target: Target,
    margins: dict[str, Floats],
    usual: float = 0.0,
) -> FittedHead:
    """Return a head whose chances lie where the random stream's do; as it is without such rows.

    Parameters
    ----------
    judged : Judged
    dataset : Dataset of n rows
    later : int array of shape (m,)
        Rows that the folds predicted.
    target : {"seizure", "discrepancy"}
    margins : dict of part to float64 array of shape (m,)
        Out-of-time log-odds.
    usual : float, default=0
        Log-odds by which the level is off unless random checks say otherwise. A dozen seizures
        would move it by their chance alone: theirs is that of discrepancies.
    """
    drawn = (dataset.basis[later] == "random") & dataset.evidence(target)[later]
    if not drawn.any():
        return judged
    log_odds = judged.head.log_odds({name: one[drawn] for name, one in margins.items()})
    is_known = ~np.isnan(log_odds)  # an early fold may have had no such part
    shift = level(log_odds[is_known], dataset.label(target)[later][drawn][is_known], usual=usual)
    return replace(judged, head=_shift_head(judged.head, shift), level=shift)


def level(log_odds: Floats, label: Labels, *, usual: float = 0.0) -> float:
    """Return the shift of log-odds that fits labels best, with a normal prior.

    Parameters
    ----------
    log_odds : float64 array of shape (n,)
    label : int8 array of shape (n,)
        1 or 0.
    usual : float, default=0
        Mean of the prior, whose standard deviation is ``SPREAD``.
    """
    shift = usual
    for _ in range(_NEWTON):
        chance = probability(log_odds + shift)
        push = float((chance - label).sum()) + (shift - usual) / SPREAD**2
        step = push / (float((chance * (1 - chance)).sum()) + 1 / SPREAD**2)
        shift -= float(np.clip(step, -1.0, 1.0))
        if abs(step) < _CLOSE:
            break
    return shift


def _shift_head(head: Head, shift: float) -> Head:
    unseen = None if head.unseen is None else _shift_head(head.unseen, shift)
    return Head(head.blend, head.knots.shift(shift), unseen)
