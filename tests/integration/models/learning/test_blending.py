"""Shares of a blend: the usual ones where later rows say nothing, others where they do."""

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import DAY
from models.config import TrainConfig, Trees
from models.learning.calibration import discrepancy_head
from models.learning.fit import _recency, fit
from models.scoring import UNSEEN
from tests.support.small_dataset import small_world

DATA = small_world(3_000, seed=4)
LATER = np.flatnonzero(DATA.evidence("discrepancy"))
LABEL = DATA.discrepancy[LATER]
CHANCE = np.random.default_rng(1)
NOISE = CHANCE.normal(0, 1, len(LATER))
TRUE = LABEL * 2.0 + NOISE - 2.0


def blend_of(trees: np.ndarray, line: np.ndarray, *, line_share: float) -> dict[str, float]:
    margins = {
        "discrepancy": trees,
        "discrepancy_line": line,
        UNSEEN: np.zeros(len(LATER)),
    }
    made = discrepancy_head(
        DATA, LATER, margins=margins, fitted={"discrepancy"}, line_share=line_share
    )
    return dict(made.head.blend)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_parts_that_say_the_same_keep_the_usual_shares(share: float) -> None:
    wanted = {"discrepancy": 1 - share} | ({"discrepancy_line": share} if share else {})
    assert blend_of(TRUE, TRUE, line_share=share) == pytest.approx(wanted)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_later_rows_outweigh_the_usual_shares(share: float) -> None:
    noise = CHANCE.permutation(NOISE) * 2.0
    assert blend_of(noise, TRUE, line_share=share)["discrepancy_line"] > 0.5
    # Negative control: turned round, it is the trees that are believed.
    assert blend_of(TRUE, noise, line_share=share)["discrepancy"] > 0.9


def test_a_row_counts_half_as_much_after_each_half_life() -> None:
    arrived = np.array([0, 180, 360], np.int64) * DAY
    weight = _recency(arrived, 180.0)
    assert weight is not None
    np.testing.assert_allclose(weight[1:] / weight[:-1], 2.0)
    assert weight.mean() == pytest.approx(1.0)
    assert _recency(arrived, 0.0) is None


def test_recent_rows_turn_the_line_of_seizures_and_no_other_part() -> None:
    data = small_world(4_000, seed=6)
    cut = int(data.arrived_at.max()) + DAY
    quick = Trees(iterations=5, depth=2, leaves=4, seeds=1, share_of_features=1.0)
    even = TrainConfig(discrepancy=quick, seizure=quick, folds=1, jobs=1, line_half_life_days=0.0)
    plain, recent = (
        fit(data, replace(even, line_half_life_days=days), until=cut, known_before=cut)
        for days in (0.0, 20.0)
    )
    assert set(plain.lines) == set(recent.lines)
    same = {
        name: np.array_equal(plain.lines[name].weight, recent.lines[name].weight)
        for name in plain.lines
    }
    assert same.pop("seizure_line") is False
    assert all(same.values())
