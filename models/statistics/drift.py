"""Drift of features and scores from a reference, measured without labels.

Assumes a reference kept with the model: how each feature fell into bins of its own quantiles. A
shift says that the model is asked about other vehicles than it knows, not that it is wrong; whether
it is wrong, only inspections can tell (:mod:`models.statistics.sequential_test`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from models.array_types import Floats
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
