"""Off-policy estimates of what a model or profile would have found, from logged draws.

Assumes that every draw of the engine was logged with its probability, and that nothing else decided
whether it was drawn: rows that officers or a counterpart picked have no probability and do not
count. Then a find weighs ``wanted / propensity``: as often as the policy asked about would search
such a vehicle, for each time the policy of the day did (Horvitz and Thompson, 1952).

A draw that was not carried out has no outcome, and it is not missing by chance: intervals reach
from "it held nothing" to "it held something", and where such draws are many nothing is claimed.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.explanation.messages import Message
from models.array_types import Floats, Labels, Mask, Positions
from models.data.propensity_log import (
    MOST_MISSING,
    Diagnostics,
    PropensityLog,
    missing_messages,
    render_doubts,
)
from models.statistics.intervals import (
    FEWEST,
    Estimate,
    clopper_pearson,
    narrow,
    normal,
    unknown_estimate,
    weighted_sum,
    withhold_estimate,
)

FEWEST_EFFECTIVE = 30.0
"""Below this many effective searches (Kish) the weights are too uneven to claim anything."""
LARGEST_WEIGHT = 0.25
"""From this share of all weight in one search on, the estimate is that search's outcome."""
_SURE = 0.9999  # level at which draws are said not to fit their propensities


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """Finds of each search under the policy asked about, estimated in three ways."""

    searches: float
    inverse_propensity: Estimate
    self_normalised: Estimate
    doubly_robust: Estimate
    hits_per_hour: Estimate
    diagnostics: Diagnostics

    def as_dict(self) -> dict[str, Any]:
        """Return the value as JSON keeps it, with ``hits`` of all searches next to the shares."""
        made = asdict(self)
        best = self.doubly_robust if self.doubly_robust.knowable else self.self_normalised
        scaled = {
            name: None if made_of is None else made_of * self.searches
            for name, made_of in (("value", best.value), ("low", best.low), ("high", best.high))
        }
        for name in ("doubts", "faults"):
            made["diagnostics"][name] = list(made["diagnostics"][name])
        messages = [message.as_dict() for message in self.diagnostics.messages]
        made["diagnostics"]["messages"] = messages
        return made | {"hits": asdict(best) | scaled}


def policy_value(
    log: PropensityLog, wanted: Floats, *, chance: Floats | None = None
) -> PolicyValue:
    """Estimate what a policy would have found among these arrivals.

    Parameters
    ----------
    log : Logged of n rows
    wanted : float64 array of shape (n,)
        Probability, in [0, 1], with which the policy asked about searches each arrival.
    chance : float64 array of shape (n,), optional
        A model's chance of a find, from rows it was not fitted on; makes the doubly robust estimate
        (Robins, Rotnitzky and Zhao, 1994), which is right if either the propensities or the
        chances are.

    Returns
    -------
    PolicyValue
        Shares of searches with a find, with 95 % intervals for arrivals like these: Fay and Kim
        (2017) for weighted sums, Korn and Graubard (1998) for the self-normalised share.
    """
    draws = _draws(log, wanted)
    diagnostics = _diagnostics(log, wanted, draws)
    made = {
        "inverse_propensity": _weighted_sum(draws, wanted, np.zeros(len(wanted))),
        "self_normalised": _weighted_share(draws),
        "doubly_robust": unknown_estimate(len(draws.rows), draws.hits, "no chances were given"),
        "hits_per_hour": _per_hour(draws, log.minutes),
    }
    if chance is not None:
        made["doubly_robust"] = _enough(draws, _weighted_sum(draws, wanted, chance))
    return PolicyValue(
        searches=float(wanted.sum()),
        diagnostics=diagnostics,
        **{
            name: withhold_estimate(estimate, diagnostics.faults) for name, estimate in made.items()
        },
    )


def diagnose_log(log: PropensityLog, wanted: Floats) -> Diagnostics:
    """Return whether a log can bear a claim about what a policy would search.

    ``wanted`` (float64, shape (n,)) is the probability, in [0, 1], with which the policy would
    search each arrival of the log.
    """
    return _diagnostics(log, wanted, _draws(log, wanted))


