"""Linked administrations find what one database would; alone they find visibly less."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from engine.domain.network import Network
from engine.domain.time_units import DAY
from engine.errors import InputError, NotEnoughDataError
from experiments.analysis.view_backtest import (
    View,
    backtest_view,
)
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import Tables
from models.config import TrainConfig, Trees
from models.training.backtest import Backtest, Period
from tests.unit.api.links.facing_posts import EAST, WEST, facing_history
from tests.unit.features.random_histories import START

NAMES = (
    "plate_hit_rate",
    "hs2_hit_rate",
    "plate_inspections_365d",
    "hour",
    "items",
    "mirror_mass_gap",
)
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
SMALL = TrainConfig(
    discrepancy=Trees(iterations=20, smallest_leaf=10, seeds=1, share_of_features=1.0),
    seizure=Trees(iterations=10, depth=2, smallest_leaf=10, seeds=1, share_of_features=1.0),
    few_discrepancies=10,
    folds=2,
    jobs=1,
)
FROM = START + 200 * DAY
PERIOD = Period(FROM, FROM)
VIEWS: tuple[View, ...] = ("pooled", "linked", "isolated")


@pytest.fixture(scope="module")
def history() -> Tables:
    return facing_history(5, 1_000, vehicles=100, searched=0.7)


@pytest.fixture(scope="module")
def backtests(history: Tables) -> dict[View, Backtest]:
    return {view: backtest_view(history, PLAN, SMALL, PERIOD, view=view) for view in VIEWS}


def count_hits(made: Backtest, laden: set[str], *, entries: set[str], share: float) -> int:
    """Laden vehicles among the riskiest share of all entries."""
    is_entry = np.array([name in entries for name in made.crossing_id])
    names, risks = made.crossing_id[is_entry], made.p_seizure[is_entry]
    chosen = names[np.argsort(-risks, kind="stable")][: int(share * len(names))]
    return len(laden & {*chosen})


def read_entries(history: Tables) -> set[str]:
    """Every entry of a history."""
    columns = history.crossings.select(["crossing_id", "direction"]).to_pylist()
    return {row["crossing_id"] for row in columns if row["direction"] == "entry"}


def test_all_views_score_the_same_crossings_in_one_order(backtests: dict[View, Backtest]) -> None:
    for view in VIEWS:
        np.testing.assert_array_equal(backtests[view].crossing_id, backtests["pooled"].crossing_id)
        for column in (
            backtests[view].p_seizure,
            backtests[view].p_discrepancy,
            backtests[view].p_seizure,
        ):
            assert ((column >= 0) & (column <= 1)).all()
    assert not np.array_equal(backtests["linked"].p_seizure, backtests["isolated"].p_seizure)


def test_the_report_says_what_each_administration_knew(backtests: dict[View, Backtest]) -> None:
    isolated, linked = (
        backtests[view].report["administrations"] for view in ("isolated", "linked")
    )
    assert {*isolated} == {*linked} == {EAST, WEST}
    for name in (EAST, WEST):
        assert isolated[name]["inspected_received"] == isolated[name]["crossings_received"] == 0
        assert linked[name]["inspected_received"] > 0
        assert linked[name]["inspected"] == isolated[name]["inspected"]
    assert "administrations" not in backtests["pooled"].report


def test_linked_finds_what_pooled_finds_and_isolated_does_not(
    history: Tables, backtests: dict[View, Backtest]
) -> None:
    """Seizures that were history or would have been: here the labels of searched vehicles."""
    laden = {
        row["crossing_id"] for row in history.inspections.to_pylist() if row["outcome"] == "seizure"
    }
    hits = {
        view: count_hits(backtests[view], laden, entries=read_entries(history), share=0.2)
        for view in VIEWS
    }
    assert hits["linked"] >= 0.95 * hits["pooled"], hits
    assert hits["isolated"] < 0.9 * hits["linked"], hits


def test_a_network_of_one_administration_has_no_views(history: Tables) -> None:
    posts = {
        code: post.model_copy(update={"administration": "ONE"})
        for code, post in history.network.posts.items()
    }
    for network in (Network(), replace(history.network, posts=MappingProxyType(posts))):
        with pytest.raises(InputError, match="two administrations"):
            backtest_view(replace(history, network=network), PLAN, SMALL, PERIOD, view="linked")


def test_where_no_administration_can_learn_nothing_is_scored(history: Tables) -> None:
    config = replace(SMALL, few_discrepancies=10_000)
    with pytest.raises(NotEnoughDataError, match="no administration"):
        backtest_view(history, PLAN, config, PERIOD, view="isolated")
