"""Simulated searches: what is seen of a vehicle says where to look better than its class does."""

from dataclasses import replace

import pytest

from engine.search_orders.rates import SearchCounts
from experiments.benchmarks.quality.search_orders import (
    LORRIES,
    Load,
    count_beginnings,
    find_hits,
    narrow,
    simulate,
)
from tests.support.sizes import PROOF


@pytest.fixture(scope="module")
def loads() -> list[Load]:
    """Loaded vehicles, with what 20,000 searches of others before them showed."""
    seeds = (1, 2, 3, 4) if PROOF else (1, 2)
    return [load for seed in seeds for load in simulate(seed, judged=1_000 // len(seeds))]


def test_the_step_that_finds_is_among_the_first_three_more_often(loads: list[Load]) -> None:
    checklist = [replace(narrow(load), searches=SearchCounts({})) for load in loads]
    ours, broad, fixed = (
        float(find_hits(each).mean())
        for each in (loads, [narrow(load) for load in loads], checklist)
    )
    assert ours > 1.2 * broad, (ours, broad)
    assert ours > 1.5 * fixed, (ours, fixed)


def test_lorries_begin_differently(loads: list[Load]) -> None:
    assert count_beginnings(loads) > LORRIES / 3
    assert count_beginnings([narrow(load) for load in loads]) < LORRIES / 10
