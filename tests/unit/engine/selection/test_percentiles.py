"""A percentile rises with the risk, inverts, and moves from the model's table to the post's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.selection import TABLE_LEVELS, blend_tables, percentile, risk_at

tables = st.lists(st.floats(0, 1), min_size=TABLE_LEVELS, max_size=TABLE_LEVELS).map(sorted)
UNIFORM = tuple(np.linspace(0, 1, TABLE_LEVELS).tolist())


@given(tables, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_higher_risk_never_has_a_lower_percentile(
    table: list[float], risks: tuple[float, float]
) -> None:
    low, high = (percentile(table, value) for value in sorted(risks))
    assert 0 <= low <= high <= 1


@given(tables, st.floats(0, 1))
def test_a_share_and_its_risk_belong_together(table: list[float], share: float) -> None:
    value = risk_at(table, share)
    assert table[0] <= value <= table[-1]
    if len(set(table)) == TABLE_LEVELS and min(np.diff(table)) > 1e-6:
        assert percentile(table, value) == pytest.approx(share, abs=1e-6)


def test_a_step_counts_by_its_middle() -> None:
    table = [0.0] * 51 + [1.0] * 50
    assert percentile(table, 0.0) == 0.25
    assert percentile(table, 1.0) == 0.755
    assert percentile(table, 0.5) == pytest.approx(0.505)
    assert (percentile(table, -1), percentile(table, 2)) == (0, 1)


def test_without_decisions_the_models_own_table_stands() -> None:
    assert np.allclose(blend_tables(UNIFORM, []), UNIFORM, atol=3e-3)


def test_decisions_outweigh_the_models_table() -> None:
    recent = np.random.default_rng(3).random(20_000) * 0.1
    table = blend_tables(UNIFORM, recent)
    assert percentile(table, 0.09) > 0.8
    assert list(table) == sorted(table)
