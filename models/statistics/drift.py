"""Drift of features and scores without labels, and a sequential test of what inspections find.

Assumes a reference kept with the model: how each feature fell into bins of its own quantiles. A
shift says that the model is asked about other vehicles than it knows, not that it is wrong; whether
it is wrong, only inspections can tell.

The sequential test of whether inspections still find what was stated (an e-detector) assumes that
stated chances may be off by a fifth of their odds for no reason worth an alarm. What is beyond that
is gathered as evidence: how much likelier the outcomes are if the odds have fallen to 0.6, 0.4 or
0.2 of what was stated, summed over every time at which that could have begun (Shiryaev, 1963; as an
e-detector: Shin, Ramdas and Rinaldo, 2022). While stated chances hold, the evidence after t periods
is t at most on average: it stays below the threshold for that many periods on average, however
often it is looked at, and within t periods an alarm has a probability of at most t / threshold.

Restarting the detector discards the accumulated evidence, so that a slow loss is found late or
never. And it may be looked at within a period as well, after any search: no more
than one is added for each period that has begun.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from models.array_types import Floats, Labels
from models.statistics.intervals import Estimate, share, unknown_estimate

BINS = 10
MOVED = 0.1
"""PSI from which a shift is worth a word (0.1 to 0.25 is called moderate, above it large)."""
FALSE_SHIFTS = 0.01
"""Probability that any of the features is called moved by chance alone."""
RISK = "risk"
"""Name of the one column of a reference of scores."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How features fell into bins when the model learnt."""

    names: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    """Inner bounds of the bins of each feature, rising."""
    shares: tuple[tuple[float, ...], ...]
    """Share of rows in each bin; the last is of rows without a value."""
    rows: int
    of_entries: bool = False
    """Whether no exit is among them: exits are not to be held against it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the reference as JSON keeps it."""
        return {
            "rows": self.rows,
            "of_entries": self.of_entries,
            "features": {
                name: {"edges": list(edges), "shares": list(shares)}
                for name, edges, shares in zip(self.names, self.edges, self.shares, strict=True)
            },
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote."""
        features = kept["features"]
        return cls(
            tuple(features),
            tuple(tuple(one["edges"]) for one in features.values()),
            tuple(tuple(one["shares"]) for one in features.values()),
            int(kept["rows"]),
            bool(kept["of_entries"]),
        )


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """How far one feature, or the score, has moved."""

    name: str
    psi: float
    """Population stability index: 0 where nothing moved."""
    noise: float
    """PSI that samples of these sizes hardly ever exceed when nothing moved."""

    @property
    def has_moved(self) -> bool:
        """Whether the shift is both large enough to matter and no accident."""
        return self.psi > max(MOVED, self.noise)


def reference(
    values: NDArray[Any], names: Sequence[str], *, bins: int = BINS, of_entries: bool = False
) -> Reference:
    """Bin each column by its own quantiles.

    There are ``bins`` at most; equal quantiles (a flag has two) give fewer. ``values`` (float,
    shape (n, f)) are as the model was fitted on; NaN where nothing was known is a bin of its own.
    ``of_entries`` says whether the rows are entries alone.
    """
    edges, shares = [], []
    for place in range(values.shape[1]):  # one at a time: they may lie in a file
        column = values[:, place]
        edges.append(_edges(column, bins))
        shares.append(_shares(column, edges[-1]))
    return Reference(
        tuple(names),
        tuple(tuple(e.tolist()) for e in edges),
        tuple(tuple(s.tolist()) for s in shares),
        len(values),
        of_entries,
    )


def shifts(known: Reference, values: NDArray[Any]) -> tuple[FeatureShift, ...]:
    """Return how far each of f columns has moved, the farthest first.

    ``values`` (float, shape (m, f)) are what came since, in the order of ``known.names``. Without a
    shift, PSI is near a chi-squared variable times ``1/n + 1/m``; its level is set for all features
    together. Rows are taken as independent: a few busy vehicles move counters more than this allows
    for.
    """
    if not len(values):
        return ()
    n = 1 / known.rows + 1 / len(values)
    made = []
    for place, (name, edges, shares) in enumerate(
        zip(known.names, known.edges, known.shares, strict=True)
    ):
        freedom = max(1, sum(share > 0 for share in shares) - 1)
        noise = float(chdtri(freedom, FALSE_SHIFTS / len(known.names))) * n
        now = _shares(values[:, place], np.array(edges))
        made.append(
            FeatureShift(name, psi(np.array(shares), now, sizes=(known.rows, len(values))), noise)
        )
    return tuple(sorted(made, key=lambda one: -one.psi))


def psi(before: Floats, now: Floats, *, sizes: tuple[int, int]) -> float:
    """Return the population stability index of two sets of shares, each of shape (bins,).

    Half a row is added to every bin, so that an empty one is rare and not impossible.
    """
    p, q = (
        (shares * size + 0.5) / (size + 0.5 * len(shares))
        for shares, size in zip((before, now), sizes, strict=True)
    )
    return float(np.sum((q - p) * np.log(q / p)))


@dataclass(frozen=True, slots=True)
class ScoreShift:
    """How the scores have moved, and what that does to the load on the post."""

    shift: FeatureShift
    above_cut: Estimate
    """Share of the new scores above the cut that kept ``expected`` of the old."""
    expected: float

    def as_dict(self) -> dict[str, Any]:
        """Return the shift as reports and measurements keep it."""
        return {
            "psi": self.shift.psi,
            "noise": self.shift.noise,
            "moved": self.shift.has_moved,
            "above_cut": self.above_cut.as_dict(),
            "expected": self.expected,
        }


def score_shift(before: Floats, now: Floats, *, capacity: float) -> ScoreShift:
    """Compare scores with those of the model's own reference period; no label is needed.

    Where either period holds no score, nothing is known to have moved, and the share above the cut
    is not yet knowable. ``capacity``, the share that can be searched, sets the cut.

    Parameters
    ----------
    before, now : float64 arrays of shape (n,) and (m,)
        Risks of the reference period and of what came since.
    """
    if not len(before) or not len(now):
        why = "one of the two periods holds no score"
        return ScoreShift(
            FeatureShift(RISK, 0.0, 0.0), unknown_estimate(len(now), 0, why), capacity
        )
    known = reference(before[:, None], (RISK,), bins=2 * BINS)
    (moved,) = shifts(known, now[:, None])
    cut = float(np.quantile(before, 1 - capacity))
    return ScoreShift(moved, share(int((now > cut).sum()), len(now)), float(np.mean(before > cut)))


def _edges(column: NDArray[Any], bins: int) -> Floats:
    known = column[~np.isnan(column)].astype(np.float64)
    if not len(known):
        return np.zeros(0)
    inner = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.asarray(
        inner[inner < known.max()], np.float64
    )  # values equal to an edge lie below it


def _shares(column: NDArray[Any], edges: Floats) -> Floats:
    missing = np.isnan(column)
    bins = np.searchsorted(edges, column[~missing], side="left")
    counts = np.append(np.bincount(bins, minlength=len(edges) + 1), missing.sum())
    return np.asarray(counts / max(1, len(column)), np.float64)


TOLERANCE = 0.8
"""Stated odds times this are still as stated."""
FALLEN = (0.6, 0.4, 0.2)
"""Multiples of the stated odds that the alarm looks for."""
RISEN = (1.7, 2.5, 5.0)
"""The same for random checks, which find more than stated where something new goes unseen."""
QUIET = 1.0
"""Evidence up to this is what a period without any change leaves."""
THRESHOLD = 520.0
"""Periods between false alarms at least, on average: ten years of weeks."""


@dataclass(frozen=True, slots=True)
class EDetector:
    """Evidence that outcomes have left what was stated, one part for each alternative."""

    odds: tuple[float, ...] = FALLEN
    evidence: tuple[float, ...] = (0.0, 0.0, 0.0)
    periods: int = 0
    began: int = 0
    """The last period whose evidence was none: what changed, changed about then."""
    highest: float = 0.0
    """The most evidence that there was after any search: an alarm that was given stays said."""

    @property
    def total(self) -> float:
        """The evidence of all alternatives together."""
        return sum(self.evidence) / len(self.evidence)

    @property
    def is_alarming(self) -> bool:
        """Whether stated chances can no longer be believed."""
        return self.total >= THRESHOLD

    @property
    def has_alarmed(self) -> bool:
        """Whether they could not be believed after any of the searches so far."""
        return self.highest >= THRESHOLD

    def as_dict(self) -> dict[str, Any]:
        """Return what a report keeps of it."""
        return {
            "weeks": self.periods,
            "evidence": self.total,
            "threshold": THRESHOLD,
            "alarmed": self.has_alarmed,
        }


def watch_more() -> EDetector:
    """Return a watch over random checks, which alarms when they find more than stated."""
    return EDetector(odds=RISEN)


def update_detector(watch: EDetector, stated: Floats, found: Labels) -> EDetector:
    """Return the watch after one more period.

    Parameters
    ----------
    watch : Watch
    stated : float64 array of shape (k,)
        Chance of a find as stated before each search of the period, by the model then in force.
    found : int8 array of shape (k,)
        1 or 0, in the order in which they became known. Searches whose outcome is not known yet
        belong to the period in which it is.
    """
    fallen = watch.odds[0] < 1
    odds = np.clip(stated, 1e-9, 1 - 1e-9)
    odds = odds / (1 - odds)
    held = odds * (TOLERANCE if fallen else 1 / TOLERANCE)
    grown = np.empty((len(watch.odds), len(stated) + 1))
    for row, before, multiple in zip(grown, watch.evidence, watch.odds, strict=True):
        changed = odds * multiple
        gain = (
            np.where(found == 1, np.log(changed / held), 0.0) + np.log1p(held) - np.log1p(changed)
        )
        # Far beyond the threshold the exact number says no more.
        so_far = np.minimum(np.concatenate(([0.0], np.cumsum(gain))), 60.0)
        row[:] = np.minimum(1e30, (before + 1.0) * np.exp(so_far))
    made = replace(
        watch,
        evidence=tuple(grown[:, -1].tolist()),
        periods=watch.periods + 1,
        highest=max(watch.highest, float(grown.mean(axis=0).max())),
    )
    return replace(made, began=made.periods) if made.total <= QUIET else made


def over(
    watch: EDetector, stated: Floats, found: Labels, *, periods: NDArray[np.int64]
) -> EDetector:
    """Return the watch after many searches, period by period.

    Parameters
    ----------
    stated, found : arrays of shape (n,)
        As :func:`after` takes them.
    periods : int64 array of shape (n,)
        The number of the period in which each became known; one without a search adds nothing.
    """
    for period in np.unique(periods):
        here = periods == period
        watch = update_detector(watch, stated[here], found[here])
    return watch
