"""A look-up table stands next to every model, taught what the model was taught and no more."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.domain.time_units import DAY
from models.data.dataset import Dataset
from models.data.lookup_baseline import NAME, Lookup
from models.evaluation.report_html import render_report
from models.evaluation.report_text import page
from models.training.trainer import train
from tests.integration.models.learning.test_fit import SMALL
from tests.support.small_dataset import QUICK, START, small_world

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
    return Lookup(keys.astype(np.int64)[None], np.array([1.0]))


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
