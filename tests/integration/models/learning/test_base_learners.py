"""The parts of a blend: an average that is one ensemble, and a line that explains itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.config import Trees
from models.learning.base_learners import grow, straight_part
from models.scoring import Linear, fold_values

DRAW = np.random.default_rng(7)
VALUES = DRAW.normal(size=(1500, 6)).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.1] = np.nan
LABEL = (np.nan_to_num(VALUES[:, 0]) + DRAW.normal(size=1500) > 1).astype(np.int8)
FREE = np.zeros(6, np.int8)


def small(seeds: int) -> Trees:
    return Trees(iterations=12, depth=3, leaves=8, share_of_features=0.3, seeds=seeds)


def test_an_ensemble_of_several_seeds_is_the_mean_of_each() -> None:
    each = [grow(VALUES, LABEL, trees=small(1), signs=FREE, seed=seed) for seed in (5, 6, 7)]
    together = grow(VALUES, LABEL, trees=small(3), signs=FREE, seed=5)

    margins = [one.decision_function(VALUES) for one in each]
    np.testing.assert_allclose(together.decision_function(VALUES), np.mean(margins, axis=0))
    assert np.ptp(margins, axis=0).max() > 0.01


def test_a_sign_that_the_field_knows_is_kept() -> None:
    signs = FREE.copy()
    signs[0] = -1
    made = grow(VALUES, LABEL, trees=small(2), signs=signs, seed=1)
    rows = np.zeros((50, 6), np.float32)
    rows[:, 0] = np.linspace(-3, 3, 50)
    assert (np.diff(made.decision_function(rows)) <= 0).all()
    free = grow(VALUES, LABEL, trees=small(2), signs=FREE, seed=1)
    assert (np.diff(free.decision_function(rows)) > 0).any()


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=False, allow_subnormal=False)


@given(arrays(np.float32, (4, 6), elements=FLOATS))
def test_a_line_is_the_sum_of_what_its_features_add(rows: np.ndarray) -> None:
    line = Linear.from_dict(LINE.as_dict())
    margins = line.margin(rows)
    assert np.isfinite(margins).all()
    for row, margin in zip(rows, margins, strict=True):
        assert line.base + line(row).sum() == margin
        assert line.margin(row[None])[0] == margin


LINE = straight_part(VALUES, LABEL, strength=0.1)


def test_a_line_learns_and_holds_what_lies_far_out() -> None:
    assert LINE.margin(VALUES)[LABEL == 1].mean() > LINE.margin(VALUES)[LABEL == 0].mean() + 0.5
    far = np.zeros((2, 6), np.float32)
    far[:, 0] = 50.0, 1e9
    assert np.ptp(LINE.margin(far)) == 0.0
    assert (fold_values(np.array([-3, 3], np.float32)) == [-np.log(4.0), np.log(4.0)]).all()
