"""In bulk, no later record moves a feature, and every feature that reads is moved by earlier ones.

What cannot be moved by any record is a fact of the crossing itself, as declared or measured.
"""

from functools import cache

import numpy as np
import pytest

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Fact, Read
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import Matrix, matrix
from tests.unit.features.random_histories import (
    EVENTFUL,
    list_movable_features,
    tables,
    thin_history,
)

PLAN = Plan(CATALOGUE)


@cache
def compute_whole(place: int) -> Matrix:
    """Return the features of an eventful history, the same for every kind of record."""
    return matrix(read_log(tables(EVENTFUL[place]), PLAN), PLAN)


def list_moved_features(place: int, kind: str) -> set[str]:
    """Name the features of the second half that move without some records of the first."""
    found, whole = EVENTFUL[place], compute_whole(place)
    half = found.crossings[len(found.crossings) // 2][0]
    thin = matrix(read_log(tables(thin_history(found, half, kind=kind)), PLAN), PLAN)
    late, thin_late = whole.as_of >= half, thin.as_of >= half
    assert whole.crossing_id[late].tolist() == thin.crossing_id[thin_late].tolist()
    differs = whole.values[late].view(np.int32) != thin.values[thin_late].view(np.int32)
    return {name for name, column in zip(PLAN.names, differs.T, strict=True) if column.any()}


@pytest.mark.parametrize("kind", ["crossings", "inspections", "seizures"])
def test_earlier_records_move_every_feature_that_reads_them_and_no_other(kind: str) -> None:
    assert set().union(
        *(list_moved_features(place, kind) for place in range(len(EVENTFUL)))
    ) == list_movable_features(CATALOGUE, kind=kind)


def test_what_no_record_moves_is_declared() -> None:
    still = set(CATALOGUE) - list_movable_features(CATALOGUE, kind="crossings")
    assert still
    for name in still:
        feature = CATALOGUE[name]
        assert feature.operator == "value"
        assert all(isinstance(item, Fact) and not isinstance(item, Read) for item in feature.inputs)
