"""Figures of one view of a report: labelled rows against a ranking, and calibration.

Assumes that rows without evidence are draws that were not carried out in full. Those are not
missing by chance, so figures are of the rest, and intervals reach from the worst to the best that
the missing could have shown (Manski, 1989).

Calibration error and Brier score are of rows as they were selected. The calibration error is a mean
of distances, so that bins of few rows have one however right the chances are: the share of the
error that is due to chance is stated, and the lower end of its interval is 0 if no more was seen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from models.array_types import Floats, Labels, Mask
from models.statistics import ranking_metrics
from models.statistics.intervals import (
    DRAWS,
    FEWEST,
    LEVEL,
    TOO_FEW,
    Estimate,
    estimates,
    interval_between,
    narrow,
    normal,
    resample_interval,
    share,
    unknown_estimate,
    withhold_estimate,
)

BINS = 15
FEWEST_IN_A_BIN = 10
"""Below, what came in a bin is noise, and the error with it."""


def calibration_figures(chance: Floats, label: Labels, *, seed: int) -> dict[str, Any]:
    """Return how stated chances agree with what came.

    ``calibration_error`` and ``brier`` are estimates; ``reliability`` has the bins, and
    ``by_chance`` the error that right chances would have in as many rows.

    Parameters
    ----------
    chance, label : float64 and int8 array of shape (n,)
        Probabilities, and 1 or 0.
    """
    distance = (chance - label) ** 2

    def brier(weight: Floats) -> float:
        return float(weight @ distance / weight.sum())

    bins = ranking_metrics.reliability(chance, label, bins=BINS)
    error, by_chance = _error(bins, int(label.sum()), seed=seed)
    return {
        "calibration_error": error.as_dict(),
        "brier": estimates({"brier": brier}, label, seed=seed)["brier"].as_dict(),
        "reliability": bins.as_dict() | {"by_chance": by_chance},
    }


def _error(
    bins: ranking_metrics.Reliability, positives: int, *, seed: int
) -> tuple[Estimate, float | None]:
    """Return the calibration error with its interval, and what chance alone makes of it.

    What came lies ``D`` from what would come in the long run, a mean over the bins; the error seen
    and the true one differ by ``D`` at most (triangle inequality). The upper end is nearer: an
    error seen is larger than the true one on average (Jensen), and strays by the rows' noise.
    """
    counts = np.array(bins.counts)
    n = int(counts.sum())
    if n < BINS * FEWEST_IN_A_BIN:
        fewest = BINS * FEWEST_IN_A_BIN
        return unknown_estimate(n, positives, f"fewer than {fewest} inspections to bin"), None
    chance = (np.array(bins.stated) + np.array(bins.came)) / 2
    came = np.random.default_rng(seed).binomial(counts, chance, (DRAWS, len(counts))) / counts
    strayed = np.abs(came - chance) @ counts / n
    low = max(0.0, bins.error - float(np.quantile(strayed, (1 + LEVEL) / 2)))
    high = min(1.0, normal(bins.error, float(counts @ (chance * (1 - chance))) / n**2)[1])
    made = Estimate(bins.error, low, high, n, positives, knowable=True)
    return made, float(strayed.mean())


SHARES = ("hit_rate_at_capacity", "recall_at_capacity", "base_rate")
AT_CAPACITY = ("hit_rate_at_capacity", "recall_at_capacity", "lift")
RESAMPLING = 1979
"""Seed of every bootstrap: a report computed again is the same report."""
_STEPS = 20
"""Places at which what is missing is parted into finds and clear ones, to see what that makes."""
Statistics = Mapping[str, Callable[[Floats], float]]


@dataclass(frozen=True, slots=True)
class View:
    """Rows of one target, how each weighs, and whether exact intervals apply."""

    label: Labels
    """1 or 0, and -1 where a draw has no evidence."""
    chosen: Mask
    """Within capacity."""
    chance: Floats
    ranked: Floats
    weight: Floats
    exact: bool
    faults: tuple[str, ...] = ()
    """Why nothing is claimed of these rows; empty where something is."""
    thin: tuple[str, ...] = ()
    """Why nothing is claimed of those within capacity."""

    @property
    def missing(self) -> Mask:
        """Rows without evidence, shape (n,)."""
        return np.asarray(self.label < 0, np.bool_)

    def with_evidence(self) -> Self:
        """Return the rows with evidence."""
        seen = ~self.missing
        names = ("label", "chosen", "chance", "ranked", "weight")
        return replace(self, **{name: getattr(self, name)[seen] for name in names})


def figures(view: View) -> dict[str, Any]:
    """Return the figures of one view, each as an estimate, exact where they are shares of counts.

    With ``rows`` and ``finds`` with evidence, ``not_carried_out`` (draws without), and
    ``effective_rows`` (Kish, 1965).
    """
    seen = view.with_evidence()
    made = estimates(_statistics(seen, seen.label), seen.label, weight=seen.weight, seed=RESAMPLING)
    if view.missing.any():
        made = _bound_figures(view, made)
    if view.exact:
        made |= share_estimates(view.label, view.chosen)
    for name in SHARES:
        made[name] = narrow(made[name])
    spread = float(seen.weight @ seen.weight)
    return {
        "rows": len(seen.label),
        "finds": int(seen.label.sum()),
        "not_carried_out": int(view.missing.sum()),
        "effective_rows": float(seen.weight.sum() ** 2 / spread) if spread else 0.0,
    } | {name: withhold_estimate(one, _against(view, name)).as_dict() for name, one in made.items()}


_FARTHER, _FARTHEST = 1.05, 1e7
"""Steps in which more checks are tried, and the most that are."""


def count_needed_checks(view: View, *, weeks: float) -> dict[str, float] | None:
    """Return how many random checks would make hit rate and recall at capacity knowable.

    ``view`` is of the random checks of a period of ``weeks``. Assumes that later checks find as
    often as these did, half a find more counted, and as often within capacity. Returned are
    ``checks``, those made counted in, and ``weeks`` from now at this pace; None where both are
    knowable, where nothing is to go by, or where more checks would not help.
    """
    rows, finds = len(view.label), int((view.label == 1).sum())
    inside = int(view.chosen.sum())
    if not rows or not inside or view.faults or weeks <= 0:
        return None
    caught = int((view.chosen & (view.label == 1)).sum())
    base = (finds + 0.5) / (rows + 1)
    rate, recall = (caught + 0.5) / (inside + 1), (caught + 0.5) / (finds + 1)
    checks = float(rows)
    while checks < _FARTHEST:
        there, held = max(1, round(checks * inside / rows)), max(1, round(checks * base))
        known = share(round(rate * there), there), share(round(recall * held), held)
        if all(one.knowable for one in known):
            break
        checks *= _FARTHER
    if checks == rows or checks >= _FARTHEST:
        return None
    return {"checks": float(round(checks)), "weeks": weeks * (checks - rows) / rows}


def _against(view: View, name: str) -> tuple[str, ...]:
    """Return what speaks against one figure."""
    found = (*view.faults, *(view.thin if name in AT_CAPACITY else ()))
    return tuple(dict.fromkeys(found))


def curve(view: View) -> dict[str, Any]:
    """Return the share of finds caught by inspecting the riskiest share, for a plot.

    ``capacity`` and ``caught`` are shares in [0, 1], with the ``low`` and ``high`` of a 95 %
    interval at each point; all empty where the curve is not ``knowable``, with ``why``.
    """
    finds, n = int((view.label == 1).sum()), int((~view.missing).sum())
    names = ("capacity", "caught", "low", "high")
    why = "; ".join(view.faults)
    if min(finds, n - finds) < FEWEST:
        why = TOO_FEW
    if why:
        return {name: [] for name in names} | {"knowable": False, "why": why}
    ends = [
        resample_interval(
            ranking_metrics.capture(view.ranked, view.label, missing=way),
            view.weight,
            seed=RESAMPLING,
        )
        for way in (("worst", "best") if view.missing.any() else ("left out",))
    ]
    caught = ranking_metrics.capture(view.ranked, view.label)(view.weight)
    found = (ranking_metrics.SHARES, caught, ends[0][0], ends[-1][1])
    return dict(zip(names, (one.tolist() for one in found), strict=True)) | {
        "knowable": True,
        "why": "",
    }


def _statistics(view: View, label: Labels) -> Statistics:
    """Return every figure as a function of row weights, for some labels."""
    chosen, hit = view.chosen, label == 1

    def rate(w: Floats) -> float:
        return _ratio(w @ (chosen & hit), float(w @ chosen))

    def base(w: Floats) -> float:
        return _ratio(w @ hit, float(w.sum()))

    return {
        "hit_rate_at_capacity": rate,
        "recall_at_capacity": lambda w: _ratio(w @ (chosen & hit), w @ hit),
        "base_rate": base,
        "lift": lambda w: _ratio(rate(w), base(w)),
        "average_precision": ranking_metrics.average_precision(view.chance, label),
        "auc": ranking_metrics.auc(view.chance, label),
    }


def share_estimates(label: Labels, chosen: Mask) -> dict[str, Estimate]:
    """Return the shares of counts, with exact ends.

    Parameters
    ----------
    label : int8 array of shape (n,)
        1 or 0, and -1 where a draw has no evidence.
    chosen : bool array of shape (n,)
        Within capacity.
    """
    hit, lost = label == 1, label < 0
    caught, hits = int((chosen & hit).sum()), int(hit.sum())
    inside, outside = int((chosen & lost).sum()), int((~chosen & lost).sum())
    return {
        "hit_rate_at_capacity": _share(caught, int((chosen & ~lost).sum()), missing=inside),
        "recall_at_capacity": interval_between(
            caught, hits, worst=(caught, hits + outside), best=(caught + inside, hits + inside)
        ),
        "base_rate": _share(hits, int((~lost).sum()), missing=inside + outside),
    }


def _share(hits: int, n: int, *, missing: int) -> Estimate:
    return interval_between(hits, n, worst=(hits, n + missing), best=(hits + missing, n + missing))


def _bound_figures(view: View, made: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return figures with ends as far apart as what is missing could have set them."""
    tried = [_statistics(view, label) for label in _fill_labels(view)]
    plain = np.array([[one[name](view.weight) for name in made] for one in tried])
    ends = []
    for pick, side in ((np.nanargmin, 0), (np.nanargmax, 1)):
        chosen = [
            tried[int(pick(column)) if np.isfinite(column).any() else 0][name]
            for name, column in zip(made, plain.T, strict=True)
        ]
        ends.append(
            resample_interval(_together(chosen), view.weight, seed=RESAMPLING)[side].tolist()
        )
    return {
        name: replace(one, low=low, high=high) if one.knowable else one
        for (name, one), low, high in zip(made.items(), *ends, strict=True)
    }


def _together(statistics: Sequence[Callable[[Floats], float]]) -> Callable[[Floats], Floats]:
    return lambda weight: np.array([figure(weight) for figure in statistics])


def _fill_labels(view: View) -> Iterator[Labels]:
    """Yield labels in which some of what is missing held something, and the rest nothing.

    Those within capacity, all others, and all below or above some place of the stated chance: an
    order is at its worst where the least risky of the missing hold something and no others do.
    """
    lost = np.flatnonzero(view.missing)
    inside = view.chosen[lost]
    place = np.argsort(np.argsort(view.chance[lost], kind="stable"), kind="stable") / len(lost)
    cuts = np.linspace(0, 1, _STEPS + 1)
    for held in (inside, ~inside, *(place < cut for cut in cuts), *(place >= cut for cut in cuts)):
        label = view.label.copy()
        label[lost] = held
        yield label


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")
