"""Keys of a crossing come back from the index as they went in, however they were packed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.online.crossing_index import pack_keys, pack_many_keys, unpack_keys

KEYS = st.lists(st.just(0) | st.integers(1, 2**63 - 1), min_size=1, max_size=40)


@given(KEYS)
def test_keys_come_back(keys: list[int]) -> None:
    packed = pack_keys(keys)
    found = unpack_keys(packed)
    assert found[: len(keys)] == keys
    assert not any(found[len(keys) :])
    assert len(packed) == 1 + -(-len(keys) // 8) + 8 * sum(key != 0 for key in keys)


@given(KEYS)
def test_a_history_packs_them_as_the_service_does(keys: list[int]) -> None:
    many = np.array([keys, keys[::-1], [0] * len(keys)], np.int64)
    assert pack_many_keys(many) == [pack_keys(row) for row in many.tolist()]