def advantage(log: PropensityLog, ours: Floats, theirs: Floats, *, chance: Floats) -> Estimate:
    """Estimate how many more finds one policy has than another, for each search of the first.

    Doubly robust, with a normal 95 % interval; below 0 where the other policy finds more.

    Parameters
    ----------
    ours, theirs : float64 arrays of shape (n,)
        Probability of a search under each policy. Where they agree a row says nothing, so the
        difference is better known than either value.
    chance : float64 array of shape (n,)
        A model's chance of a find, from rows it was not fitted on.
    """
    apart = ours - theirs
    draws = _draws(log, apart)
    if not ours.any():
        return unknown_estimate(0, 0, "the policy searches nothing")
    if not apart.any():  # nothing to estimate: both search the same
        return Estimate(0.0, 0.0, 0.0, 0, 0, knowable=True)
    diagnostics = _diagnostics(log, np.abs(apart), _draws(log, np.abs(apart)))
    value, (low, low_variance), (high, high_variance) = _totals(draws, apart, chance)
    made = Estimate(
        value / ours.sum(),
        normal(low, low_variance)[0] / ours.sum(),
        normal(high, high_variance)[1] / ours.sum(),
        len(draws.rows),
        draws.hits,
        knowable=True,
    )
    return withhold_estimate(_enough(draws, made), diagnostics.faults)


@dataclass(frozen=True, slots=True)
class _Draws:
    """Draws that the policy asked about wants as well, and what each weighs."""

    rows: Positions
    weight: Floats
    found: Labels

    @property
    def with_evidence(self) -> Mask:
        return self.found >= 0

    @property
    def hits(self) -> int:
        return int((self.found == 1).sum())

    @property
    def widest(self) -> float:
        return float(np.abs(self.weight).max(initial=0.0))

    @property
    def missing(self) -> float:
        """Share, by weight, without evidence."""
        total = float(np.abs(self.weight).sum())
        return float(np.abs(self.weight[~self.with_evidence]).sum()) / total if total else 0.0

    def extreme_outcomes(self) -> tuple[Mask, Mask]:
        """Return the finds, shape (k,), with what is missing at its worst and at its best."""
        hit = self.found == 1
        return hit | (~self.with_evidence & (self.weight < 0)), hit | (
            ~self.with_evidence & (self.weight > 0)
        )


def _draws(log: PropensityLog, wanted: Floats) -> _Draws:
    rows = np.flatnonzero(log.drawn & (wanted != 0))
    return _Draws(rows, wanted[rows] / log.propensity[rows], log.found[rows])


def _diagnostics(log: PropensityLog, wanted: Floats, draws: _Draws) -> Diagnostics:
    """Measure what the log can bear; ``draws`` has weights of one sign."""
    searches, weight = float(wanted.sum()), draws.weight[draws.with_evidence]
    total, square = float(weight.sum()), float(weight @ weight)
    effective = total**2 / square if square else 0.0
    largest = float(weight.max()) / total if total else 0.0
    spread = float((1 - log.propensity[draws.rows]) @ draws.weight**2)
    low, high = weighted_sum(float(draws.weight.sum()), spread, widest=draws.widest, level=_SURE)
    doubts = list(missing_messages(draws.missing))
    if not low <= searches <= high:
        doubts.append(Message("draws_do_not_fit"))
    faults = list(doubts)
    if effective < FEWEST_EFFECTIVE:
        faults.append(Message("few_searches", {"number": FEWEST_EFFECTIVE}))
    elif largest > LARGEST_WEIGHT:
        heaviest = {"value": LARGEST_WEIGHT, "unit": "share"}
        faults.append(Message("one_heavy_search", heaviest))
    asked = max(searches, 1e-9)
    return Diagnostics(
        drawn=len(draws.rows),
        effective=effective,
        largest_weight=largest,
        covered=float(draws.weight.sum()) / asked,
        covered_low=low / asked,
        covered_high=high / asked,
        not_carried_out=draws.missing,
        doubts=render_doubts(doubts),
        faults=render_doubts(faults),
        messages=tuple(faults),
    )


