"""The simulation counts what happens, a policy that peeks wins, biased checks are noticed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from experiments.simulation.capacity import Setting, Span, draw_setting
from experiments.simulation.comparison import (
    END,
    POLICIES,
    Year,
    compare_pairs,
    compare_policies,
    miss_rate,
    simulate_policy,
)
from experiments.simulation.policies import Exploit, Random
from experiments.synthetic.config import Floats, Ints
from tests.support.sizes import PROOF

LONG = Span(crossings=24_000, days=84, past_days=14)
"""Fewest random checks for an estimate."""
SPAN = LONG if PROOF else Span(crossings=8_000, days=28, past_days=14)


@cache
def world(span: Span = SPAN) -> Setting:
    return draw_setting(1, span, end=END)


@cache
def years() -> dict[str, Year]:
    return {name: simulate_policy(world(), maker) for name, maker in POLICIES.items()}


@cache
def by_random() -> Year:
    return simulate_policy(world(LONG), Random)


def test_figures_add_up() -> None:
    made = compare_policies(
        {name: [one] for name, one in years().items()}, list(POLICIES), span=SPAN
    )
    by_name = {one["name"]: one for one in made["policies"]}

    assert made["synthetic"] and "SYNTHETIC" in made["notice"]
    assert list(by_name) == list(POLICIES)
    assert by_name["random"]["lift"] == pytest.approx(1.0)
    for name, one in by_name.items():
        assert one["seizures"] <= one["hits"] <= one["searches"]
        assert one["hits"] == sum(made["hits_by_shift"][name])
        assert one["hits_per_hour"] == pytest.approx(60 * one["hits"] / one["minutes"], rel=1e-3)
        assert one["minutes"] == pytest.approx(
            sum(roster.spent for roster in years()[name].rosters), abs=0.1
        )
        assert (0 < one["looks"] < one["searches"]) == (name == "ours")
        if name in ("officer", "exploit"):
            assert one["miss_rate"] is None and not one["covered"]
    assert len(made["paired"]) == 10
    assert all(pair["low"] <= pair["difference"] <= pair["high"] for pair in made["paired"])


def test_all_policies_start_from_one_past_and_have_the_same_minutes() -> None:
    budgets = [{roster.post: roster.minutes for roster in one.rosters} for one in years().values()]
    shared = set.intersection(*(set(budget) for budget in budgets))

    assert shared
    assert all(budget[post] == budgets[0][post] for budget in budgets for post in shared)
    assert {one.is_random.sum() > 0 for name, one in years().items() if name == "ours"} == {True}


class HindsightPolicy(Exploit):
    """Negative control: ranks by the hidden truth."""

    def rank_by_model(self, rows: Ints) -> Floats:
        trips = self.setting.trips
        return (trips.loads.carries[rows] | (trips.cargo.discrepancy[rows] > 0)).astype(float)

    def refit(self, now: int) -> None:
        self.is_fitted = True


def test_a_policy_that_peeks_wins() -> None:
    peeking = simulate_policy(world(), HindsightPolicy)

    assert all(peeking.hits_per_hour > 1.5 * one.hits_per_hour for one in years().values())
    found = compare_pairs({"random": [years()["random"]], "peeking": [peeking]})
    assert found[0]["low"] > 0


def test_the_random_checks_cover_the_miss_rate() -> None:
    interval, truth = miss_rate([by_random()])

    assert interval is not None
    assert interval[0] <= truth <= interval[1]


def test_a_steered_random_check_does_not_cover() -> None:
    """Seeded bug: nothing that hides is ever drawn, whatever the propensities say."""
    long = world(LONG)
    hides = long.trips.loads.carries | (long.trips.cargo.discrepancy > 0)
    given = replace(long, u_random=np.where(hides, 1.0, long.u_random))
    interval, truth = miss_rate([simulate_policy(given, Random)])

    assert interval is None or not interval[0] <= truth <= interval[1]


def test_propensities_that_are_wrong_claim_nothing() -> None:
    made = by_random()
    doubled = replace(made, p_random=np.minimum(1.0, 2.0 * made.p_random))

    assert miss_rate([made])[0] is not None
    assert miss_rate([doubled])[0] is None
