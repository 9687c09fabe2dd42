"""A socket is taken over from the process that started this one, and from no other."""

import os
import socket

import pytest

from api.harness import service_process
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


def test_a_free_port_is_none_that_a_connection_may_be_given() -> None:
    assert 1024 <= service_process.free_port() < service_process._first_given()


def test_a_port_is_handed_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a seeded bug: what was handed out is not held."""
    first = service_process.free_port()
    source = "api.harness.service_process.random.SystemRandom"
    monkeypatch.setattr(source, lambda: FixedOrder([first]))
    assert service_process.free_port() != first
    service_process._RESERVED.pop().close()
    assert service_process.free_port() == first


class FixedOrder:
    """Stands in for a source of randomness that names these ports first."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports

    def sample(self, _: range, *, k: int) -> list[int]:
        return self._ports[:k]


@pytest.mark.parametrize("lowest", [0, 1024, 1030])
def test_where_connections_may_be_given_every_port_a_free_one_is_found_all_the_same(
    monkeypatch: pytest.MonkeyPatch, lowest: int
) -> None:
    monkeypatch.setattr(service_process, "_first_given", lambda: lowest)
    with socket.create_server(("127.0.0.1", service_process.free_port())) as taken:
        assert taken.getsockname()[1] >= 1024
