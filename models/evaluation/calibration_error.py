"""Calibration error and Brier score, with the share of the error that is due to chance.

Assumes rows as they were selected. The calibration error is a mean of distances, so that bins of
few rows have one however right the chances are: a reader is told how much, and the lower end of its
interval is 0 where no more was seen.
"""

from typing import Any

import numpy as np

from models.array_types import Floats, Labels
from models.statistics import ranking_metrics
from models.statistics.intervals import DRAWS, LEVEL, Estimate, estimates, normal, unknown_estimate

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
