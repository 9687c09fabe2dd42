"""Figures of ranking and rates agree with published ones, and intervals cover."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from engine.domain.time_units import DAY
from models.evaluation.metric_view import calibration_figures
from models.statistics import intervals, ranking_metrics
from models.statistics.intervals import rate
from tests.support.sizes import PROOF


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 200), st.integers(2, 30))
def test_ap_and_auc_equal_scikit_learns_under_weights(seed: int, n: int, levels: int) -> None:
    draw = np.random.default_rng(seed)
    score = draw.integers(0, levels, n).astype(float)
    label = (draw.random(n) < 0.4).astype(np.int8)
    label[:2] = 0, 1
    weight = draw.integers(1, 5, n).astype(float)
    weight[2:] *= draw.random(n - 2) < 0.7  # as a bootstrap leaves rows out

    assert ranking_metrics.average_precision(score, label)(weight) == pytest.approx(
        average_precision_score(label, score, sample_weight=weight), rel=0, abs=1e-12
    )
    assert ranking_metrics.auc(score, label)(weight) == pytest.approx(
        roc_auc_score(label, score, sample_weight=weight), rel=0, abs=1e-12
    )


def test_the_brier_score_of_a_report_is_scikit_learns() -> None:
    draw = np.random.default_rng(9)
    chance = draw.random(3000)
    label = (draw.random(3000) < chance).astype(np.int8)
    value = calibration_figures(chance, label, seed=1)["brier"]["value"]
    assert value == pytest.approx(brier_score_loss(label, chance), rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Clopper-Pearson limits as tabulated (e.g. R: binom.test(hits, n)$conf.int).
        (0, 10, 0.0, 0.30850),
        (1, 10, 0.00253, 0.44502),
        (5, 10, 0.18709, 0.81291),
        (10, 10, 0.69150, 1.0),
        (0, 1100, 0.0, 0.003348),
    ],
)
def test_clopper_pearson_as_tabulated(hits: int, n: int, low: float, high: float) -> None:
    assert intervals.clopper_pearson(hits, n) == pytest.approx((low, high), abs=1e-5)


def test_a_share_of_nothing_is_not_knowable_and_few_are_not_either() -> None:
    assert not intervals.share(0, 0).knowable
    assert not intervals.share(1, 5).knowable
    zero = intervals.share(0, 1100)
    assert zero.knowable
    assert zero.high == pytest.approx(3.7 / 1100, rel=0.02)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    samples = 4000 if PROOF else 400
    hits = np.random.default_rng(1).binomial(300, 0.04, samples)
    kept = [intervals.clopper_pearson(int(count), 300) for count in hits]
    covered = np.mean([low <= 0.04 <= high for low, high in kept])
    assert 0.94 <= covered <= 0.995


def test_bootstrap_repeats_and_brackets_the_figure() -> None:
    draw = np.random.default_rng(2)
    label = (draw.random(600) < 0.2).astype(np.int8)
    score = label + draw.normal(size=600)
    figure = {"auc": ranking_metrics.auc(score, label)}
    first = intervals.estimates(figure, label, seed=3, draws=200)["auc"]

    assert first == intervals.estimates(figure, label, seed=3, draws=200)["auc"]
    assert first.low is not None
    assert first.value is not None
    assert first.high is not None
    assert first.low < first.value < first.high
    nothing = intervals.estimates(figure, np.zeros(600, np.int8), seed=3)["auc"]
    assert not nothing.knowable


def test_draws_that_never_differ_are_no_certainty() -> None:
    """Twenty rows within capacity and no find among them: zero, surely, is not what was learnt."""
    label = np.zeros(600, np.int8)
    label[500:520] = 1
    chosen = np.arange(600) < 20
    figure = {"rate": lambda weight: float(weight @ (chosen & (label == 1)) / weight.sum())}
    made = intervals.estimates(figure, label, seed=4, draws=50)["rate"]
    assert not made.knowable
    assert made.value is None


def test_capacity_is_kept_at_every_post_and_its_riskiest_are_taken() -> None:
    draw = np.random.default_rng(4)
    n = 4000
    risk = draw.random(n)
    post = draw.choice(np.array(["A", "B", "small"], object), n, p=[0.5, 0.49, 0.01])
    at = draw.integers(0, 30 * DAY, n).astype(np.int64)
    chosen = ranking_metrics.within_capacity(risk, post, at, capacity=0.05, seed=1)

    for name in ("A", "B", "small"):
        here = post == name
        assert abs(chosen[here].sum() - 0.05 * here.sum()) <= 1
    day = (post == "A") & (at // DAY == 3)
    assert risk[day & chosen].min() >= risk[day & ~chosen].max()


def test_minutes_are_kept_at_every_post_and_dear_inspections_leave_fewer() -> None:
    draw = np.random.default_rng(9)
    n = 4000
    risk, minutes = draw.random(n), draw.choice([20.0, 60.0], n)
    post = draw.choice(np.array(["A", "B"], object), n)
    at = draw.integers(0, 30 * DAY, n).astype(np.int64)
    given: Any = {"capacity": 0.05, "seed": 1}
    chosen = ranking_metrics.within_capacity(risk, post, at, minutes=minutes, **given)
    dear = ranking_metrics.within_capacity(risk, post, at, minutes=minutes * 3, **given)
    even = ranking_metrics.within_capacity(risk, post, at, minutes=np.ones(n), **given)

    for name in ("A", "B"):
        here = post == name
        assert abs(minutes[here & chosen].sum() - 0.05 * minutes[here].sum()) <= 60
    assert (chosen == dear).all(), "the budget is a share of the same minutes"
    assert (even == ranking_metrics.within_capacity(risk, post, at, **given)).all()


def test_ties_are_broken_at_random_not_by_arrival() -> None:
    n = 2000
    at = np.sort(np.random.default_rng(5).integers(0, DAY, n)).astype(np.int64)
    chosen = ranking_metrics.within_capacity(
        np.full(n, 0.5), np.full(n, "A", object), at, capacity=0.2, seed=6
    )
    assert chosen.sum() == 400
    assert 0.35 < chosen[: n // 2].mean() / 0.4 < 0.65


def test_reliability_knows_right_from_wrong() -> None:
    draw = np.random.default_rng(7)
    chance = draw.random(20_000) * 0.3
    label = (draw.random(20_000) < chance).astype(np.int8)
    assert ranking_metrics.reliability(chance, label).error < 0.012
    assert ranking_metrics.reliability(chance * 2, label).error > 0.1


def test_the_finds_caught_in_a_random_order_are_the_diagonal() -> None:
    draw = np.random.default_rng(8)
    label = (draw.random(20_000) < 0.1).astype(np.int8)
    caught = ranking_metrics.capture(draw.random(20_000), label)(np.ones(20_000))
    assert np.allclose(ranking_metrics.SHARES, caught, atol=0.03)
    perfect = ranking_metrics.capture(label.astype(float), label)(np.ones(20_000))
    assert perfect[6] == pytest.approx(1.0)


MEANS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
EXPOSURE = 4.0


def miss(mean: float) -> float:
    """Return how often the interval of a Poisson count misses its mean."""
    chance, missed = math.exp(-mean), 0.0
    for events in range(80):
        made = rate(events, EXPOSURE, n=10)
        assert made.low is not None and made.high is not None
        if not made.low <= mean / EXPOSURE <= made.high:
            missed += chance
        chance *= mean / (events + 1)
    return missed


@pytest.mark.parametrize("mean", MEANS)
def test_the_interval_of_a_rate_covers_as_often_as_it_says(mean: float) -> None:
    assert miss(mean) <= 0.05


def test_a_rate_of_few_events_is_not_yet_knowable_and_of_no_exposure_unknown() -> None:
    assert rate(5, 2.0, n=9).knowable and rate(5, 2.0, n=9).value == 2.5
    assert not rate(4, 2.0, n=9).knowable and rate(4, 2.0, n=9).low is not None
    assert rate(0, 0.0, n=0).high is None
