"""Networks with groups that are never caught are judged together, and the worst one is said."""

from dataclasses import replace

import numpy as np
import pytest

from engine.ports import Scores
from experiments.benchmarks.quality.groups import (
    BEST,
    ENOUGH_NETWORKS,
    PLAIN,
    RED,
    SEIZURE,
    Quarter,
    _compare,
)
from experiments.benchmarks.quality.networks import list_coverage
from experiments.benchmarks.runner import Row
from models.array_types import Floats

ENTRIES, LOADS = 1000, 10


def make_quarter(found: int, *, seed: int, big: int = 0) -> Quarter:
    """Make a network whose last ``LOADS`` entries carry, of which red ranks ``found`` first.

    The plain learner finds none of them, and ``big`` of what red chooses is one carrier's.
    """
    carries = np.zeros(ENTRIES, np.bool_)
    carries[-LOADS:] = True
    red = np.linspace(0.2, 0.1, ENTRIES)
    red[ENTRIES - LOADS : ENTRIES - LOADS + found] = 0.9
    plain = np.linspace(0.2, 0.1, ENTRIES)
    parties = np.array([f"k-{number}" for number in range(ENTRIES)], object)
    parties[:big] = "k-big"
    stated = Scores(red, plain, seizure_between=np.stack([red - 0.05, red + 0.05], 1))
    return Quarter(
        "plates",
        seed,
        {RED: red, SEIZURE: red, PLAIN: plain, BEST: carries.astype(np.float64)},
        carries,
        carries,
        stated,
        Scores(red, plain),
        [parties],
    )


def judge(quarters: list[Quarter]) -> dict[str, Row]:
    rows = _compare("N", quarters, is_listed=False)
    return {one["name"].removeprefix("N: "): one for one in rows}


def test_networks_are_pooled_and_the_worst_is_said() -> None:
    found = (10, 8, 6, 0)
    made = judge([make_quarter(each, seed=at, big=20) for at, each in enumerate(found)])
    share = made[f"within 5% by {RED}"]
    assert share["seen"] == pytest.approx(sum(found) / 40)
    low, high = share["between"]
    assert 0.0 <= low < share["seen"] < high <= 1.0
    assert made[f"within 5% by {RED}, worst network"]["seen"] == 0.0
    assert made[f"within 5% by {PLAIN}"]["seen"] == 0.0
    assert made[f"within 5%, {RED} over {SEIZURE}"]["seen"] == 1.0
    assert made[f"largest party in 5% by {PLAIN}"]["seen"] == pytest.approx(20 / 50)
    chance = made["chance over truth in the likeliest 1%"]["seen"]
    stated = sum(0.9 * each + 0.2 * (10 - each) for each in found)
    assert chance == pytest.approx(stated / sum(found), abs=0.01)


def test_a_ranking_that_finds_less_than_the_plain_learner_fails() -> None:
    one = make_quarter(10, seed=1)
    turned = replace(
        one, rankings={**one.rankings, PLAIN: one.rankings[RED], RED: -one.rankings[RED]}
    )
    name = f"within 5%, {RED} over {PLAIN}"
    assert judge([one])[name]["holds"] and not judge([turned])[name]["holds"]
    assert not judge([turned])[f"within 5%, {RED} over {SEIZURE}"]["holds"]


def test_few_networks_have_no_interval() -> None:
    """How networks differ is seen from several: loads of one are of the same few groups."""
    made = judge([make_quarter(8, seed=at) for at in range(ENOUGH_NETWORKS - 1)])
    assert "between" not in made[f"within 5% by {RED}"]
    enough = judge([make_quarter(8, seed=at) for at in range(ENOUGH_NETWORKS)])
    assert enough[f"within 5% by {RED}"]["between"] == [0.8, 0.8]


def test_coverage_counts_the_tenths_whose_interval_holds_the_truth() -> None:
    chance: Floats = np.linspace(0.1, 0.3, ENTRIES)
    near = np.stack([chance - 0.02, chance + 0.02], 1)
    stated = Scores(chance, chance, seizure_between=near)
    halves = np.where(np.arange(ENTRIES) < ENTRIES // 2, chance, chance + 0.1)
    seizure, discrepancy = list_coverage("N", [(stated, Scores(halves, chance))])
    assert (seizure["seen"], seizure["holds"]) == (0.5, False)
    assert "of 10 tenths" in seizure["name"] and "of 0 tenths" in discrepancy["name"]
