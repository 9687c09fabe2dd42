"""The report says what is known and what is not, and every text is made of one dictionary."""

import json

import numpy as np

from engine.domain.time_units import DAY
from engine.ports import Scores
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.evaluation.report import evaluate_model
from models.evaluation.report_html import render_report
from models.evaluation.report_text import page, paragraph
from tests.support.sizes import PROOF
from tests.support.small_dataset import START, small_world

CONFIG = TrainConfig()


def make_report(data: Dataset, *, seed: int = 0) -> dict[str, object]:
    seen = np.nan_to_num(data.values[:, 0]) + np.random.default_rng(seed).normal(size=len(data))
    chance = 1 / (1 + np.exp(2.2 - seen))
    scores = Scores(p_seizure=chance * 0.15, p_discrepancy=chance)
    return evaluate_model(data, scores, config=CONFIG, fitted_until=START)


def test_it_is_json_and_the_same_when_made_again() -> None:
    data = small_world(3000, seed=1, days=20)
    made = make_report(data)
    assert json.loads(json.dumps(made, allow_nan=False)) == json.loads(
        json.dumps(make_report(data))
    )


def test_synthetic_data_say_so_in_every_form() -> None:
    made = make_report(small_world(1500, seed=2, days=20))
    assert made["synthetic"] is True
    for text in (paragraph(made), page(made), render_report(made)):
        assert "generated data" in text


def test_the_page_is_one_harmless_file() -> None:
    data = small_world(1500, seed=3, days=20)
    data.post[:] = "<script>alert(1)</script>"
    html = render_report(make_report(data), title="m<1>")
    assert html.count("<svg") == 8
    assert "<script" not in html
    assert "m&lt;1&gt;" in html
    assert html == render_report(make_report(data), title="m<1>")


def test_without_random_checks_it_says_what_cannot_be_known() -> None:
    data = small_world(3000, seed=4, days=20)
    data.basis[data.basis == "random"] = "officer"
    made = make_report(data)
    target = made["targets"]["discrepancy"]  # type: ignore[index]
    assert target["random_stream"]["hit_rate_at_capacity"]["knowable"] is False
    assert "No random checks of discrepancy" in paragraph(made)


def test_without_any_label_nothing_is_claimed() -> None:
    data = small_world(800, seed=5, days=20)
    data.basis[:] = None
    data.discrepancy[:] = -1
    data.seizure[:] = -1
    made = make_report(data)
    assert "not yet knowable" in page(made)
    assert "is off by" not in paragraph(made)
    assert "calibration error" not in page(made)
    assert "nan" not in render_report(made).lower().replace("finance", "")


def test_capacity_counts_entries_alone() -> None:
    data = small_world(3000, seed=6, days=20)
    made = make_report(data)
    entries = int((data.direction == "entry").sum())
    assert made["arrivals"] == entries
    assert abs(int(str(made["within_capacity"])) - 0.05 * entries) <= 2


def test_inverse_propensity_undoes_selection() -> None:
    """Inspections drawn by risk flatter the hit rate; weighted back, the truth is within reach."""
    draws = 60 if PROOF else 6
    covered = naive = 0
    for seed in range(draws):
        data = small_world(6000, seed=100 + seed, days=30, inspect=1.0)
        risky = np.nan_to_num(data.values[:, 0]) > 0.5
        propensity = np.where(risky, 0.6, 0.1)
        drawn = np.random.default_rng(seed).random(len(data)) < propensity
        truth = data.discrepancy[data.direction == "entry"].mean()
        data.basis[:] = np.where(drawn, np.array("score", object), np.array(None, object))
        data.propensity[:] = np.where(drawn, propensity, np.nan)
        data.is_full[:] = drawn
        data.discrepancy[~drawn] = -1
        data.seizure[~drawn] = -1
        views = make_report(data)["targets"]["discrepancy"]  # type: ignore[index]
        weighted, plain = views["inverse_propensity"]["base_rate"], views["inspected"]["base_rate"]
        covered += weighted["low"] <= truth <= weighted["high"]
        naive += plain["low"] <= truth <= plain["high"]
    assert covered >= 0.8 * draws
    assert naive <= 0.2 * draws


def test_days_without_arrivals_and_single_posts_are_fine() -> None:
    data = small_world(60, seed=7, days=40)
    data.post[:] = "OYB"
    assert make_report(data)["arrivals"] == int((data.direction == "entry").sum())
    assert make_report(data.take(np.flatnonzero(data.arrived_at < START + DAY)))["capacity"] == 0.05
