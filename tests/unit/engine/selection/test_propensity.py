"""A recorded probability is how often it happens, and the random checks are a fair sample.

Movements are drawn from a real seed. Each crossing has a percentile, perhaps a profile and an entry
of the watch list; risky ones carry more often. Its propensities are computed once, then the draws
decide, as for any arrival.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.domain.records import Crossing
from engine.domain.time_units import moment
from engine.selection import (
    INSPECTED,
    RANDOM,
    SCORE,
    Chance,
    Channel,
    Policy,
    ShiftPeriod,
    draw,
    movement_key,
    random_chance,
    score_chances,
    select,
)
from models.statistics.intervals import clopper_pearson
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import START

CROSSINGS = 100_000 if PROOF else 10_000
LEVEL = 0.9995
"""Of each interval: some 25 are looked at, and one false alarm in 80 runs would be too many."""
POLICY = Policy(red_share=0.15, yellow_share=0.15, random_share=0.04, blur=1.0)
PROFILE, LISTED = "profile:sacks", "watchlist"
PURPOSES = (RANDOM, SCORE, PROFILE, LISTED)
SHIFT = ShiftPeriod("OYB", START, START + 43_200_000_000)
Drawer = Callable[[bytes, str, bytes], float]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """What was decided on some crossings."""

    carries: Bools
    is_random: Bools
    propensity: Mapping[Channel, NDArray[np.float64]]
    included: Mapping[Channel, Bools]


def own(seed: bytes, purpose: str, movement: bytes) -> float:
    return draw(seed, purpose, movement=movement)


@cache
def arrivals(seed: int) -> tuple[list[bytes], list[list[Chance]], list[bool]]:
    """Draw movements, the chances of each, and whether it carries."""
    rng = Random(seed)
    movements, offered, carries = [], [], []
    for number in range(CROSSINGS):
        crossing = Crossing(
            crossing_id=f"c{number}",
            post="OYB",
            direction="entry",
            arrived_at=moment(START),
            vehicle_class="truck",
            plate=f"01A{number:06d}",
        )
        movements.append(movement_key(crossing, SHIFT))
        level = rng.random()
        chances = [*score_chances(POLICY, level), random_chance(POLICY)]
        if rng.random() < 0.3:
            chances.append(Chance(PROFILE, Channel.RED, rng.choice((0.1, 0.4, 0.7))))
        if rng.random() < 0.02:
            chances.append(Chance(LISTED, Channel.YELLOW, 1.0))
        offered.append(chances)
        carries.append(rng.random() < 0.02 + 0.6 * level**8)
    return movements, offered, carries


def world(drawn: Drawer = own, *, seed: int = 1) -> World:
    secret = hashlib.sha256(b"%d" % seed).digest()
    movements, offered, carries = arrivals(seed)
    made = [
        select(chances, {p: drawn(secret, p, movement) for p in PURPOSES})
        for movement, chances in zip(movements, offered, strict=True)
    ]
    return World(
        np.array(carries),
        np.array([one.is_random for one in made]),
        {c: np.array([one.propensities[c] for one in made]) for c in INSPECTED},
        {c: np.array([one.channel >= c for one in made]) for c in INSPECTED},
    )


@pytest.fixture(scope="module")
def fair() -> World:
    return world()


def outside(found: World) -> list[str]:
    """Name the deciles of propensity in which inclusion is not as often as was written down."""
    faults = []
    for channel in INSPECTED:
        written, included = found.propensity[channel], found.included[channel]
        for part in np.array_split(np.argsort(written, kind="stable"), 10):
            low, high = clopper_pearson(int(included[part].sum()), len(part), level=LEVEL)
            # Where chances differ within a decile the count varies less than a binomial one.
            if not low <= written[part].mean() <= high:
                faults.append(f"{channel.code} about {written[part].mean():.3f}")
    return faults


def covers(found: World, sample: Bools) -> bool:
    """Tell whether a sample's carry rate covers the truth of all crossings."""
    hits, n = int(found.carries[sample].sum()), int(sample.sum())
    low, high = clopper_pearson(hits, n, level=LEVEL)
    return bool(low <= found.carries.mean() <= high)


def test_inclusion_is_as_often_as_was_written_down(fair: World) -> None:
    assert outside(fair) == []


def test_the_random_checks_alone_are_a_fair_sample_and_what_was_picked_is_not(fair: World) -> None:
    assert covers(fair, fair.is_random)
    share = clopper_pearson(int(fair.is_random.sum()), CROSSINGS, level=LEVEL)
    assert share[0] <= POLICY.random_share <= share[1]
    assert not covers(fair, fair.included[Channel.RED]), "negative control: picks carry more"


def test_random_checks_without_what_else_was_picked_would_be_no_fair_sample(fair: World) -> None:
    """Seeded bug: who counts as random only where nothing else picked the vehicle."""
    others = world(lambda seed, p, m: 1.0 - 2**-53 if p == RANDOM else own(seed, p, m))
    alone = fair.is_random & ~others.included[Channel.YELLOW]
    hits, n = int(fair.carries[alone].sum()), int(alone.sum())
    assert hits / n < fair.carries.mean() * 0.85


def test_one_number_for_all_purposes_is_caught() -> None:
    """Seeded bug: chances that share a number are nested, and inclusion falls below 1 - prod."""
    assert outside(world(lambda seed, _, movement: own(seed, SCORE, movement)))


def test_weights_by_propensity_bring_the_truth_back(fair: World) -> None:
    """Inspected crossings, each weighted by one over its propensity, carry as all crossings do."""
    red = fair.included[Channel.RED]
    weight = 1.0 / fair.propensity[Channel.RED][red]
    estimate = float(weight @ fair.carries[red]) / CROSSINGS
    spread = float(np.sqrt(((weight * fair.carries[red]) ** 2).sum())) / CROSSINGS
    assert abs(estimate - fair.carries.mean()) < 4 * spread
