"""Blending of a target's parts, by as much evidence as it has.

Assumes out-of-time margins. Seizures may be hundreds, a dozen or none; each case has its answer,
and none of them invents a scale that the data cannot carry. What is blended, and how much each part
weighs, is chosen here, on folds that lie after what the parts saw by the label delay.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine.errors import NotEnoughDataError
from models.array_types import Floats, Labels, Positions
from models.data.dataset import Dataset
from models.learning.calibration import FittedHead, fit_blend, fit_knots, straight_loss
from models.scoring.risk import (
    PRECEDENTS,
    UNCALIBRATED,
    UNSEEN,
    UNSEEN_TREES,
    Blend,
    Head,
    probability,
)

BLENDED_POSITIVES = 3
"""From this many out-of-time positives on, own parts are blended in; few keep the usual shares."""
SCALED_POSITIVES = 10
"""Below this many out-of-time positives a target gets a level, not a scale of its own."""
JUDGED_UNSEEN = 60
"""Fewer finds than this on later rows of new fingerprints, and these are blended like others."""
WHERE_UNSEEN: Blend = (("discrepancy", 0.7), (UNSEEN_TREES, 0.3))
"""Not chosen on later rows: there a new fingerprint mostly is a near one with another mass."""
JUDGED_ROWS = 20_000
"""Shares of a blend are chosen on so many rows at most, the latest."""
Shares = tuple[tuple[str, float], ...]
"""Parts and the shares towards which a blend is pulled; they may be 0, unlike those of a blend."""
USUAL: Shares = (
    ("seizure", 0.2),
    ("seizure_line", 0.6),
    (PRECEDENTS, 0.1),
    ("discrepancy", 0.1),
)
"""What seizures' blend is made of, and the shares that held on synthetic networks of several kinds,
those with groups that are never caught among them (docs/trials.md); a part that no feature can feed
is left out."""


def discrepancy_head(
    dataset: Dataset,
    later: Positions,
    *,
    margins: Mapping[str, Floats],
    fitted: Collection[str],
    line_share: float,
) -> FittedHead:
    """Blend and calibrate discrepancy; raises ``NotEnoughDataError`` with too few finds.

    ``fitted`` are the parts of the final model; ``line_share``, in [0, 1], is the
    usual share of the line; trees have the rest.

    Parameters
    ----------
    later : int array of shape (m,)
        Rows that the folds predicted.
    margins : mapping of part to float64 array of shape (m,)
        Out-of-time log-odds; NaN where a fold had no such part.
    """
    seen = ~np.isnan(margins["discrepancy"])
    label = dataset.discrepancy[later][seen]
    if int(label.sum()) < SCALED_POSITIVES:
        raise NotEnoughDataError(
            "a calibration of discrepancies", "too few finds in the later half of the history"
        )
    fields = {name: one[seen] for name, one in margins.items()}
    usual = (("discrepancy", 1.0 - line_share), ("discrepancy_line", line_share))
    judged = _blend_parts(usual, fields, label)
    if UNSEEN_TREES not in fitted:
        return judged
    z = Head(judged.head.blend, UNCALIBRATED, Head(WHERE_UNSEEN, UNCALIBRATED)).log_odds(fields)
    is_known = ~np.isnan(z)  # an early fold may have had no trees for unseen fingerprints
    if int(label[is_known & (fields[UNSEEN] > 0)].sum()) < JUDGED_UNSEEN:
        return judged
    # One map for both: apart, that of new fingerprints held for no later period (docs/trials.md).
    knots = fit_knots(z[is_known], label[is_known])
    return replace(judged, head=Head(judged.head.blend, knots, Head(WHERE_UNSEEN, knots)))


def seizure_head(
    dataset: Dataset,
    later: Positions,
    *,
    margins: Mapping[str, Floats],
    dense: FittedHead,
    fitted: Collection[str],
) -> FittedHead:
    """Blend and calibrate seizure by what its positives can carry.

    ``dense`` is the head of discrepancy; all else, in its shapes, as :func:`discrepancy_head`
    takes it. With
    enough positives: own parts blended with discrepancy's trees. With some: discrepancy's blend,
    rescaled. With hardly any: discrepancy's chance lowered to the seizure rate, which holds when a
    seizure is equally likely among all discrepancies.
    """
    usable = dataset.evidence("seizure")[later] & ~np.isnan(margins["discrepancy"])
    grave = dataset.seizure[later]
    both = usable & ~np.isnan(margins["seizure"])
    if "seizure" in fitted and int(grave[both].sum()) >= BLENDED_POSITIVES:
        fields = {name: one[both] for name, one in margins.items()}
        return _blend_parts(USUAL, fields, grave[both])
    label, z = grave[usable], dense.head.margin(margins)[usable]
    counted = len(label), int(label.sum())
    if counted[1] >= SCALED_POSITIVES:
        knots = fit_knots(z, label, segments=1)
        return FittedHead(Head(dense.head.blend, knots), counted, {})
    # Too few to scale: among discrepancies, a seizure is taken to be equally likely everywhere.
    rate = (counted[1] + 0.5) / (counted[0] + 1.0)
    chance = float(probability(dense.head.knots(z)).mean()) if len(z) else 0.5
    lowered = dense.head.knots.shift(min(0.0, float(np.log(rate / chance))))
    return FittedHead(Head(dense.head.blend, lowered), counted, {})


def _blend_parts(usual: Shares, margins: Mapping[str, Floats], label: Labels) -> FittedHead:
    """Choose the shares of a target's parts and calibrate their blend, all on the same rows."""
    there = {name: share for name, share in usual if name in margins}
    names, whole = list(there), sum(there.values())
    pull: Sequence[float] = [share / whole for share in there.values()]
    columns = np.column_stack([margins[name] for name in names])
    last = slice(-JUDGED_ROWS, None)
    shares = fit_blend(columns[last], label[last], usual=pull)
    blend = tuple(
        (name, float(share)) for name, share in zip(names, shares, strict=True) if share > 0
    )
    z = Head(blend, UNCALIBRATED).margin(margins)
    losses = {
        name: straight_loss(column[last], label[last])
        for name, column in zip(names, columns.T, strict=True)
    }
    return FittedHead(
        Head(blend, fit_knots(z, label)),
        (len(label), int(label.sum())),
        losses | {"blend": straight_loss(z[last], label[last])},
    )