def _totals(
    draws: _Draws, wanted: Floats, chance: Floats
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Return the finds of all that is wanted, then worst and best sums with their variances.

    The value takes what is missing to be like the rest; the bounds do not.
    """
    base = float(wanted @ chance)
    expected = chance[draws.rows]
    seen = draws.with_evidence
    rest = draws.weight[seen] * (draws.found[seen] - expected[seen])
    value = base + float(rest.sum()) / max(1e-9, 1 - draws.missing)
    ends = []
    for found in draws.extreme_outcomes():
        rest = draws.weight * (found - expected)
        total = float(rest.sum())
        # The arrivals are as they came: only draws and outcomes vary, not what was to be expected.
        fixed = (total / float(np.abs(wanted).sum())) ** 2 * float(wanted @ wanted)
        ends.append((base + total, max(0.0, float(rest @ rest) - fixed)))
    return value, ends[0], ends[1]


def _weighted_sum(draws: _Draws, wanted: Floats, chance: Floats) -> Estimate:
    """Return finds per search by weighted sums; without chances, by inverse propensity alone."""
    searches, rows = float(wanted.sum()), len(draws.rows)
    if not rows:
        return unknown_estimate(0, 0, "nothing was counted")
    value, (low, low_variance), (high, high_variance) = _totals(draws, wanted, chance)
    floor = weighted_sum(low, low_variance, widest=draws.widest)[0]
    ceiling = weighted_sum(high, high_variance, widest=draws.widest)[1]
    shares = np.clip(np.array([value, floor, ceiling]) / searches, 0.0, 1.0)
    return _share_estimate(draws, *shares.tolist())


def _weighted_share(draws: _Draws) -> Estimate:
    """Return the weighted share of searches with a find, with an interval by effective size."""
    seen = draws.with_evidence
    weight = draws.weight[seen]
    if not len(weight):
        return unknown_estimate(0, 0, "nothing was counted")
    rate = float(weight @ (draws.found[seen] == 1) / weight.sum())
    ends = []
    for found in draws.extreme_outcomes():
        share = float(draws.weight @ found / draws.weight.sum())
        rest = weight * ((draws.found[seen] == 1) - rate)
        size = weight.sum() ** 2 / (weight @ weight)
        if 0 < rate < 1:  # a variance from few heavy searches is too often too small
            size = min(size, rate * (1 - rate) * weight.sum() ** 2 / float(rest @ rest))
        ends.append(clopper_pearson(share * float(size), float(size)))
    return _share_estimate(draws, rate, ends[0][0], ends[1][1])


def _per_hour(draws: _Draws, minutes: Floats | None) -> Estimate:
    """Return finds for each hour of the searches carried out."""
    if minutes is None:
        return unknown_estimate(
            len(draws.rows), draws.hits, "the minutes of searches are not known"
        )
    timed = draws.with_evidence & ~np.isnan(minutes[draws.rows])
    weight, hit = draws.weight[timed], draws.found[timed] == 1
    hours = minutes[draws.rows][timed] / 60
    if (
        weight.sum() < (1 - MOST_MISSING) * draws.weight[draws.with_evidence].sum()
        or not hours.sum()
    ):
        return unknown_estimate(len(weight), int(hit.sum()), "too few searches have their minutes")
    rate = float(weight @ hit / (weight @ hours))
    rest = weight * (hit - rate * hours)
    ends = weighted_sum(float(weight @ hit), float(rest @ rest), widest=draws.widest)
    low, high = (float(end / (weight @ hours)) for end in ends)
    return _enough(draws, Estimate(rate, low, high, len(weight), int(hit.sum()), knowable=True))


def _share_estimate(draws: _Draws, value: float, low: float, high: float) -> Estimate:
    return narrow(Estimate(value, low, high, len(draws.rows), draws.hits, knowable=True))


def _enough(draws: _Draws, made: Estimate) -> Estimate:
    if draws.hits >= FEWEST:
        return made
    return unknown_estimate(
        len(draws.rows), draws.hits, f"fewer than {FEWEST} finds among the draws"
    )
