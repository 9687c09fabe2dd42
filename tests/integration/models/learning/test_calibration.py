"""Calibration is strictly increasing, honest about few positives, and right on average."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import selection
from models.learning.calibration import fit_blend, fit_knots
from models.scoring import FARTHEST, Head, Knots, probability, risk


def draw_sample(
    n: int, *, seed: int, level: float = -1.0, slope: float = 0.6
) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    margin = draw.normal(-1, 2, n)
    label = (draw.random(n) < probability(level + slope * margin)).astype(np.int8)
    return margin, label


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(30, 600),
    st.floats(-3, 2),
    st.floats(-1, 3),
)
def test_more_margin_is_always_more_chance(seed: int, n: int, level: float, slope: float) -> None:
    margin, label = draw_sample(n, seed=seed, level=level, slope=slope)
    knots = fit_knots(margin, label)
    asked = np.linspace(margin.min() - 3, margin.max() + 3, 2001)
    mapped = knots(asked)

    inside = np.abs(mapped) < FARTHEST
    assert (np.diff(mapped)[inside[1:] & inside[:-1]] > 0).all()
    assert (np.abs(mapped) <= FARTHEST).all()


def test_it_corrects_a_wrong_scale() -> None:
    margin, label = draw_sample(40_000, seed=1)
    later, truth = draw_sample(40_000, seed=2)
    chance = probability(fit_knots(margin, label)(later))

    for low, high in zip((0, 0.1, 0.2, 0.4), (0.1, 0.2, 0.4, 1.0), strict=True):
        inside = (low <= chance) & (chance < high)
        assert chance[inside].mean() == pytest.approx(truth[inside].mean(), abs=0.015)
    # Negative control: without the map, the same margins are far off.
    assert abs(probability(later).mean() - truth.mean()) > 0.02


def test_few_positives_only_shift_the_level() -> None:
    margin, label = draw_sample(400, seed=3, level=-4.0, slope=1.0)
    knots = fit_knots(margin, label)

    assert len(knots.margin) == 2
    assert probability(knots(margin)).mean() == pytest.approx(label.mean(), abs=0.01)


def test_a_blend_finds_the_margin_that_knows() -> None:
    draw = np.random.default_rng(4)
    truth, noise = draw.normal(size=4000), draw.normal(size=4000)
    label = (draw.random(4000) < probability(2 * truth - 2)).astype(np.int8)

    def share(first: np.ndarray, second: np.ndarray, rows: int = 4000) -> float:
        value = np.column_stack((first, second))[:rows]
        return float(fit_blend(value, label[:rows], usual=(0.5, 0.5))[0])

    assert share(truth, noise) > 0.8
    assert share(noise, truth) < 0.2
    assert 0.3 <= share(truth, truth, rows=60) <= 0.7


def test_a_head_survives_its_json_and_scores_alike() -> None:
    head = Head((("seizure", 0.3), ("discrepancy", 0.7)), Knots((-1.0, 0.0, 2.0), (-3.0, 0.0, 1.0)))
    margins: dict[str, np.ndarray] = {
        "seizure": np.array([0.5, -2.0]),
        "discrepancy": np.array([1.0, 0.0]),
    }

    again = Head.from_dict(head.as_dict())
    assert again == head
    np.testing.assert_allclose(again.margin(margins), [0.85, -0.6])


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 0.5), st.floats(0, 100))
def test_risk_never_falls_when_a_chance_rises(
    seizure: float, discrepancy: float, step: float, severity: float
) -> None:
    def at(p_seizure: float, p_discrepancy: float) -> float:
        chances = np.array([p_seizure]), np.array([p_discrepancy])
        return float(risk(*chances, severity=severity)[0])

    assert 0 <= at(seizure, discrepancy) <= 1
    assert at(seizure, discrepancy) == selection.risk(seizure, discrepancy, severity=severity)
    assert at(seizure, min(1.0, discrepancy + step)) >= at(seizure, discrepancy)
    assert at(min(1.0, seizure + step), discrepancy) >= at(seizure, discrepancy)


@given(st.floats(-40, 40))
def test_one_margin_is_mapped_as_many_are_to_the_bit(margin: float) -> None:
    knots = Knots((-3.0, -0.7, 0.1, 2.0), (-5.1, -1.3, 0.2, 9.7))
    assert knots.at(margin) == float(knots(margin))
