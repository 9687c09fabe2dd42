"""A port that is handed out is free, is given to no connection, and is handed out once."""

import socket

import pytest

from experiments.support import processes as ports
from experiments.support.processes import find_free_port


def test_a_free_port_is_none_that_a_connection_may_be_given() -> None:
    assert 1024 <= find_free_port() < ports._first_given()


def test_a_port_is_handed_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a seeded bug: what was handed out is not held."""
    first = find_free_port()
    source = "experiments.support.processes.random.SystemRandom"
    monkeypatch.setattr(source, lambda: FixedOrder([first]))
    assert find_free_port() != first
    ports._RESERVED.pop().close()
    assert find_free_port() == first


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
    monkeypatch.setattr(ports, "_first_given", lambda: lowest)
    with socket.create_server(("127.0.0.1", find_free_port())) as taken:
        assert taken.getsockname()[1] >= 1024
