"""A blend: its parts, and their shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.domain.time_units import DAY
from models.learning.base_learners import straight_part
from models.learning.calibration import discrepancy_head
from models.learning.fit import _recency
from models.scoring import UNSEEN, Linear
from tests.support.small_dataset import small_world

DRAW = np.random.default_rng(7)
VALUES = DRAW.normal(size=(1500, 6)).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.1] = np.nan
LABEL = (np.nan_to_num(VALUES[:, 0]) + DRAW.normal(size=1500) > 1).astype(np.int8)


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


DATA = small_world(3_000, seed=4)
LATER = np.flatnonzero(DATA.evidence("discrepancy"))
LATER_LABEL = DATA.discrepancy[LATER]
CHANCE = np.random.default_rng(1)
NOISE = CHANCE.normal(0, 1, len(LATER))
TRUE = LATER_LABEL * 2.0 + NOISE - 2.0


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
def test_later_rows_outweigh_the_usual_shares(share: float) -> None:
    noise = CHANCE.permutation(NOISE) * 2.0
    assert blend_of(noise, TRUE, line_share=share)["discrepancy_line"] > 0.5
    # Negative control: turned round, it is the trees that are believed.
    assert blend_of(TRUE, noise, line_share=share)["discrepancy"] > 0.9


def test_a_family_of_many_columns_is_worth_no_more_than_one_of_few() -> None:
    """Two facts speak alike: one in eight columns of a family, one in a single column."""
    draw = np.random.default_rng(3)
    facts = draw.normal(size=(600, 2))
    label = (facts.sum(axis=1) + draw.normal(size=600) > 2).astype(np.int8)
    many = facts[:, :1] + 0.3 * draw.normal(size=(600, 8))
    values = np.concatenate([many, facts[:, 1:]], axis=1).astype(np.float32)
    families = np.array(["links"] * 8 + ["mirror"], object)

    def share_of_the_single(given: np.ndarray | None) -> float:
        line = straight_part(values, label, strength=0.0005, families=given)
        return float(line.weight[8] / line.weight.sum())

    even = share_of_the_single(None)
    assert even < share_of_the_single(families) < 0.5
    alone = np.array([str(column) for column in range(9)], object)
    assert share_of_the_single(alone) == pytest.approx(even)  # each is a family of its own


def test_a_row_counts_half_as_much_after_each_half_life() -> None:
    arrived = np.array([0, 180, 360], np.int64) * DAY
    weight = _recency(arrived, 180.0)
    assert weight is not None
    np.testing.assert_allclose(weight[1:] / weight[:-1], 2.0)
    assert weight.mean() == pytest.approx(1.0)
    assert _recency(arrived, 0.0) is None
