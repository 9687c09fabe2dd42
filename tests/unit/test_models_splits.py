"""No row teaches with a label that was not known yet, and periods follow each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.times import DAY
from models import splits
from tests.unit.models_world import START, small_world


def late_labels(split: splits.Split, data: object) -> int:
    known = data.label_known_at  # type: ignore[attr-defined]
    return int(
        (known[split.fit] >= split.calibrate_from).sum()
        + (known[split.calibrate] >= split.test_from).sum()
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(20, 100), st.integers(0, 10), st.integers(10, 60))
def test_nothing_known_later_enters(seed: int, fit_days: int, gap: int, more: int) -> None:
    data = small_world(500, seed=seed, days=240)
    split = splits.temporal(
        data,
        "discrepancy",
        fit_until=START + fit_days * DAY,
        calibrate_until=START + (fit_days + gap + more) * DAY,
        test_until=START + 240 * DAY,
        gap=gap * DAY,
    )
    at = data.arrived_at

    assert late_labels(split, data) == 0
    assert (at[split.fit] < split.fit_until).all()
    assert (at[split.calibrate] >= split.fit_until + gap * DAY).all()
    assert (at[split.calibrate] < split.calibrate_until).all()
    assert (at[split.test] >= split.calibrate_until + gap * DAY).all()
    assert data.evidence("discrepancy")[np.concatenate((split.fit, split.calibrate))].all()


def test_the_planted_leak_is_seen() -> None:
    """The twin: a split by arrival alone lets late labels in, and the check above counts them."""
    data = small_world(3000, seed=1)
    cut = START + 100 * DAY
    split = splits.temporal(
        data, "discrepancy", fit_until=cut, calibrate_until=cut + 50 * DAY,
        test_until=cut + 140 * DAY, gap=0,
    )  # fmt: skip
    by_arrival = np.flatnonzero(data.evidence("discrepancy") & (data.arrived_at < cut))
    leaky = splits.Split(
        by_arrival, split.calibrate, split.test, cut, cut, split.calibrate_until,
        split.test_from, split.test_until,
    )  # fmt: skip

    assert late_labels(split, data) == 0
    assert late_labels(leaky, data) > 0


def test_periods_out_of_order_are_refused() -> None:
    data = small_world(50, seed=1)
    with pytest.raises(ValueError, match="follow each other"):
        splits.temporal(
            data, "seizure", fit_until=5 * DAY, calibrate_until=4 * DAY, test_until=9 * DAY, gap=0
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 8))
def test_folds_roll_forward(seed: int, folds: int, gap: int) -> None:
    data = small_world(600, seed=seed)
    until = START + 200 * DAY
    made = splits.rolling(
        data, data.evidence("discrepancy"), until=until, known_before=until, gap=gap * DAY,
        folds=folds,
    )  # fmt: skip

    assert made
    for fold in made:
        assert (data.label_known_at[fold.fit] < fold.cut).all()
        assert (data.arrived_at[fold.fit] < fold.cut - gap * DAY).all()
        assert (data.arrived_at[fold.later] >= fold.cut).all()
        assert (data.label_known_at[fold.later] < until).all()
    later = np.concatenate([fold.later for fold in made])
    assert len(np.unique(later)) == len(later)
