"""Known lawful trade over synthetic years: released sooner, and a bought trader is found out."""

from dataclasses import replace
from functools import cache

import pytest

from engine.selection import Policy
from experiments.simulation import lawful_lane
from experiments.simulation.lawful_lane import (
    LaneSetting,
    LaneYear,
    compare_lane,
    cover_truth,
    simulate_lane,
)
from tests.support.sizes import PROOF

YEARS = 100 if PROOF else 10
ALONE = LaneSetting(traders=5, others=0.0)
DAYS = 150
"""Within which a bought trader with a load in two of three days is suspended, in most years."""


@cache
def years() -> list[LaneYear]:
    return [simulate_lane(seed, ALONE) for seed in range(YEARS)]


def test_the_interval_of_the_lane_covers_the_truth() -> None:
    covered = sum(map(cover_truth, years()))
    assert covered >= (0.93 if PROOF else 0.8) * YEARS


def test_drawn_searches_that_say_nothing_do_not_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a busy corridor with loads, whose drawn searches report none of them."""
    monkeypatch.setattr(lawful_lane, "BOUND", 0.9)
    busy = LaneSetting(traders=1, passages=12.0, others=0.0, bought_on=0, bought_loads=0.06)
    loaded = [simulate_lane(seed, busy) for seed in range(YEARS // 5)]
    assert not any(one.suspended_on for one in loaded)
    assert sum(map(cover_truth, loaded)) >= 0.5 * len(loaded)
    silent = [
        replace(one, counts=[replace(each, drawn_loads=0) for each in one.counts]) for one in loaded
    ]
    assert sum(map(cover_truth, silent)) == 0


def test_a_bought_trader_is_suspended_within_the_stated_time() -> None:
    waited = [one.suspended_on.get(0, 1e9) - ALONE.bought_on for one in years()]
    assert sum(one <= DAYS for one in waited) >= 0.8 * YEARS


def test_honest_traders_stay() -> None:
    gone = sum(len(one.suspended_on.keys() - {0}) for one in years())
    assert gone <= 0.1 * YEARS * (ALONE.traders - 1)


def test_a_lane_is_released_sooner_and_lets_hardly_more_through() -> None:
    found = compare_lane(2)
    release, loads = found["release"], found["loads"]
    assert release["lane"]["mean"] < release["all_without_lane"]["mean"]
    assert release["lane"]["p95"] < release["all_without_lane"]["p95"]
    assert loads["through"] <= 1.05 * loads["through_without_lane"]


def test_without_a_floor_of_its_own_the_lane_is_still_drawn_from() -> None:
    few = simulate_lane(0, ALONE, policy=Policy(lawful_floor=0.005, lawful_factor=0.1))
    drawn, vehicles = (
        sum(getattr(one, name) for one in few.counts) for name in ("drawn", "vehicles")
    )
    assert drawn > 0.02 * vehicles
