"""A port of this machine for a service that starts a moment later."""

import atexit
import random
import socket
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_RESERVED: list[socket.socket] = []
"""Hold the numbers of ports that were handed out, in another protocol, while this process lives."""


def free_port() -> int:
    """Return a port of this machine that has no listener and is not given to connections.

    It is handed out once: a service listens seconds later, and between a kill and its next start
    not at all. A client that keeps connecting to a port without a listener, which the kernel also
    gives to connections, is some day given that very port: connected to itself, it keeps the
    service out. Where the kernel gives all ports to connections, as some servers are set up, it is
    one of those, and may be handed out again.
    """
    lowest = _first_given()
    source = random.SystemRandom()  # a seeded source, as in tests, would repeat the same ports
    others = range(max(1024, lowest - 8192), lowest)
    for port in source.sample(others, k=min(100, len(others))):
        with suppress(OSError), socket.create_server((HOST, port)):
            _reserve(port)
            return port
    with socket.create_server((HOST, 0)) as given:
        return int(given.getsockname()[1])


def _reserve(port: int) -> None:
    """Keep a port from every other call, here or in another process; raises ``OSError``."""
    mark = socket.socket(type=socket.SOCK_DGRAM)
    try:
        mark.bind((HOST, port))
    except OSError:
        mark.close()
        raise
    _RESERVED.append(mark)
    atexit.register(mark.close)


def _first_given() -> int:
    """Return the lowest port that the kernel gives to connections."""
    try:
        return int(_GIVEN.read_text().split()[0])
    except OSError:
        return 32_768
