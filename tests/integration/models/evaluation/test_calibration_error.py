"""How far stated chances are off is told with its interval, and not at all from a few rows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from engine.ports import Scores
from models.array_types import Floats
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.evaluation.metric_view import BINS, View, calibration_figures, curve
from models.evaluation.report import evaluate_model
from models.evaluation.report_html import render_report
from models.evaluation.report_text import page, paragraph
from models.statistics import intervals, ranking_metrics
from tests.support.sizes import PROOF
from tests.support.small_dataset import START, small_world

WORLDS = 600 if PROOF else 120


def draw_sample(seed: int, n: int, *, off: float) -> tuple[Floats, np.ndarray[Any, Any], float]:
    """Return stated chances, labels, and how far the bins are off in the long run."""
    draw = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(2.0 - draw.normal(size=n)))
    true = np.clip(chance * off, 0, 1)
    label = (draw.random(n) < true).astype(np.int8)
    order = np.argsort(chance, kind="stable")
    parts = np.array_split(order, BINS)
    error = sum(abs(chance[part].sum() - true[part].sum()) for part in parts) / n
    return chance, label, float(error)


@pytest.mark.parametrize("n", [200, 2000])
@pytest.mark.parametrize("off", [1.0, 0.5, 1.6])
def test_its_interval_covers_how_far_off_chances_are(n: int, off: float) -> None:
    covered = 0
    for seed in range(WORLDS):
        chance, label, error = draw_sample(seed, n, off=off)
        made = calibration_figures(chance, label, seed=1)["calibration_error"]
        covered += made["low"] <= error <= made["high"]
    assert binom.cdf(covered, WORLDS, 0.95) > 0.001


def test_chances_that_are_wrong_are_not_taken_for_right_ones() -> None:
    chance, label, _ = draw_sample(1, 2000, off=0.5)
    wrong = calibration_figures(chance, label, seed=1)
    assert wrong["calibration_error"]["low"] > 0.02
    assert wrong["reliability"]["by_chance"] < wrong["calibration_error"]["value"] / 2


def test_a_plain_bootstrap_would_deny_right_chances() -> None:
    """Negative control: drawn again, bins stray twice, so that 0 is always left out."""
    for seed in range(5):
        chance, label, _ = draw_sample(seed, 200, off=1.0)

        def error(weight: Floats) -> float:
            rows = np.repeat(np.arange(200), weight.astype(int))
            return ranking_metrics.reliability(chance[rows], label[rows]).error  # noqa: B023 - used at once

        low, _ = intervals.bootstrap(error, 200, seed=1, draws=100)
        result = calibration_figures(chance, label, seed=1)
        assert low[0] > 0.02
        assert result["calibration_error"]["low"] == 0.0
        assert result["reliability"]["by_chance"] == pytest.approx(0.057, abs=0.02)


def score(values: NDArray[np.float32]) -> Scores:
    """The world's own chances."""
    seen = np.nan_to_num(values[:, :4]).astype(np.float64)
    logit = -2.2 + 1.2 * seen[:, 0] - 0.8 * seen[:, 1] + 0.9 * seen[:, 2] * (seen[:, 3] > 0)
    chance = 1 / (1 + np.exp(-logit))
    return Scores(chance * 0.15, chance)


def make_report(data: Dataset) -> dict[str, Any]:
    return evaluate_model(data, score(data.values), config=TrainConfig(), fitted_until=START)


def test_three_inspected_rows_tell_nothing_about_chances() -> None:
    data = small_world(600, seed=1, days=20)
    data.direction[:] = "entry"
    data.basis[np.flatnonzero(data.is_inspected)[3:]] = None
    data.discrepancy[~data.is_inspected] = data.seizure[~data.is_inspected] = -1
    made = make_report(data)
    inspected = made["targets"]["discrepancy"]["inspected"]
    assert inspected["rows"] <= 3
    assert not inspected["calibration_error"]["knowable"] and not inspected["brier"]["knowable"]
    assert "off by" not in paragraph(made)
    assert "Whether stated chances come true is not yet knowable" in paragraph(made)
    assert "not yet knowable" in page(made) and render_report(made)


def test_many_rows_tell_it_with_an_interval_and_what_chance_alone_would_show() -> None:
    made = make_report(small_world(6000, seed=2, days=20))
    inspected = made["targets"]["discrepancy"]["inspected"]
    assert inspected["calibration_error"]["low"] == 0.0 < inspected["reliability"]["by_chance"]
    assert inspected["brier"]["low"] < inspected["brier"]["value"] < inspected["brier"]["high"]
    assert "(0.0% to" in paragraph(made) and "in as few rows" in paragraph(made)


def test_a_curve_of_finds_caught_has_an_interval_and_none_where_finds_are_few() -> None:
    draw = np.random.default_rng(3)
    risk = draw.random(800)
    label = (draw.random(800) < risk * 0.3).astype(np.int8)
    made = curve(View(label, risk > 0.9, risk, risk, np.ones(800), exact=True))
    assert made["knowable"] and len(made["capacity"]) == len(made["low"]) == len(
        ranking_metrics.SHARES
    )
    inner = slice(5, -5)
    assert (np.array(made["low"]) <= np.array(made["caught"])).all()
    assert (np.array(made["low"])[inner] < np.array(made["high"])[inner]).all()
    truth = (
        1 - (1 - ranking_metrics.SHARES) ** 2
    )  # a risk of even spread, finds in proportion to it
    within = (np.array(made["low"]) <= truth) & (truth <= np.array(made["high"]))
    assert within.mean() > 0.9
    label[np.flatnonzero(label)[4:]] = 0
    few = curve(View(label, risk > 0.9, risk, risk, np.ones(800), exact=True))
    assert not few["knowable"] and few["caught"] == [] and few["why"]


def test_what_is_missing_widens_a_curve_both_ways() -> None:
    draw = np.random.default_rng(4)
    risk = draw.random(800)
    label = (draw.random(800) < risk * 0.3).astype(np.int8)
    lost = (draw.random(800) < 0.3) & (label == 1)
    known = np.where(lost, -1, label).astype(np.int8)
    made = curve(View(known, risk > 0.9, risk, risk, np.ones(800), exact=True))
    whole = ranking_metrics.capture(risk, label)(np.ones(800))
    assert (np.array(made["low"]) <= whole).all() and (whole <= np.array(made["high"])).all()
    ends = [
        ranking_metrics.capture(risk, known, missing=way)(np.ones(800)) for way in ("worst", "best")
    ]
    assert (ends[0] <= whole + 1e-9).all() and (whole <= ends[1] + 1e-9).all()
