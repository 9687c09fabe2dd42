"""Calibration: increasing, right on average, corrected by the random stream, with an interval."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_units import DAY, NEVER
from models.array_types import Floats
from models.config import TrainConfig, Trees
from models.data.dataset import TARGETS, Dataset
from models.learning.calibration import estimate_doubt, fit_blend, fit_knots, level
from models.learning.fit import fit
from models.scoring import (
    FARTHEST,
    FEWEST_RANDOM_FINDS,
    UNCALIBRATED,
    Doubt,
    Head,
    Knots,
    probability,
    state_chances,
)
from models.training.bundle_writer import _describe_doubt, _state_doubt
from tests.support.small_dataset import START, small_world


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


@given(st.floats(-40, 40))
def test_one_margin_is_mapped_as_many_are_to_the_bit(margin: float) -> None:
    knots = Knots((-3.0, -0.7, 0.1, 2.0), (-5.1, -1.3, 0.2, 9.7))
    assert knots.at(margin) == float(knots(margin))


SMALL = Trees(iterations=20, seeds=1, share_of_features=1.0)
CONFIG = TrainConfig(discrepancy=SMALL, seizure=SMALL, folds=2, jobs=1)
UNTIL = START + 250 * DAY


def simulate_officers(seed: int = 1, n: int = 6000) -> tuple[Dataset, np.ndarray]:
    """Return a world in which officers see what no feature says, and the truth of all arrivals."""
    made = small_world(n, seed=seed)
    draw = np.random.default_rng(seed)
    odd = draw.random(n) < 0.2
    signs = np.nan_to_num(made.values[:, 0]).astype(np.float64)
    carries = draw.random(n) < 1 / (1 + np.exp(3.0 - signs - 2.5 * odd))
    is_random = draw.random(n) < 0.2
    searched = is_random | (draw.random(n) < np.where(odd, 0.6, 0.05))
    basis = np.full(n, None, object)
    basis[searched], basis[is_random] = "officer", "random"
    grave = carries & (draw.random(n) < 0.2)
    result = replace(
        made,
        discrepancy=np.where(searched, carries, -1).astype(np.int8),
        seizure=np.where(searched, grave, -1).astype(np.int8),
        label_known_at=np.where(searched, made.arrived_at + DAY, NEVER),
        basis=basis,
        is_full=searched,
    )
    return result, carries


def predict_discrepancy(data: Dataset) -> np.ndarray:
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    return np.asarray(model.score(data.values).p_discrepancy)


def test_what_is_stated_of_all_arrivals_is_what_they_hold() -> None:
    data, carries = simulate_officers()
    chance = predict_discrepancy(data)
    assert chance.mean() == pytest.approx(carries.mean(), rel=0.25)


def test_without_random_checks_nothing_moves() -> None:
    data, _ = simulate_officers()
    data.basis[data.basis == "random"] = "officer"
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    assert set(model.level.values()) == {0.0}


def test_seizures_keep_to_the_level_of_discrepancies_while_random_checks_have_shown_few() -> None:
    data, _ = simulate_officers()
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    assert model.level["discrepancy"] < -0.4
    assert abs(model.level["seizure"] - model.level["discrepancy"]) < 0.5


def test_the_level_is_the_lots_once_it_has_shown_enough() -> None:
    draw = np.random.default_rng(7)
    log_odds = draw.normal(-2, 1, 200_000)
    label = (draw.random(200_000) < 1 / (1 + np.exp(-(log_odds - 1.0)))).astype(np.int8)
    assert level(log_odds, label) == pytest.approx(-1.0, abs=0.05)
    assert level(log_odds[:0], label[:0], usual=-0.3) == pytest.approx(-0.3)
    assert -0.5 < level(log_odds[:20], label[:20]) < 0.5


ROWS, RANDOM = 2_000, 1_200
DRAWS = 60


def draw_chances(seed: int, *, base: float) -> tuple[Floats, Floats, Doubt]:
    """Return the true and the stated log-odds of arrivals, and the doubt that a fit states.

    Officers' picks hold more than random checks of the same margin do.
    """
    draw = np.random.default_rng(seed)
    margin, is_random = draw.normal(0.0, 1.2, ROWS), np.arange(ROWS) < RANDOM
    truth = base + 0.8 * margin
    label = (draw.random(ROWS) < probability(truth + 0.5 * ~is_random)).astype(np.int8)
    stated = fit_knots(margin, label, segments=1)
    shift = level(stated(margin)[is_random], label[is_random])
    doubt = estimate_doubt(stated(margin) + shift, label, is_random=is_random)
    assert doubt is not None
    arrivals = draw.normal(0.0, 1.2, ROWS)
    return base + 0.8 * arrivals, stated(arrivals) + shift, doubt


def count_covered(share: float) -> float:
    """Return the share of worlds whose riskiest part truly carries what the intervals say."""
    covered, asked = 0, 0
    for seed in range(DRAWS):
        truth, stated, doubt = draw_chances(seed, base=-3.8)
        if not doubt.has_level:
            continue
        top = np.argsort(-stated)[: round(share * len(stated))]
        ends = doubt.bounds(stated[top])
        assert ends is not None
        low, high = ends.mean(axis=0)
        covered += low <= probability(truth[top]).mean() <= high
        asked += 1
    assert asked > DRAWS / 2
    return covered / asked


@pytest.mark.parametrize("share", [0.01, 0.1, 1.0])
def test_the_interval_holds_the_truth(share: float) -> None:
    assert count_covered(share) >= 0.9


def test_with_few_finds_of_random_checks_there_is_no_number() -> None:
    _, _, doubt = draw_chances(1, base=-9.0)
    assert doubt.random_finds < FEWEST_RANDOM_FINDS
    assert doubt.bounds(np.log(0.01 / 0.99)) is None
    kept = _state_doubt(doubt)
    assert kept["one_in_a_hundred"] is None
    assert "an order, and no number" in _describe_doubt(kept) == _describe_doubt(None)
    no_check = np.zeros(3, np.bool_)
    assert estimate_doubt(np.zeros(3), np.zeros(3, np.int8), is_random=no_check) is None


def test_a_head_keeps_its_doubt() -> None:
    doubt = Doubt(random_finds=9, center=-5.0, level=0.3, slope=0.1)
    head = Head((("seizure", 1.0),), UNCALIBRATED, doubt=doubt)
    assert Head.from_dict(head.as_dict()) == head
    margins = {"seizure": np.array([-4.0, -8.0, -5.0, -2.0])}
    scores = state_chances({"seizure": head, "discrepancy": head}, margins)
    assert scores.seizure_between is not None
    low, high = scores.seizure_between.T
    assert (low < scores.p_seizure).all() and (scores.p_seizure < high).all()
    one = scores.read_row(1)
    assert one.seizure_between == (low[1], high[1]) and one.seizure == scores.p_seizure[1]
    assert "a chance of 1.0% means" in _describe_doubt(_state_doubt(doubt))
    # The chance that is known best is stated with the narrowest interval.
    wide = np.log(high / (1 - high)) - np.log(low / (1 - low))
    assert wide[2] < min(wide[1], wide[3])
    untold = state_chances(dict.fromkeys(TARGETS, replace(head, doubt=None)), margins)
    assert untold.seizure_between is None and untold.read_row(0).seizure_between is None
