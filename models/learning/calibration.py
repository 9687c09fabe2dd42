"""Blending and calibration: a target's parts become one margin, and its margin a chance.

Assumes margins from a model that saw neither these rows nor anything after them. Seizures may be
hundreds, a dozen or none; each case has its answer, and none of them invents a scale that the data
cannot carry. Which parts are blended, and how much each weighs, is chosen on folds that lie after
what the parts saw by the label delay.

The map of a calibration is piecewise linear in log-odds, with one segment (a regularised Platt
scaling) when positives are few and more as they come.

The intercept correction assumes that labels were selected by more than features see: an officer who
picks what looks wrong to him finds more than others would in vehicles that read the same. A map
fitted on inspected rows then states too much for the rest, and for seizures more so than for
discrepancies, which bends the order of a risk that weighs both. Random checks hold what all
arrivals hold: they set the level, and never the order of one target's chances.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.optimize import minimize

from engine.errors import NotEnoughDataError
from models.array_types import Floats, Labels, Mask, Positions
from models.data.dataset import Dataset, Target
from models.scoring import (
    PRECEDENTS,
    UNCALIBRATED,
    UNSEEN,
    UNSEEN_TREES,
    Blend,
    Doubt,
    Head,
    Knots,
    probability,
)

FLATTEST = 0.02
"""Least slope: keeps the map strictly increasing where the data would make it flat."""
STEEPEST = 4.0
POSITIVES_A_SEGMENT = 60
MOST_SEGMENTS = 8
_STRENGTH = 5.0  # of the pull towards equal slopes, in units of log-likelihood
_PRIOR = 2.0  # of the pull of the mean slope towards 1
_STEPS = 10  # in which shares of a blend are tried
_NEWTON = 30  # steps at most
_CLOSE = 1e-7
_PULL = 30.0  # of a blend towards the shares that are usual: a dozen finds choose worse than these


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head, and what it was chosen and calibrated on."""

    head: Head
    counted: tuple[int, int]
    """Out-of-time rows and positives."""
    alone: Mapping[str, float]
    """Mean out-of-time log-loss of each part by itself and of the ``blend``."""
    level: float = 0.0
    """Log-odds by which the random stream moved its level.

    See :func:`correct_intercept`.
    """


def fit_knots(margin: Floats, label: Labels, *, segments: int | None = None) -> Knots:
    """Fit the map by penalised maximum likelihood.

    Segments end at quantiles of the positives' margins, as many as ``segments``, or by the number
    of positives. Slopes are held above a floor, pulled towards each other and, weakly, towards 1,
    so that few positives give a straight line that shifts the level and hardly anything else
    (Platt, 1999, with a prior).

    Parameters
    ----------
    margin, label : float64 and int8 array of shape (n,)
        Log-odds from a model that did not see these rows, and 1 or 0.
    """
    ends = _ends(margin, label, segments)
    width = np.diff(ends)
    # Column j is how far a margin has come through segment j; the outer two go on for ever.
    low, high = ends[:-1].copy(), width.copy()
    reach = np.clip(margin[:, None] - low, 0.0, high)
    reach[:, 0] += np.minimum(margin - ends[0], 0.0)
    reach[:, -1] += np.maximum(margin - ends[-1], 0.0)
    share = width / width.sum()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        level, slopes = parameters[0], parameters[1:]
        z = level + reach @ slopes
        cost = float(np.sum(np.logaddexp(0.0, z) - label * z))
        error = probability(np.clip(z, -500, 500)) - label
        bend, lean = np.diff(slopes), float(share @ slopes) - 1.0
        cost += _STRENGTH * float(bend @ bend) + _PRIOR * lean * lean
        push = np.zeros(len(slopes))
        push[1:] += 2 * _STRENGTH * bend
        push[:-1] -= 2 * _STRENGTH * bend
        push += 2 * _PRIOR * lean * share
        return cost, np.concatenate(([error.sum()], error @ reach + push))

    start = np.concatenate(([ends[0]], np.ones(len(width))))
    bounds = [(None, None)] + [(FLATTEST, STEEPEST)] * len(width)
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    levels = found[0] + np.concatenate(([0.0], np.cumsum(found[1:] * width)))
    return Knots(tuple(map(float, ends)), tuple(map(float, levels)))


