"""Stated chances come with an interval that holds the truth, or with none."""

from dataclasses import replace

import numpy as np
import pytest

from models.array_types import Floats
from models.learning.calibration import estimate_doubt, fit_knots, level
from models.scoring import FEWEST_RANDOM_FINDS, UNCALIBRATED, Doubt, Head, probability
from models.training.bundle_writer import _describe_doubt, _state_doubt

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


def count_covered(share: float, *, narrower: float = 1.0) -> float:
    """Return the share of worlds whose riskiest part truly carries what the intervals say."""
    covered, asked = 0, 0
    for seed in range(DRAWS):
        truth, stated, doubt = draw_chances(seed, base=-3.8)
        if not doubt.has_level:
            continue
        doubt = replace(doubt, level=doubt.level * narrower, slope=doubt.slope * narrower)
        top = np.argsort(-stated)[: round(share * len(stated))]
        ends = np.array([doubt.bounds(float(one)) for one in probability(stated[top])])
        low, high = ends.mean(axis=0)
        covered += low <= probability(truth[top]).mean() <= high
        asked += 1
    assert asked > DRAWS / 2
    return covered / asked


@pytest.mark.parametrize("share", [0.01, 0.1, 1.0])
def test_the_interval_holds_the_truth(share: float) -> None:
    assert count_covered(share) >= 0.9


def test_negative_control_an_interval_of_a_third_does_not() -> None:
    assert count_covered(0.01, narrower=1 / 3) < 0.9


def test_with_few_finds_of_random_checks_there_is_no_number() -> None:
    _, _, doubt = draw_chances(1, base=-9.0)
    assert doubt.random_finds < FEWEST_RANDOM_FINDS
    assert doubt.bounds(0.01) is None
    kept = _state_doubt(doubt)
    assert kept["one_in_a_hundred"] is None
    assert "an order, and no number" in _describe_doubt(kept) == _describe_doubt(None)
    no_check = np.zeros(3, np.bool_)
    assert estimate_doubt(np.zeros(3), np.zeros(3, np.int8), is_random=no_check) is None


def test_a_head_keeps_its_doubt() -> None:
    doubt = Doubt(random_finds=9, center=-5.0, level=0.3, slope=0.1)
    head = Head((("seizure", 1.0),), UNCALIBRATED, doubt=doubt)
    assert Head.from_dict(head.as_dict()) == head
    low, high = doubt.bounds(0.01) or (0.0, 0.0)
    assert low < 0.01 < high
    assert "a chance of 1.0% means" in _describe_doubt(_state_doubt(doubt))
    # The chance that is known best is stated with the narrowest interval.
    ends = [doubt.bounds(float(probability(z))) or (1.0, 1.0) for z in (-8.0, -5.0, -2.0)]
    wide = [np.log(high / (1 - high)) - np.log(low / (1 - low)) for low, high in ends]
    assert wide[1] < min(wide[0], wide[2])
