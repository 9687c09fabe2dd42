"""Quality of a ranking and of stated chances, at a post that can search a few vehicles in 100.

Assumes a capacity: a share of each post's daily entries. Average precision and AUC are functions of
row weights: rows are sorted once, and each draw of a bootstrap costs two cumulative sums. The
functions of scikit-learn sort and validate at every call, which takes 7 to 160 times as long; they
serve where one figure is enough, and the tests hold both equal to 1e-12.

A firm with a few finds and a thousand clean passages can fill a list by itself. That is not wrong
by itself, but nobody should have to find it out: the largest party's share is always stated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from models.array_types import Floats, Labels, Mask
from models.statistics.intervals import clopper_pearson


def _rank_scores(score: Floats, label: Labels) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Sort once; return a function of weights to cumulative hits and misses at distinct scores."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))  # ties count together
    hit = label[order] == 1

    def accumulate(weight: Floats) -> tuple[Floats, Floats]:
        sorted_weight = weight[order]
        hits = np.cumsum(np.where(hit, sorted_weight, 0.0))[last]
        return hits, np.cumsum(sorted_weight)[last] - hits

    return accumulate


def average_precision(score: Floats, label: Labels) -> Callable[[Floats], float]:
    """Return AP as a function of row weights.

    Parameters
    ----------
    score, label : float64 and int8 array of shape (n,)
        Higher is riskier, and ties are one step, so no order within them can flatter; 1 or 0.

    Returns
    -------
    callable
        Weights of shape (n,) to the mean of precision over recall, NaN without positives.
    """
    accumulate = _rank_scores(score, label)

    def figure(weight: Floats) -> float:
        hits, misses = accumulate(weight)
        if not len(hits) or hits[-1] == 0:
            return float("nan")
        seen = np.maximum(hits + misses, np.finfo(float).tiny)
        return float(np.sum(np.diff(hits, prepend=0.0) * hits / seen) / hits[-1])

    return figure


def auc(score: Floats, label: Labels) -> Callable[[Floats], float]:
    """Return the area under the ROC curve as a function of row weights.

    Parameters
    ----------
    score, label : float64 and int8 array of shape (n,)
        Higher is riskier, and ties count half; 1 or 0.

    Returns
    -------
    callable
        Weights of shape (n,) to the area in [0, 1], NaN without positives or without negatives.
    """
    accumulate = _rank_scores(score, label)

    def figure(weight: Floats) -> float:
        hits, misses = accumulate(weight)
        if not len(hits) or hits[-1] == 0 or misses[-1] == 0:
            return float("nan")
        steps = np.diff(misses, prepend=0.0)
        before = np.concatenate(([0.0], hits[:-1]))
        return float(np.sum(steps * (hits + before) / 2) / (hits[-1] * misses[-1]))

    return figure


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated chances and observed shares, in bins of equal count."""

    stated: tuple[float, ...]
    came: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Exact 95 % interval of the observed share, bin by bin."""
    counts: tuple[int, ...]
    error: float
    """Expected calibration error: mean distance of both, weighted by count. Right chances
    have one too, the larger the fewer rows (:mod:`models.evaluation.metric_view`)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the bins as JSON keeps them."""
        return {
            "said": list(self.stated),
            "came": list(self.came),
            "low": list(self.low),
            "high": list(self.high),
            "counts": list(self.counts),
        }


def reliability(chance: Floats, label: Labels, *, bins: int = 15) -> Reliability:
    """Compare chances with outcomes in bins of equal count.

    So a rare target does not fall into the first bin whole. Chances (probabilities) are float64,
    labels int8 (1 or 0), both of shape (n,).
    """
    order = np.argsort(chance, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    stated = tuple(float(chance[part].mean()) for part in parts)
    came = tuple(float(label[part].mean()) for part in parts)
    counts = tuple(len(part) for part in parts)
    gaps = [abs(s - c) * n for s, c, n in zip(stated, came, counts, strict=True)]
    ends = [clopper_pearson(int(label[part].sum()), len(part)) for part in parts]
    low, high = (tuple(end[side] for end in ends) for side in (0, 1))
    return Reliability(stated, came, low, high, counts, sum(gaps) / max(1, len(chance)))


def within_capacity(
    risk: Floats,
    post: NDArray[np.object_],
    arrived_at: NDArray[np.int64],
    *,
    capacity: float,
    seed: int,
    minutes: Floats | None = None,
) -> Mask:
    """Return the rows that a post would inspect: the riskiest share of each of its days.

    ``capacity`` is a share of arrivals, or of their minutes. What a day's rounding leaves over is
    carried to the post's next day, so that small posts get their share as well.

    Parameters
    ----------
    risk : float64 array of shape (n,)
        Rows that may be inspected; ties are broken at random by ``seed``, never by arrival.
    post, arrived_at : object and int64 array of shape (n,)
        Days are UTC days of the arrivals, UTC microseconds.
    minutes : float64 array of shape (n,), optional
        What each inspection takes, more than 0; all alike when absent.

    Returns
    -------
    bool array of shape (n,)
    """
    chosen = np.zeros(len(risk), np.bool_)
    _, posts = np.unique(post.astype(str), return_inverse=True)
    tie_order = np.random.default_rng(seed).random(len(risk))
    days = arrived_at // DAY
    order = np.lexsort((tie_order, -risk, days, posts))
    key = posts[order] * (np.int64(days.max(initial=0)) + 1) + days[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    ends = np.append(starts[1:], len(order))
    spent = np.cumsum(np.ones(len(order)) if minutes is None else minutes[order])
    owed, at = 0.0, -1
    for start, end in zip(starts, ends, strict=True):
        before = spent[start - 1] if start else 0.0
        if posts[order[start]] != at:
            owed, at = 0.0, int(posts[order[start]])
        owed += capacity * float(spent[end - 1] - before)
        take = int(np.searchsorted(spent[start:end] - before, owed + 1e-9, side="right"))
        owed -= float(spent[start + take - 1] - before) if take else 0.0
        chosen[order[start : start + take]] = True
    return chosen


SHARES = np.linspace(0, 1, 51)
"""Shares of the arrivals inspected at which a curve of finds caught is computed."""


def capture(
    risk: Floats, label: Labels, *, missing: Literal["left out", "worst", "best"] = "left out"
) -> Callable[[Floats], Floats]:
    """Return the share of finds caught at ``SHARES`` as a function of row weights.

    Parameters
    ----------
    risk : float64 array of shape (n,)
        The riskiest are inspected first; a random choice catches the share that it inspects.
    label : int8 array of shape (n,)
        1 or 0, and -1 where it is missing.
    missing : {"left out", "worst", "best"}
        At each share, whether those missing hold something beyond it alone, or before it alone.
    """
    order = np.argsort(-risk, kind="stable")
    hit, lost = label[order] == 1, label[order] < 0

    def figure(weight: Floats) -> Floats:
        ordered = weight[order]
        searched = np.cumsum(np.where(lost, 0.0, ordered) if missing == "left out" else ordered)
        if not len(order) or searched[-1] == 0:
            return np.full(len(SHARES), np.nan)
        caught, unseen = np.cumsum(np.where(hit, ordered, 0.0)), np.cumsum(lost * ordered)
        finds = np.full(len(order), caught[-1])
        if missing == "worst":
            finds = caught[-1] + unseen[-1] - unseen
        elif missing == "best":
            finds, caught = caught[-1] + unseen, caught + unseen
        share = np.divide(caught, finds, out=np.full(len(order), np.nan), where=finds > 0)
        x = np.concatenate(([0.0], searched / searched[-1]))
        return np.interp(SHARES, x, np.concatenate(([0.0], share)))

    return figure


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
