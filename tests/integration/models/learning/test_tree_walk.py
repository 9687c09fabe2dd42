"""The compiled walk through an ensemble gives scikit-learn's log-odds to the bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.array_types import Rows
from models.config import Trees
from models.learning.base_learners import grow_with_field
from models.learning.scikit_trees import read_trees
from models.learning.tree_walk import add_trees
from models.scoring import TreeArrays

DRAW = np.random.default_rng(3)
VALUES = np.round(DRAW.normal(size=(900, 12)), 1).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.2] = np.nan
LABEL = (np.nan_to_num(VALUES[:, 0] * VALUES[:, 1]) + DRAW.normal(size=900) > 1).astype(np.int8)
GROWN = grow_with_field(
    VALUES,
    LABEL,
    trees=Trees(iterations=12, depth=5, leaves=20, smallest_leaf=5, seeds=2),
    signs=np.ones(12, np.int8),
    seed=1,
)
TREES = read_trees(GROWN)
CUTS = [float(cut) for cut in TREES.cut[TREES.feature >= 0][:20]]


def test_rows_in_blocks_and_alone_give_the_same_bits() -> None:
    expected = GROWN.decision_function(VALUES)
    assert np.ptp(expected) > 0.1
    np.testing.assert_array_equal(add_trees(TREES, VALUES), expected)
    np.testing.assert_array_equal(add_trees(TREES, VALUES[::7]), expected[::7])
    assert add_trees(TREES, VALUES[:0]).shape == (0,)


@settings(max_examples=25)
@given(
    arrays(
        np.float32,
        (3, 12),
        elements=st.one_of(
            st.sampled_from([np.float32(cut).item() for cut in CUTS]),
            st.floats(width=32, allow_infinity=False),
        ),
    )
)
def test_any_numbers_and_gaps_give_the_same_bits(rows: Rows) -> None:
    np.testing.assert_array_equal(add_trees(TREES, rows), GROWN.decision_function(rows))


@pytest.mark.parametrize(
    "broken",
    [
        replace(TREES, missing_left=~TREES.missing_left & (TREES.feature >= 0)),
        replace(TREES, left=TREES.right, right=TREES.left),
        replace(TREES, root=TREES.root[::-1].copy()),
    ],
    ids=["unknown goes the other way", "sides exchanged", "trees in another order"],
)
def test_a_seeded_bug_is_seen(broken: TreeArrays) -> None:
    """Negative controls; the last one changes nothing but the order of a sum."""
    assert (add_trees(broken, VALUES) != GROWN.decision_function(VALUES)).any()
