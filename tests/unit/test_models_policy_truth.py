"""On the synthetic network, whose probabilities are known, intervals cover what is true."""

import os
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from experiments.synth import tables
from models.logged import Logged
from models.policy_value import policy_value
from tests.unit.synth_worlds import world

PROOF = bool(os.environ.get("DARVOZA_PROOF"))
PERIODS, DRAWS = (4, 50) if PROOF else (1, 60)
CAPACITY, RANDOM = 0.08, 0.04
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Period:
    """Entries of some months: how likely each is searched and holds a discrepancy."""

    propensity: Floats
    chance: Floats
    wanted: Floats
    """The riskiest share by a score that is a noisy copy of the truth."""


def periods() -> list[Period]:
    made = world()
    kept = tables.rows(made)
    assert kept is not None
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


def covered(period: Period, seed: int, *, weigh: bool = True) -> dict[str, bool]:
    """Draw once, and tell which intervals cover; those that claim nothing are left out."""
    draw = np.random.default_rng(seed)
    n = len(period.chance)
    holds = draw.random(n) < period.chance
    lot = draw.random(n) < RANDOM
    drawn = lot | (draw.random(n) < 1 - (1 - period.propensity) / (1 - RANDOM))
    propensity = period.propensity if weigh else np.full(n, drawn.mean())
    logs = {
        "engine": Logged(drawn, propensity, np.where(drawn, holds, -1).astype(np.int8)),
        "lot": Logged(lot, np.full(n, lot.mean()), np.where(lot, holds, -1).astype(np.int8)),
    }
    said = np.clip(period.chance * 0.7 + 0.01, 0, 1)  # a model that is off
    made = {}
    for asked, wanted in (("hit", period.wanted), ("miss", 1 - period.wanted)):
        truth = float(wanted @ period.chance / wanted.sum())
        for name, log in logs.items():
            value = policy_value(log, wanted, chance=said)
            for method in ("self_normalised", "doubly_robust"):
                one = getattr(value, method)
                if one.low is not None and not value.diagnostics.faults:
                    made[f"{asked} {name} {method}"] = bool(one.low <= truth <= one.high)
    return made


@pytest.mark.slow
def test_hit_and_miss_rates_cover_the_truth_of_the_network() -> None:
    counts: dict[str, list[bool]] = {}
    for period in periods():
        for seed in range(DRAWS):
            for name, hit in covered(period, seed).items():
                counts.setdefault(name, []).append(hit)
    assert len(counts) == 8
    for name, hits in counts.items():
        n = len(hits)
        assert n > 0.5 * PERIODS * DRAWS, name
        assert binom.cdf(sum(hits), n, 0.91) > 0.002, (name, sum(hits), n)


@pytest.mark.slow
def test_without_weights_the_miss_rate_is_missed() -> None:
    """The twin: every draw counts alike, as if the engine had searched at random."""
    period = periods()[0]
    found = [covered(period, seed, weigh=False) for seed in range(20)]
    assert sum(one.get("miss engine self_normalised", False) for one in found) < 8
