"""A socket is taken over from whoever started this very process, and from nobody else."""

import os
import socket

import pytest

from api import listening, subservice


def test_a_socket_meant_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_socket:
        handed = os.dup(open_socket.fileno())
        monkeypatch.setattr(listening, "FIRST_PASSED", handed)
        monkeypatch.setenv("LISTEN_FDS", "1")
        monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
        assert listening.adopted() is None
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        found = listening.adopted()
        assert found is not None and found.getsockname() == open_socket.getsockname()
        found.close()
        monkeypatch.delenv("LISTEN_FDS")
        assert listening.adopted() is None


def test_a_free_port_is_none_that_a_connection_may_be_given() -> None:
    assert 1024 <= subservice.free_port() < subservice._first_given()
