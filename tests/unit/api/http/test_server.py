"""A socket is taken over from the process that started this one, and from no other."""

import os
import socket

import pytest

from api.http import server


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
