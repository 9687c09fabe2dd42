"""The report states what the finds weigh, by the network file."""

import numpy as np

from engine.ports import Scores
from models.config import TrainConfig
from models.evaluation.report import evaluate_model
from models.evaluation.report_text import paragraph
from tests.support.small_dataset import small_world
from tests.unit.features.random_histories import START


def test_the_report_states_finds_and_what_they_weigh() -> None:
    data = small_world(800, seed=5, days=20)
    data.direction[:] = "entry"
    chance = np.random.default_rng(1).random(len(data))
    scores = Scores(p_seizure=chance * 0.15, p_discrepancy=chance)
    gravity = np.where(data.seizure == 1, 8.0, (data.discrepancy == 1) * 1.0)
    settings = TrainConfig()
    made = evaluate_model(data, scores, config=settings, fitted_until=START, gravity=gravity)[
        "gravity"
    ]
    finds, grave = int((data.discrepancy == 1).sum()), int((data.seizure == 1).sum())
    assert made["all"] == {"finds": finds, "gravity": finds + 7.0 * grave}
    assert 0 < made["within_capacity"]["finds"] < finds
    assert made["share"] == made["within_capacity"]["gravity"] / made["all"]["gravity"]
    whole = evaluate_model(data, scores, config=settings, fitted_until=START, gravity=gravity)
    assert f"Of {finds:,} finds in inspections, which weigh" in paragraph(whole)
    assert "gravity" not in evaluate_model(data, scores, config=settings, fitted_until=START)
