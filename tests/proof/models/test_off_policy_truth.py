"""On synthetic networks, whose probabilities are known, intervals cover what is true.

Each network has a seed of its own: to draw again and again from one would say how well it goes on
that one.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from experiments.synthetic.folder import generate
from models.data.propensity_log import PropensityLog
from models.evaluation.off_policy import policy_value
from tests.integration.experiments.synthetic.cached_worlds import config
from tests.support.sizes import PROOF

NETWORKS, PERIODS, DRAWS = (50, 4, 5) if PROOF else (2, 1, 40)
"""Under proof 200 quarters, each of some 70,000 entries, and five draws of each."""
CROSSINGS = 500_000 if PROOF else 60_000
LOWEST, HIGHEST = 0.91, 0.99
MOST_ABSTAIN = 0.02 if PROOF else 0.2
"""Of the draws, where nothing is claimed: at the small size a random stream has too few finds."""
CAPACITY, RANDOM = 0.08, 0.04
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Period:
    """Entries of some months: how likely each is searched and holds a discrepancy."""

    propensity: Floats
    chance: Floats
    wanted: Floats
    """The riskiest share by a score that is a noisy copy of the truth."""


def periods(seed: int) -> list[Period]:
    made, kept = generate(config(CROSSINGS, seed=seed))
    trip = kept.trip[kept.is_entry]
    officers = 1 - (1 - made.propensity[trip]) / (1 - 0.02)  # what the random stream did not add
    chance = made.plan.cargo.p_discrepancy[trip].astype(np.float64)
    noise, other = np.exp(0.7 * np.random.default_rng(1).normal(size=(2, len(trip))))
    # The officers of that world look for contraband; a model before ours looked for this as well.
    score = np.clip(np.maximum(officers, np.minimum(0.6, chance * other)), 0.0, 1.0)
    found = []
    for part in np.array_split(np.arange(len(trip)), PERIODS):
        risk = (chance * noise)[part]
        wanted = (risk >= np.quantile(risk, 1 - CAPACITY)).astype(np.float64)
        propensity = 1 - (1 - RANDOM) * (1 - score[part])
        found.append(Period(propensity, chance[part], wanted))
    return found


def draw_coverage(period: Period, seed: int, *, weigh: bool = True) -> dict[str, bool]:
    """Draw once, and tell which intervals cover; those that claim nothing are left out."""
    draw = np.random.default_rng(seed)
    n = len(period.chance)
    holds = draw.random(n) < period.chance
    is_random = draw.random(n) < RANDOM
    drawn = is_random | (draw.random(n) < 1 - (1 - period.propensity) / (1 - RANDOM))
    propensity = period.propensity if weigh else np.full(n, drawn.mean())
    logs = {
        "engine": PropensityLog(drawn, propensity, np.where(drawn, holds, -1).astype(np.int8)),
        "lot": PropensityLog(
            is_random, np.full(n, is_random.mean()), np.where(is_random, holds, -1).astype(np.int8)
        ),
    }
    result = np.clip(period.chance * 0.7 + 0.01, 0, 1)  # a model that is off
    made = {}
    for asked, wanted in (("hit", period.wanted), ("miss", 1 - period.wanted)):
        truth = float(wanted @ period.chance / wanted.sum())
        for name, log in logs.items():
            value = policy_value(log, wanted, chance=result)
            for method in ("self_normalised", "doubly_robust"):
                one = getattr(value, method)
                if one.knowable:
                    made[f"{asked} {name} {method}"] = bool(one.low <= truth <= one.high)
    return made


def coverage(*, networks: int, draws: int, weigh: bool = True) -> dict[str, list[bool]]:
    """Return, for each interval that claims something, whether it covered in each draw."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for network in range(networks):
        for number, period in enumerate(periods(100 + network)):
            for again in range(draws):
                seed = (network * PERIODS + number) * draws + again
                for name, hit in draw_coverage(period, seed, weigh=weigh).items():
                    counts[name].append(hit)
    return counts


def outside(counts: Mapping[str, list[bool]], *, of: int) -> Iterator[str]:
    """Yield what leaves 91 to 99 %, or claims nothing too often.

    Under proof the share itself has to lie within. Some hundred draws cannot tell .95 from .90, so
    the small size fails only on what is below or above at 99 %.
    """
    for name, hits in counts.items():
        n, k = len(hits), sum(hits)
        too_low = k < LOWEST * n if PROOF else binom.cdf(k, n, LOWEST) < 0.01
        too_high = k > HIGHEST * n if PROOF else binom.sf(k - 1, n, HIGHEST) < 0.01
        if too_low or too_high or n < (1 - MOST_ABSTAIN) * of:
            yield f"{name}: {k} of {n}, of {of} draws"


def test_hit_and_miss_rates_cover_the_truth_of_the_networks() -> None:
    counts = coverage(networks=NETWORKS, draws=DRAWS)
    for name, one in counts.items():  # shown by `pytest -s`
        print(f"{name}: {sum(one) / len(one):.1%} of {len(one)} covered")
    assert len(counts) == 8
    assert list(outside(counts, of=NETWORKS * PERIODS * DRAWS)) == []


def test_without_weights_the_miss_rate_is_missed() -> None:
    """Negative control: every draw counts alike, as if the engine had searched at random."""
    found = coverage(networks=1, draws=20, weigh=False)
    name = "miss engine self_normalised"
    assert sum(found[name]) < 0.4 * PERIODS * 20
    assert any(one.startswith(name) for one in outside(found, of=PERIODS * 20))


def test_intervals_that_cover_too_often_or_claim_too_little_are_found() -> None:
    """Negative control: as wide as can be, or silent whenever it might be wrong."""
    fair = [True] * 950 + [False] * 50
    assert list(outside({"fair": fair}, of=1000)) == []
    wrong = {"low": [True] * 850 + [False] * 150, "wide": [True] * 1000, "silent": fair[:700]}
    assert len(list(outside(wrong, of=1000))) == 3
