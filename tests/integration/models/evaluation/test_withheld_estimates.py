"""Random checks not carried out in full: counted, bounded, and too many forbid a figure."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.domain.time_units import DAY, NEVER
from engine.ports import Scores
from models.array_types import Floats
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.data.propensity_log import PropensityLog, ReferralState, read_random_stream
from models.evaluation.metric_view import View, _fill_labels, _statistics, figures
from models.evaluation.off_policy import policy_value
from models.evaluation.report import evaluate_model
from models.evaluation.report_text import cannot_tell
from models.training.trainer import train
from tests.support.small_dataset import QUICK, START, small_world

FIGURES = (
    "hit_rate_at_capacity",
    "recall_at_capacity",
    "base_rate",
    "lift",
    "average_precision",
    "auc",
)


def chance(data: Dataset) -> Floats:
    seen = np.nan_to_num(data.values[:, :4]).astype(np.float64)
    return np.asarray(1 / (1 + np.exp(2.2 - 1.2 * seen[:, 0] + 0.8 * seen[:, 1])), np.float64)


def world(seed: int = 1) -> Dataset:
    """Many random checks, all of them carried out in full."""
    data = small_world(20_000, seed=seed, days=60, inspect=1.0)
    is_random = np.random.default_rng(seed).random(len(data)) < 0.2
    data.basis[:] = np.where(is_random, np.array("random", object), np.array("score", object))
    data.is_full[:] = True
    return data.take(data.direction == "entry")


def papers_alone(data: Dataset, share: float, *, seed: int = 1) -> Dataset:
    """Let so many of the finds of random checks be looked for in the papers alone."""
    lost = (data.basis == "random") & (data.discrepancy == 1)
    lost &= np.random.default_rng(seed).random(len(data)) < share
    return replace(
        data,
        discrepancy=np.where(lost, -1, data.discrepancy).astype(np.int8),
        seizure=np.where(lost, -1, data.seizure).astype(np.int8),
        is_full=data.is_full & ~lost,
    )


def honest(data: Dataset) -> float:
    return float((data.discrepancy[data.basis == "random"] == 1).mean())


def evidence_alone(data: Dataset, _: str, *, sent: ReferralState | None = None) -> PropensityLog:
    """Take only acts that could find something as draws: the seeded bug."""
    drawn = data.evidence("discrepancy") & (data.basis == "random")
    rate = np.where(drawn, drawn.mean(), np.nan)
    return PropensityLog(drawn, rate, np.where(drawn, data.discrepancy, -1).astype(np.int8))


def random_stream(data: Dataset, *, sent: ReferralState | None = None) -> dict[str, Any]:
    result = chance(data)
    made = evaluate_model(
        data, Scores(result * 0.15, result), config=TrainConfig(), fitted_until=START, sent=sent
    )
    views: dict[str, Any] = made["targets"]["discrepancy"]
    stream: dict[str, Any] = views["random_stream"]
    return stream | {"told": made["cannot_tell"], "groups": made["groups"]["discrepancy"]}


@pytest.mark.parametrize("is_planted", [False, True])
def test_finds_hidden_in_papers_widen_the_estimate_and_never_move_it_silently(
    is_planted: bool,
) -> None:
    data = world()
    truth, read = honest(data), evidence_alone if is_planted else read_random_stream
    some = policy_value(read(papers_alone(data, 0.3), "discrepancy"), np.ones(len(data)))
    made = some.self_normalised
    assert made.low is not None and made.high is not None
    assert (some.diagnostics.not_carried_out == 0) is is_planted
    assert (made.low <= truth <= made.high) is not is_planted
    many = policy_value(read(papers_alone(data, 1.0), "discrepancy"), np.ones(len(data)))
    assert many.self_normalised.knowable is is_planted


def test_a_report_bounds_its_random_stream() -> None:
    data = world()
    whole, some = random_stream(data), random_stream(papers_alone(data, 0.15))
    assert whole["not_carried_out"] == 0 < some["not_carried_out"]
    assert some["rows"] + some["not_carried_out"] == whole["rows"]
    for name in FIGURES:
        assert some[name]["knowable"], name
        assert some[name]["low"] <= whole[name]["value"] <= some[name]["high"], name
        assert some[name]["high"] - some[name]["low"] > whole[name]["high"] - whole[name]["low"]
    group = some["groups"]["vehicle_class"]["truck"]["random_stream"]
    there = whole["groups"]["vehicle_class"]["truck"]["random_stream"]
    assert group["low"] <= there["value"] <= group["high"]


def test_with_many_left_undone_nothing_is_claimed_and_the_reason_is_said() -> None:
    many = random_stream(papers_alone(world(), 1.0))
    assert not any(many[name]["knowable"] for name in FIGURES)
    assert "not carried out" in many["base_rate"]["why"]
    assert any("random checks of discrepancy were not carried out" in one for one in many["told"])
    assert not many["groups"]["post"]["OYB"]["random_stream"]["knowable"]


def test_a_random_check_that_never_became_an_act_is_one_not_carried_out() -> None:
    data = world()
    is_random = data.basis == "random"
    skipped = (
        is_random & (data.discrepancy == 1) & (np.random.default_rng(2).random(len(data)) < 0.9)
    )
    sent = ReferralState(np.where(is_random, 0.2, np.nan), is_random, np.full(len(data), np.nan))
    gone = replace(
        data,
        basis=np.where(skipped, np.array(None, object), data.basis),
        discrepancy=np.where(skipped, -1, data.discrepancy).astype(np.int8),
        seizure=np.where(skipped, -1, data.seizure).astype(np.int8),
    )
    blind, result = random_stream(gone), random_stream(gone, sent=sent)
    assert blind["not_carried_out"] == 0 and blind["base_rate"]["high"] < honest(data)
    assert result["not_carried_out"] == skipped.sum()
    assert not result["base_rate"]["knowable"]
    assert (
        read_random_stream(gone, "discrepancy", sent=sent.where(~skipped)).drawn.sum()
        == (is_random & ~skipped).sum()
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_no_way_to_fill_what_is_missing_lies_beyond_the_ends(seed: int, lost: int) -> None:
    draw = np.random.default_rng(seed)
    n = 60
    label = (draw.random(n) < 0.4).astype(np.int8)
    label[:lost] = -1
    risk = draw.random(n)
    view = View(label, risk > 0.7, risk, risk, draw.uniform(1, 3, n), exact=False)
    tried = [_ends(view, filled) for filled in _fill_labels(view)]
    low, high = np.nanmin(tried, axis=0), np.nanmax(tried, axis=0)
    for _ in range(50):
        filled = label.copy()
        filled[:lost] = draw.random(lost) < draw.random()
        made = _ends(view, filled)
        assert (made >= low - 1e-9).all() and (made <= high + 1e-9).all()


def _ends(view: View, label: NDArray[np.int8]) -> Floats:
    return np.array([figure(view.weight) for figure in _statistics(view, label).values()])


def test_rows_that_are_all_there_have_the_figures_they_had() -> None:
    draw = np.random.default_rng(3)
    label, risk = (draw.random(500) < 0.3).astype(np.int8), draw.random(500)
    made = figures(View(label, risk > 0.8, risk, risk, np.ones(500), exact=True))
    assert made["not_carried_out"] == 0
    assert made["base_rate"]["value"] == label.mean()
    assert cannot_tell({"targets": {}}) == []


def test_training_counts_what_was_left_undone_once_its_act_is_overdue() -> None:
    data = small_world(5000, seed=4, days=200)
    cut = START + 200 * DAY
    is_random = data.basis == "random"
    skipped = is_random & (np.arange(len(data)) % 2 == 0)
    for name, gone in (("basis", None), ("discrepancy", -1), ("seizure", -1)):
        getattr(data, name)[skipped] = gone
    data.label_known_at[skipped] = NEVER
    sent = ReferralState(
        np.where(is_random, data.propensity, np.nan), is_random, np.full(len(data), 30.0)
    )
    report = train(data, QUICK, cutoff=cut, sent=sent).report
    judged = skipped & (data.direction == "entry") & (data.arrived_at >= cut - 56 * DAY)
    overdue = judged & (data.arrived_at < cut - QUICK.label_delay)
    value = report["targets"]["discrepancy"]["random_stream"]["not_carried_out"]
    assert value == overdue.sum() < judged.sum()
    values = report["targets"]["discrepancy"]["policy_value"]["engine_drawn"]
    assert values["released"]["hits_per_hour"]["value"] == pytest.approx(
        2 * values["released"]["self_normalised"]["value"]
    ), "each search took half an hour"
    untrusted = replace(QUICK, untrusted_posts=("OYB",))
    rest = train(data, untrusted, cutoff=cut, sent=sent).report
    value = rest["targets"]["discrepancy"]["random_stream"]["not_carried_out"]
    assert value == (overdue & (data.post == "FOT")).sum()
