"""Datasets: rows and labels, splits by time, and the look-up table next to every model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_units import DAY
from models.data import dataset
from models.data.dataset import Dataset
from models.data.lookup_baseline import NAME, Lookup
from models.evaluation.report_html import render_report
from models.evaluation.report_text import page
from models.training.trainer import train
from tests.integration.models.learning.test_fit import SMALL
from tests.support.small_dataset import QUICK, START, small_world


def test_papers_alone_are_no_negative_but_a_find_counts() -> None:
    data = small_world(400, seed=2)
    papers = data.is_inspected & ~data.is_full

    assert papers.any()
    assert not data.evidence("discrepancy")[papers & (data.discrepancy == 0)].any()
    assert data.evidence("discrepancy")[papers & (data.discrepancy == 1)].all()


def test_a_find_linked_back_is_no_evidence_of_an_act() -> None:
    data = small_world(4000, seed=3)
    linked = data.is_linked

    assert linked.any()
    assert not data.evidence("seizure")[linked].any()


def test_digest_moves_with_any_cell_and_with_nothing_else() -> None:
    data = small_world(100, seed=4)
    again = small_world(100, seed=4)
    assert data.digest() == again.digest()

    again.values[7, 1] = np.float32(42)
    assert data.digest() != again.digest()


def late_labels(fold: dataset.Fold, data: Dataset) -> int:
    """Return how many rows teach that were not known, or had not arrived, at the fold's cut."""
    known, arrived = data.label_known_at[fold.fit], data.arrived_at[fold.fit]
    return int(((known >= fold.cut) | (arrived >= fold.cut)).sum())


def test_the_seeded_leak_is_seen() -> None:
    """Negative control: a fold by arrival alone lets late labels in, and the check counts them."""
    data = small_world(3000, seed=1)
    usable, until = data.evidence("discrepancy"), START + 200 * DAY
    for fold in dataset.rolling_folds(
        data, usable, until=until, known_before=until, gap=0, folds=4
    ):
        by_arrival = np.flatnonzero(usable & (data.arrived_at < fold.cut))
        assert late_labels(fold, data) == 0
        assert late_labels(replace(fold, fit=by_arrival), data) > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 8))
def test_folds_roll_forward(seed: int, folds: int, gap: int) -> None:
    data = small_world(600, seed=seed)
    until = START + 200 * DAY
    made = dataset.rolling_folds(
        data, data.evidence("discrepancy"), until=until, known_before=until, gap=gap * DAY,
        folds=folds,
    )  # fmt: skip

    assert made
    for fold in made:
        assert late_labels(fold, data) == 0
        assert (data.arrived_at[fold.fit] < fold.cut - gap * DAY).all()
        assert (data.arrived_at[fold.later] >= fold.cut).all()
        assert (data.label_known_at[fold.later] < until).all()
    later = np.concatenate([fold.later for fold in made])
    assert len(np.unique(later)) == len(later)


CUT = START + 200 * DAY
LESS = f"this model less {NAME}"


def world() -> Dataset:
    data = small_world(7000, seed=21, days=200, inspect=0.7)
    return replace(data, is_full=data.basis.astype(np.bool_))


def table(data: Dataset, *, knowing: bool) -> Lookup:
    """Return keys that part arrivals by their risk, or that say nothing."""
    seen = np.nan_to_num(data.values[:, :4])
    logit = 1.2 * seen[:, 0] - 0.8 * seen[:, 1] + 0.9 * seen[:, 2] * (seen[:, 3] > 0)
    keys = np.digitize(logit, np.linspace(-2.5, 3.5, 40)) + 1 if knowing else np.ones(len(data))
    return Lookup(keys.astype(np.int64)[None], np.array([1.0]), {"driver": keys.astype(np.int64)})


@pytest.mark.parametrize("knowing", [False, True])
def test_a_training_report_has_its_look_up_peer(knowing: bool) -> None:
    data = world()
    report: dict[str, Any] = dict(
        train(data, SMALL, cutoff=CUT, table=table(data, knowing=knowing)).report
    )
    assert set(report["peers"]) == {"this model", NAME, LESS}
    more = report["advantage"][NAME]
    assert report["peers"][LESS]["knowable"] and more["knowable"]
    if knowing:  # it was given the very truth: nothing beats that
        assert report["peers"][LESS]["value"] < 0.02 and more["low"] < 0.0
    else:
        assert report["peers"][LESS]["low"] > 0.1 and more["low"] > 0.1
    assert NAME in page(report) and f"than by {NAME}" in page(report)
    assert "more finds" in render_report(report)


def test_it_is_taught_nothing_of_the_period_that_judges() -> None:
    data, when = world(), {"until": START + 100 * DAY, "known_before": START + 103 * DAY}
    kept = table(data, knowing=True)
    result = kept.estimate(data, **when)
    later = (data.arrived_at >= when["until"]) | (data.label_known_at >= when["known_before"])
    turned = np.where(later & (data.discrepancy >= 0), 1 - data.discrepancy, data.discrepancy)
    np.testing.assert_array_equal(result, kept.estimate(replace(data, discrepancy=turned), **when))
    earlier = np.where(~later & (data.discrepancy >= 0), 1 - data.discrepancy, data.discrepancy)
    assert not np.array_equal(result, kept.estimate(replace(data, discrepancy=earlier), **when))


def test_without_a_table_there_is_no_peer() -> None:
    report = train(world(), QUICK, cutoff=CUT).report
    assert report["peers"] == {} and report["advantage"] == {}
