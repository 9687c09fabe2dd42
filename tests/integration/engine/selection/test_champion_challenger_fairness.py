"""What counts in a trial is a fair sample of what either side alone wanted; all searched is none.

A profile knows something of what carries that neither model does. What it picks is searched
whichever leads, so of what one side alone wanted the vehicles that it fits are searched more often.
"""

import hashlib
from dataclasses import dataclass
from random import Random

import pytest

from engine.criteria.match import Match
from engine.decision.decision import Decision, decide
from engine.decision.role_views import outcome
from engine.selection import CHALLENGER, CHAMPION, INSPECTED, Side, draw, movement_key
from models.monitoring.trials import counts_for_leader
from models.statistics.intervals import clopper_pearson
from tests.integration.engine.selection.test_champion_challenger import (
    PURPOSES,
    trial_inputs,
    trial_seen,
)
from tests.support.sizes import PROOF
from tests.unit.engine.decision.test_decision import arrival
from tests.unit.engine.selection.test_propensity import CROSSINGS, LEVEL, POLICY, SHIFT

KNOWING = Match("profile", "sacks", 7, "red", 0.9)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle, decided on, and whether it carries."""

    decision: Decision
    carries: bool

    def wanted_by(self, side: Side) -> bool:
        trial = self.decision.trial
        return trial is not None and trial.wanted == (side,)

    @property
    def is_searched(self) -> bool:
        return self.decision.channel in INSPECTED

    @property
    def counts(self) -> bool:
        return counts_for_leader(outcome(self.decision)["trial"])


@pytest.fixture(scope="module")
def vehicles() -> list[Vehicle]:
    rng, secret = Random(5), hashlib.sha256(b"5").digest()
    made = []
    for each in range(CROSSINGS if PROOF else CROSSINGS // 2):
        one = arrival(crossing_id=f"c{each}", plate=f"01A{each:06d}")
        movement = movement_key(one.crossing, SHIFT)
        purposes = (*PURPOSES, KNOWING.purpose)
        numbers = {p: draw(secret, p, movement=movement) for p in purposes}
        is_known = rng.random() < 0.3
        given = trial_inputs(numbers, policy=POLICY, matches=(KNOWING,) if is_known else ())
        decision = decide(given, trial_seen(given, (rng.random(), rng.random()), one))
        made.append(Vehicle(decision, rng.random() < (0.7 if is_known else 0.1)))
    return made


def covers(sample: list[Vehicle], truth: float) -> bool:
    """Tell whether a sample's hit rate covers the truth."""
    low, high = clopper_pearson(sum(one.carries for one in sample), len(sample), level=LEVEL)
    return bool(low <= truth <= high)


@pytest.mark.parametrize("side", [CHAMPION, CHALLENGER])
def test_what_a_side_led_is_a_fair_sample_of_what_it_alone_wanted(
    vehicles: list[Vehicle], side: Side
) -> None:
    wanted = [one for one in vehicles if one.wanted_by(side)]
    truth = sum(one.carries for one in wanted) / len(wanted)
    counted = [one for one in wanted if one.counts]
    assert all(one.is_searched for one in counted)
    assert covers(counted, truth)
    others = [one for one in wanted if one.is_searched and not one.counts]
    assert len(others) > 50 and not covers(others, truth), (
        "negative control: what something else picked"
    )


def test_what_both_wanted_or_neither_counts_for_neither(vehicles: list[Vehicle]) -> None:
    wanted = {(): 0, (CHAMPION, CHALLENGER): 0}
    for one in vehicles:
        trial = one.decision.trial
        assert trial is not None
        if trial.wanted in wanted:
            wanted[trial.wanted] += 1
            assert not one.counts
    assert min(wanted.values()) > 50
