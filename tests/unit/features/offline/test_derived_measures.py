"""What events take from the past: seen before, and hits passed along links."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue.spec import EVER, FAN_OUT, PriorSighting
from features.offline.derived_measures import mark_sightings, order_by_key, pass_hits_on

small = st.integers(0, 3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), small), max_size=20), st.booleans(), st.booleans())
def test_seen_before_is_what_looking_back_gives(
    rows: list[tuple[int, int]], wanted: bool, ever: bool
) -> None:
    rows.sort()
    at, key = np.array(rows, np.int64).reshape(-1, 2).T
    window = EVER if ever else 2
    expected = [
        entity != 0 and any(e == entity and now - window <= t < now for t, e in rows) == wanted
        for now, entity in rows
    ]
    found = mark_sightings(key, at, PriorSighting(("plate",), "", window, wanted=wanted))
    assert found.tolist() == [int(value) for value in expected]


def test_a_hit_is_passed_to_those_linked_last() -> None:
    """A carrier with forty consignees: the hit of one reaches the thirty-two linked before it."""
    n = FAN_OUT + 8
    known_at, via, to = np.arange(n), np.full(n, 7), np.arange(100, 100 + n)
    hit, other = pass_hits_on(
        via, to, known_at, hit_row=np.array([n - 3]), hit_at=np.array([n - 1])
    )
    own, linked_as_late_as_the_hit = 100 + n - 3, 100 + n - 1
    assert hit.tolist() == [0] * FAN_OUT
    assert own not in other and linked_as_late_as_the_hit not in other
    assert other.tolist() == [100 + n - 2, *range(100 + n - 4, 100 + n - 4 - (FAN_OUT - 1), -1)]


def test_a_hit_without_a_party_is_passed_to_no_party() -> None:
    known_at, via, to = np.arange(3), np.array([0, 5, 5]), np.array([1, 2, 3])
    hit, _ = pass_hits_on(via, to, known_at, hit_row=np.array([0]), hit_at=np.array([9]))
    assert not len(hit)


@given(st.lists(st.sampled_from([0, 1, 2, *((7 << 40) + n for n in range(3)), 2**63 - 1])))
def test_rows_by_key_are_those_of_a_stable_sort(keys: list[int]) -> None:
    """Keys that share their leading bits, which hashed ones hardly do, are told apart as well."""
    key = np.array(keys, np.int64)
    assert order_by_key(key).tolist() == np.argsort(key, kind="stable").tolist()