def _ends(margin: Floats, label: Labels, segments: int | None) -> Floats:
    """Return where segments begin and end; between the ends lie positives enough for a slope."""
    if segments is None:
        segments = int(np.clip(int(label.sum()) // POSITIVES_A_SEGMENT, 1, MOST_SEGMENTS))
    shares = np.linspace(0, 1, segments + 1)[1:-1]
    inner = np.quantile(margin[label == 1], shares) if len(shares) else shares
    outer = np.quantile(margin, (0.001, 0.999))
    ends = np.unique(np.concatenate((outer[:1], inner, outer[1:])))
    apart = np.concatenate(([True], np.diff(ends) > 0.05))
    kept = ends[apart]
    return kept if len(kept) > 1 else np.array([kept[0] - 1.0, kept[0] + 1.0])


def fit_blend(margins: Floats, label: Labels, *, usual: Sequence[float]) -> Floats:
    """Return the shares of parts in a blend, in log-odds.

    Every blend on a grid is scaled (Platt) and judged by its log-likelihood, less a pull towards
    usual shares: with a handful of positives the likelihood is noise, and the usual is the safe
    answer.

    Parameters
    ----------
    margins, label : float64 array of shape (n, k), int8 array of shape (n,)
        Out-of-time log-odds of each part, and 1 or 0.
    usual : sequence of k floats
        Shares that sum to 1.

    Returns
    -------
    float64 array of shape (k,)
        Tenths, summing to 1.
    """
    cuts = product(range(_STEPS + 1), repeat=margins.shape[1] - 1)
    grid = [(*cut, _STEPS - sum(cut)) for cut in cuts if sum(cut) <= _STEPS]
    shares = np.array(grid) / _STEPS
    costs = [
        len(label) * straight_loss(margins @ share, label)
        + _PULL * float(((share - usual) ** 2).sum())
        for share in shares
    ]
    return np.asarray(shares[int(np.argmin(costs))], np.float64)


def straight_loss(margin: Floats, label: Labels) -> float:
    """Return the mean log-loss of a margin, shape (n,), that is scaled by one straight line.

    The same line as :func:`fit_knots` fits with one segment, by Newton's method: a blend is
    judged at dozens of shares, and two numbers need no general solver.
    """
    x, y = margin - margin.mean(), label.astype(np.float64)
    rate = float(np.clip(y.mean(), 1e-9, 1 - 1e-9))
    level, slope = float(np.log(rate / (1 - rate))), 1.0
    for _ in range(_NEWTON):
        chance = probability(np.clip(level + slope * x, -500, 500))
        error, spread = chance - y, np.maximum(chance * (1 - chance), 1e-12)
        push = np.array([error.sum(), error @ x + 2 * _PRIOR * (slope - 1.0)])
        cross = float(spread @ x)
        bend = np.array([[spread.sum(), cross], [cross, spread @ (x * x) + 2 * _PRIOR]])
        step = np.linalg.solve(bend, push)
        before, slope = slope, slope - float(np.clip(step[1], -1.0, 1.0))
        if not FLATTEST <= slope <= STEEPEST:  # held at the bound, the level alone is fitted
            slope, step[0] = min(max(slope, FLATTEST), STEEPEST), push[0] / bend[0, 0]
        level -= float(np.clip(step[0], -2.0, 2.0))
        if max(abs(step[0]), abs(slope - before)) < _CLOSE:
            break
    log_odds = level + slope * x
    return float(np.mean(np.logaddexp(0.0, log_odds) - y * log_odds))


SPREAD = 0.35
"""Log-odds by which a level may well be off before any random check (a prior's)."""
_LEVEL_STEPS = 50
_LEVEL_CLOSE = 1e-9


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

    ``usual`` is by how many log-odds the level is off unless random checks say otherwise. A dozen
    seizures would move it by their chance alone: theirs is that of discrepancies.

    Parameters
    ----------
    later : int array of shape (m,)
        Rows that the folds predicted.
    margins : dict of part to float64 array of shape (m,)
        Out-of-time log-odds.
    """
    usable = dataset.evidence(target)[later]
    drawn = (dataset.basis[later] == "random") & usable
    if not drawn.any():
        return judged
    log_odds = judged.head.log_odds(margins)
    is_known = ~np.isnan(log_odds)  # an early fold may have had no such part
    usable, drawn, label = usable & is_known, drawn & is_known, dataset.label(target)[later]
    shift = level(log_odds[drawn], label[drawn], usual=usual)
    doubt = estimate_doubt(log_odds[usable] + shift, label[usable], is_random=drawn[usable])
    head = replace(_shift_head(judged.head, shift), doubt=doubt)
    return replace(judged, head=head, level=shift)


def estimate_doubt(log_odds: Floats, label: Labels, *, is_random: Mask) -> Doubt | None:
    """Return how far chances may be off; None without a random check.

    The level's error is that of the random checks' finds alone, without its prior: a prior is no
    evidence. The slope's is that of all later rows, by the information of one straight line.

    Parameters
    ----------
    log_odds, label, is_random : float64, int8 and bool arrays of shape (n,)
        Calibrated and corrected chances of rows that the parts did not see, 1 or 0, and whether
        the row was a random check.
    """
    if not is_random.any():
        return None
    chance = probability(log_odds)
    spread = chance * (1 - chance)
    middle = float(spread @ log_odds / spread.sum())
    slope = float(spread @ (log_odds - middle) ** 2) + 2 * _PRIOR
    own = spread[is_random]
    return Doubt(
        random_finds=int(label[is_random].sum()),
        center=float(own @ log_odds[is_random] / own.sum()),
        level=float(own.sum() ** -0.5),
        slope=slope**-0.5,
    )


def level(log_odds: Floats, label: Labels, *, usual: float = 0.0) -> float:
    """Return the shift of log-odds that fits labels best, with a normal prior of mean ``usual``.

    Log-odds are float64 and labels int8 (1 or 0) of shape (n,); the prior's deviation is
    ``SPREAD``.
    """
    shift = usual
    for _ in range(_LEVEL_STEPS):
        chance = probability(log_odds + shift)
        push = float((chance - label).sum()) + (shift - usual) / SPREAD**2
        step = push / (float((chance * (1 - chance)).sum()) + 1 / SPREAD**2)
        shift -= float(np.clip(step, -1.0, 1.0))
        if abs(step) < _LEVEL_CLOSE:
            break
    return shift


def _shift_head(head: Head, shift: float) -> Head:
    unseen = None if head.unseen is None else _shift_head(head.unseen, shift)
    return replace(head, knots=head.knots.shift(shift), unseen=unseen)


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
