"""A dataset keeps rows and labels together, and knows what a label is evidence of."""

import numpy as np
import pytest

from engine.domain.time_units import NEVER
from models.data.dataset import Dataset
from tests.support.small_dataset import small_world


def test_take_slices_every_column_alike() -> None:
    data = small_world(200, seed=1)
    rows = np.flatnonzero(data.discrepancy == 1)
    part = data.take(rows)

    assert len(part) == len(rows)
    assert set(part.discrepancy) == {1}
    assert list(part.crossing_id) == [data.crossing_id[row] for row in rows]
    np.testing.assert_array_equal(part.values, data.values[rows])


def test_papers_alone_are_no_negative_but_a_find_counts() -> None:
    data = small_world(400, seed=2)
    papers = data.is_inspected & ~data.is_full

    assert papers.any()
    assert not data.evidence("discrepancy")[papers & (data.discrepancy == 0)].any()
    assert data.evidence("discrepancy")[papers & (data.discrepancy == 1)].all()


def test_a_find_linked_back_is_no_evidence_of_an_act() -> None:
    data = small_world(4000, seed=3)
    linked = data.is_linked

    assert linked.any()
    assert not data.evidence("seizure")[linked].any()


def test_digest_moves_with_any_cell_and_with_nothing_else() -> None:
    data = small_world(100, seed=4)
    again = small_world(100, seed=4)
    assert data.digest() == again.digest()

    again.values[7, 1] = np.float32(42)
    assert data.digest() != again.digest()


def test_mismatched_columns_are_refused() -> None:
    data = small_world(50, seed=5)
    columns = {name: getattr(data, name) for name in Dataset.__slots__}
    with pytest.raises(ValueError, match="label_known_at"):
        Dataset(**columns | {"label_known_at": np.full(49, NEVER)})
    with pytest.raises(ValueError, match="ordered"):
        Dataset(**columns | {"as_of": data.as_of[::-1].copy()})
