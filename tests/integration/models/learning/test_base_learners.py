"""The parts of a blend: an average that is one ensemble, and a line that explains itself."""

import numpy as np
import pytest
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


def test_trees_grown_on_some_columns_take_rows_of_all() -> None:
    some = np.array([0, 3, 5])
    made = grow(VALUES, LABEL, trees=small(2), signs=FREE, seed=1, among=some)
    alone = grow(VALUES[:, some], LABEL, trees=small(2), signs=FREE[some], seed=1)
    np.testing.assert_array_equal(
        made.decision_function(VALUES), alone.decision_function(VALUES[:, some])
    )


def test_weights_move_the_level() -> None:
    weight = np.where(LABEL == 1, 3.0, 1.0)
    for fitted in (
        lambda w: straight_part(VALUES, LABEL, strength=0.1, weight=w).margin(VALUES),
        lambda w: grow(
            VALUES, LABEL, trees=small(1), signs=FREE, seed=1, weight=w
        ).decision_function(VALUES),
    ):
        assert fitted(weight).mean() > fitted(None).mean() + 0.5


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


def test_columns_without_a_value_or_a_difference_say_nothing() -> None:
    values = VALUES.copy()
    values[:, 4], values[:, 5] = np.nan, 1.0
    line = straight_part(values, LABEL, strength=0.1)
    assert (line(VALUES)[:, 4:] == 0.0).all()


def test_a_line_of_uneven_columns_is_refused() -> None:
    kept = LINE.as_dict()
    with pytest.raises(ValueError, match="one number a feature"):
        Linear.from_dict(kept | {"fill": kept["fill"][1:]})
