"""A model weighs a seizure as the network file weighs those that taught it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.network import SeverityBand
from engine.domain.records import SubstanceClass
from engine.domain.time_units import DAY
from engine.ports import Scores
from engine.selection import risk
from features.history.tables import Tables
from models.config import TrainConfig
from models.evaluation.report import evaluate_model
from models.evaluation.report_text import paragraph
from models.training.known_seizures import find_severity, settle_severity
from tests.support.small_dataset import small_world
from tests.unit.features.random_histories import NETWORK, START, history, tables

NEVER = START + 9999 * DAY
KNOWN = tables(history(7, 200))  # every find is a narcotic: 12.4 g, 2,000 g or unknown
BAND = SeverityBand(substance_class="narcotic", from_g=1000.0, weight=40.0)


def set_weights(
    severity: Mapping[SubstanceClass, float], bands: tuple[SeverityBand, ...] = ()
) -> Tables:
    return replace(KNOWN, network=replace(NETWORK, severity=severity, severity_bands=bands))


def weight_of(known: Tables, config: TrainConfig | None = None, before: int = NEVER) -> float:
    return find_severity(known, config or TrainConfig(), known_before=before).weight


@pytest.mark.parametrize("stated", [10.0, None])
def test_a_network_file_with_narcotic_10_ranks_as_stated(stated: float | None) -> None:
    """Negative control: with the default weight the order is the other way round."""
    known = set_weights({} if stated is None else {"narcotic": stated})
    config = settle_severity(TrainConfig(), find_severity(known, TrainConfig(), known_before=NEVER))
    grave = risk(0.1, 0.1, severity=config.seizure_weight)
    slight = risk(0.0, 0.7, severity=config.seizure_weight)
    assert (grave > slight) is (stated == 10.0)
    assert config.seizure_weight == (stated or 5.0)


def test_the_weight_is_the_mean_of_the_finds_and_the_card_says_of_which() -> None:
    found = find_severity(
        set_weights({"narcotic": 10.0}, (BAND,)), TrainConfig(), known_before=NEVER
    )
    grams = KNOWN.seizures["quantity_g"].to_pylist()
    large = sum(g is not None and g >= 1000.0 for g in grams)
    assert 0 < large < len(grams)
    assert found.weight == pytest.approx(10.0 + 30.0 * large / len(grams))
    named = {"substance_class": "narcotic"}
    assert found.as_dict() == {
        "weight": found.weight,
        "by": "finds",
        "finds": len(grams),
        "table": [
            named | {"from_g": None, "weight": 10.0, "finds": len(grams) - large},
            named | {"from_g": 1000.0, "weight": 40.0, "finds": large},
        ],
    }


def test_only_what_was_known_teaches_and_a_stated_weight_stands() -> None:
    known = set_weights({"narcotic": 10.0})
    assert weight_of(known, before=START) == 5.0
    assert weight_of(known, TrainConfig(severity=7.0)) == 7.0
    assert find_severity(known, TrainConfig(), known_before=START).as_dict()["by"] == "default"


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
