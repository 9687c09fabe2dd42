"""The quick look at a long body never lets one pass that nests too deep."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http.request_bodies import DEEPEST, _depth, _is_flat, check
from engine.errors import MalformedBodyError

JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\[]{}'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='b"\\[{'), inner),
    max_leaves=30,
)


@settings(max_examples=60)
@given(JSON, st.integers(0, 2 * DEEPEST))
def test_what_passes_quickly_is_no_deeper_than_it_may(value: object, around: int) -> None:
    raw = b"[" * around + json.dumps(value).encode() + b"]" * around
    if _is_flat(raw):
        assert _depth(raw) <= DEEPEST
    elif b"\\" not in raw:
        assert _depth(raw) > DEEPEST / 2


@given(
    st.binary(max_size=80).map(
        lambda raw: raw.translate(bytes(b'"[]{}a\\:'[b % 8] for b in range(256)))
    )
)
def test_nor_is_what_is_no_json_at_all(raw: bytes) -> None:
    assert not _is_flat(raw) or _depth(raw) <= DEEPEST


@pytest.mark.parametrize("rows", [1, 500])
def test_many_rows_pass_and_a_deep_one_among_them_does_not(rows: int) -> None:
    row = {"crossing": {"plate": "01 [A] {7}"}, "declaration": {"items": [{}, {}]}}
    check(json.dumps([row] * rows).encode())
    deep = json.dumps([row] * rows).encode()[:-1] + b"," + b"[" * 40 + b"]" * 40 + b"]"
    with pytest.raises(MalformedBodyError, match="deeper"):
        check(deep)
