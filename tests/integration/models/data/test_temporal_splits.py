"""No row teaches with a label that was not known yet, and folds follow each other."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.time_units import DAY
from models.data import dataset
from models.data.dataset import Dataset
from tests.support.small_dataset import START, small_world


def late_labels(fold: dataset.Fold, data: Dataset) -> int:
    """Return how many rows teach that were not known, or had not arrived, at the fold's cut."""
    known, arrived = data.label_known_at[fold.fit], data.arrived_at[fold.fit]
    return int(((known >= fold.cut) | (arrived >= fold.cut)).sum())


def test_the_seeded_leak_is_seen() -> None:
    """Negative control: a fold by arrival alone lets late labels in, and the check counts them."""
    data = small_world(3000, seed=1)
    usable, until = data.evidence("discrepancy"), START + 200 * DAY
    for fold in dataset.rolling_folds(
        data, usable, until=until, known_before=until, gap=0, folds=4
    ):
        by_arrival = np.flatnonzero(usable & (data.arrived_at < fold.cut))
        assert late_labels(fold, data) == 0
        assert late_labels(replace(fold, fit=by_arrival), data) > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 8))
def test_folds_roll_forward(seed: int, folds: int, gap: int) -> None:
    data = small_world(600, seed=seed)
    until = START + 200 * DAY
    made = dataset.rolling_folds(
        data, data.evidence("discrepancy"), until=until, known_before=until, gap=gap * DAY,
        folds=folds,
    )  # fmt: skip

    assert made
    for fold in made:
        assert late_labels(fold, data) == 0
        assert (data.arrived_at[fold.fit] < fold.cut - gap * DAY).all()
        assert (data.arrived_at[fold.later] >= fold.cut).all()
        assert (data.label_known_at[fold.later] < until).all()
    later = np.concatenate([fold.later for fold in made])
    assert len(np.unique(later)) == len(later)
