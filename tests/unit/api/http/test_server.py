"""The HTTP server: bodies that nest too deep, and a socket that is taken over."""

import json
import os
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http import server
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


def test_a_socket_meant_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_socket:
        handed = os.dup(open_socket.fileno())
        monkeypatch.setattr(server, "FIRST_PASSED", handed)
        monkeypatch.setenv("LISTEN_FDS", "1")
        monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
        assert server.adopt_socket() is None
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        found = server.adopt_socket()
        assert found is not None and found.getsockname() == open_socket.getsockname()
        found.close()
        monkeypatch.delenv("LISTEN_FDS")
        assert server.adopt_socket() is None
