"""Estimates with confidence intervals, or the reason why they are not yet knowable.

Assumes independent rows within a figure. Where the interval is too wide to act on, or nothing was
counted, the answer is "not yet knowable", with the reason: a figure that cannot be told is worse
than none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy  # its parts load at first use: a service that starts does not wait for them
from numpy.typing import ArrayLike

from models.array_types import Floats, Labels

LEVEL = 0.95
DRAWS = 400
WIDEST = 0.25
"""A share whose 95 % interval is wider than this supports no decision."""
FEWEST = 5
"""A ratio or a ranking figure over fewer positives than this is noise."""
TOO_FEW = f"fewer than {FEWEST} finds, or than {FEWEST} inspections without one"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, or why it cannot be known yet."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    positives: int
    knowable: bool
    why: str = ""
    """Why not, where it is not knowable."""

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON keeps it."""
        return asdict(self)


def unknown_estimate(n: int, positives: int, why: str) -> Estimate:
    """Return the answer "not yet knowable"."""
    return Estimate(None, None, None, n, positives, knowable=False, why=why)


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """By how much one figure differs from another."""

    value: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval, wider than need be where both were judged on the same rows."""
    n: int
    """Inspections behind the figure that has fewer."""
    conclusion: Literal["higher", "lower", "same", "not_knowable"]
    """``same``: they cannot be told apart."""


def subtract_estimates(first: Estimate, second: Estimate) -> FigureDifference:
    """Return the difference of two estimates with its 95 % interval.

    ``first`` less ``second``; the interval adds the distances to their ends in squares (Zou and
    Donner, 2008; of two shares it is Newcombe's, 1998). Assumes independent estimates: where both
    were judged on the same rows they move together, and the interval is wider than it need be.
    ``value``, ``low`` and ``high`` are None, and ``conclusion`` ``not_knowable``, where either is
    not knowable; else it is ``higher``, ``lower``, or ``same`` where the interval holds 0.

    >>> one = Estimate(0.5, 0.4, 0.6, n=90, positives=45, knowable=True)
    >>> found = subtract_estimates(one, Estimate(0.2, 0.1, 0.3, n=80, positives=16, knowable=True))
    >>> found.conclusion, round(found.low or 0.0, 2), round(found.high or 0.0, 2), found.n
    ('higher', 0.16, 0.44, 80)
    """
    n = min(first.n, second.n)
    known = [(one.value, one.low, one.high) for one in (first, second) if one.knowable]
    ends = [end for one in known for end in one if end is not None]
    if len(ends) < 6:
        return FigureDifference(None, None, None, n, "not_knowable")
    first_value, first_low, first_high, second_value, second_low, second_high = ends
    value = first_value - second_value
    low = value - math.hypot(first_value - first_low, second_high - second_value)
    high = value + math.hypot(first_high - first_value, second_value - second_low)
    conclusion: Literal["higher", "lower", "same"]
    conclusion = "higher" if low > 0 else "lower" if high < 0 else "same"
    return FigureDifference(value, low, high, n, conclusion)


def clopper_pearson(hits: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact binomial interval of a share, in [0, 1] (Clopper and Pearson, 1934).

    It covers the truth in at least 95 % of samples. 0 <= hits <= n, and n > 0: counts, or effective
    ones of a weighted share, which need not be whole (Korn and Graubard, 1998). With no hit in n
    the upper end is 1 - 0.025^(1/n), about 3.7 / n (the rule of three, made two-sided).
    """
    if not 0 <= hits <= n or n == 0:
        raise ValueError("a share needs 0 <= hits <= n and n > 0")
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(scipy.special.betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(scipy.special.betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def share(hits: int, n: int) -> Estimate:
    """Return a share with its exact interval; not knowable when the interval is too wide.

    >>> share(5, 10).knowable  # from 0.19 to 0.81
    False

    Zero hits are an answer where n is large: the upper end says how much they still allow.
    """
    return interval_between(hits, n, worst=(hits, n), best=(hits, n))


def interval_between(
    hits: int, n: int, *, worst: tuple[int, int], best: tuple[int, int]
) -> Estimate:
    """Return a share of which part was never counted, with the exact ends of both extremes.

    ``worst`` and ``best`` are hits and n, had what was not counted come out as low, and as high, as
    it can (Manski, 1989).
    """
    if n == 0:
        return unknown_estimate(0, 0, "nothing was counted")
    low, high = clopper_pearson(*worst)[0], clopper_pearson(*best)[1]
    return narrow(Estimate(hits / n, low, high, n, hits, knowable=True))


def narrow(made: Estimate) -> Estimate:
    """Return a share as it is, or as not knowable where its interval is too wide to act on."""
    if made.low is None or made.high is None or made.high - made.low <= WIDEST:
        return made
    return replace(made, knowable=False, why=f"the interval is wider than {WIDEST:.2f}")


def withhold_estimate(made: Estimate, faults: Sequence[str]) -> Estimate:
    """Return the estimate, not to be acted on where something speaks against it."""
    return replace(made, knowable=False, why="; ".join(faults)) if faults else made


def weighted_sum(
    total: float, variance: float, *, widest: float, level: float = LEVEL
) -> tuple[float, float]:
    """Return the interval of a weighted sum of rare finds (Fay and Kim, 2017).

    Gamma distributions of the same mean and variance: skewed, as sums of a few heavy finds are,
    where a normal interval would start below 0 and end too early. Of the two that bracket the truth
    (Fay and Feuer, 1997), one without and one with another find of the heaviest kind, the even
    mixture covers about as often as it says. ``widest`` is the heaviest weight: with no find at
    all, the upper end is 3 times this.
    """
    tail = (1 - level) / 2
    if not widest:
        return max(total, 0.0), max(total, 0.0)
    more, spread = max(total, 0.0) + widest, variance + widest**2
    above = _Gamma(more**2 / spread, spread / more)
    # A corrected sum can be near 0 and vary much: a gamma of these has nearly all its mass at 0.
    least = normal(total, variance, level=level)[1]
    if total <= 0 or variance <= 0:  # with nothing found, or nothing left to chance
        known = max(total, 0.0)
        return known, max(known, least, above.quantile(1 - 2 * tail))
    below = _Gamma(total**2 / variance, variance / total)

    def beyond(x: float, chance: float) -> float:
        return below.share(x) + above.share(x) - 2 * chance

    def end(chance: float) -> float:
        low, high = sorted((below.quantile(chance), above.quantile(chance)))
        # Where both lie so near 0 that a float cannot tell them apart, there is no root between.
        if low == high or beyond(low, chance) >= 0:
            return low
        if beyond(high, chance) <= 0:
            return high
        return float(scipy.optimize.brentq(beyond, low, high, args=(chance,)))

    return min(total, end(tail)), max(least, end(1 - tail))


def rate(events: int, exposure: float, *, n: int) -> Estimate:
    """Return events in a unit of exposure, such as an hour, with the interval of a Poisson count.

    ``n`` is how many rows the exposure is of. Not knowable below ``FEWEST`` events: the interval
    then spans more than a factor of seven; its upper end still says what no event allows.
    """
    if not exposure:
        return unknown_estimate(n, events, "nothing was counted")
    low, high = weighted_sum(float(events), float(events), widest=1.0)
    why = "" if events >= FEWEST else f"fewer than {FEWEST} finds"
    value, low, high = events / exposure, low / exposure, high / exposure
    return Estimate(value, low, high, n, events, knowable=not why, why=why)


@dataclass(frozen=True, slots=True)
class _Gamma:
    """A gamma distribution; scipy.stats would take a hundred times as long."""

    shape: float
    """0 is all at 0."""
    scale: float

    def share(self, x: float) -> float:
        return float(scipy.special.gammainc(self.shape, x / self.scale)) if self.shape else 1.0

    def quantile(self, chance: float) -> float:
        at = float(scipy.special.gammaincinv(self.shape, chance)) if self.shape else 0.0
        return at * self.scale if at > 0 else 0.0  # a tiny shape has it too near 0 for a float


def normal(total: float, variance: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of a sum of many small parts of either sign."""
    reach = float(scipy.special.ndtri((1 + level) / 2)) * variance**0.5
    return total - reach, total + reach


def bootstrap(
    statistic: Callable[[Floats], ArrayLike], n: int, *, seed: int, draws: int = DRAWS
) -> tuple[Floats, Floats]:
    """Return the 95 % percentile intervals of figures of row weights (Efron, 1979).

    Parameters
    ----------
    statistic : callable
        Takes float64 weights of shape (n,), how often each row was drawn, and returns k figures;
        NaN draws (no positive in the draw) are left out. Two figures under the same weights make a
        paired difference.
    n : int
        Rows.
    seed : int
        Of the draws: the same seed gives the same interval.

    Returns
    -------
    low, high : float64 arrays of shape (k,)
        NaN where no draw gave a figure.
    """
    random, one = np.random.default_rng(seed), np.float64(1.0)
    figures = np.array(
        [
            np.atleast_1d(statistic(np.bincount(random.integers(0, n, n), minlength=n) * one))
            for _ in range(draws)
        ]
    )
    low, high = np.full(figures.shape[1], np.nan), np.full(figures.shape[1], np.nan)
    for column, drawn in enumerate(figures.T):
        if np.isfinite(drawn).any():
            ends = np.quantile(drawn[np.isfinite(drawn)], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
            low[column], high[column] = ends
    return low, high


def resample_interval(
    statistic: Callable[[Floats], ArrayLike], weight: Floats, *, seed: int
) -> tuple[Floats, Floats]:
    """Return the 95 % intervals of figures of rows weighted by ``weight`` of shape (n,).

    ``statistic`` is as :func:`bootstrap` takes it; each weight is multiplied by how often its row
    was drawn. Returned are float64 arrays of shape (k,).
    """
    return bootstrap(lambda drawn: statistic(drawn * weight), len(weight), seed=seed)


def estimates(
    statistics: Mapping[str, Callable[[Floats], float]],
    label: Labels,
    *,
    weight: Floats | None = None,
    seed: int,
    draws: int = DRAWS,
) -> dict[str, Estimate]:
    """Return figures of labelled rows with their bootstrap intervals, all from the same draws.

    Parameters
    ----------
    statistics : mapping of name to callable
        Row weights of shape (n,) to a figure.
    label : int8 array of shape (n,)
        1 or 0; fewer than ``FEWEST`` of either are "not yet knowable".
    weight : float64 array of shape (n,), optional
        Weight that every draw multiplies, such as the inverse of a propensity.
    """
    n, positives = len(label), int(label.sum())
    if min(positives, n - positives) < FEWEST:
        return dict.fromkeys(statistics, unknown_estimate(n, positives, TOO_FEW))
    weight = np.ones(n) if weight is None else weight

    def every(drawn: Floats) -> Floats:
        return np.array([figure(drawn * weight) for figure in statistics.values()])

    low, high = bootstrap(every, n, seed=seed, draws=draws)
    made = {}
    plain = every(np.ones(n)).tolist()
    for name, value, floor, ceiling in zip(
        statistics, plain, low.tolist(), high.tolist(), strict=True
    ):
        # Draws that never differ have seen no find within reach: that is no certainty.
        known = bool(np.isfinite((value, floor, ceiling)).all()) and floor < ceiling
        made[name] = (
            Estimate(value, floor, ceiling, n, positives, knowable=True)
            if known
            else unknown_estimate(n, positives, "no find within reach of the figure")
        )
    return made


def compare_counts(events: int, exposure: float, before: int, before_exposure: float) -> float:
    """Return the chance of counts that differ at least so much under one and the same rate.

    Two-sided and conditional on the sum of both counts (Przyborowski and Wilenski, 1940): exact for
    Poisson counts, and too large rather than too small for shares. 1.0 where either exposure is 0.

    >>> compare_counts(0, 100, 10, 100) < 0.002, compare_counts(5, 100, 5, 100)
    (True, 1.0)
    """
    total = events + before
    if not (total and exposure > 0 and before_exposure > 0):
        return 1.0
    part = exposure / (exposure + before_exposure)
    at_most = float(scipy.special.bdtr(events, total, part))
    at_least = 1.0 - (float(scipy.special.bdtr(events - 1, total, part)) if events else 0.0)
    return min(1.0, 2 * min(at_most, at_least))


def adjust_chances(chances: Sequence[float]) -> list[float]:
    """Return chances of several comparisons, adjusted for their number (Holm, 1979).

    Where nothing differs, the least of them is below 0.05 in at most one case of twenty.

    >>> adjust_chances([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    found, least = [0.0] * len(chances), 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[at]))
        found[at] = least
    return found
