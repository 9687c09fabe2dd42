"""A real service in a process of its own, for the demonstration and for fault runs."""

import atexit
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from engine.errors import ServiceStartError

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0
LOG = "service.log"
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


@contextmanager
def run_service(home: Path, port: int) -> Iterator[None]:
    """Run the service of a home until the block ends; the block starts once it is ready."""
    command = [sys.executable, "-m", "api", "serve", "--home", str(home)]
    command += ["--host", HOST, "--port", str(port)]
    with (home / LOG).open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until_ready(port, is_alive=lambda: process.poll() is None, every=0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(port: int, *, is_alive: Callable[[], bool], every: float) -> None:
    """Wait until a service says it is ready; raises ``ServiceStartError`` where it never will."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_alive() and time.monotonic() < deadline:
        connection = HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(every)
    raise ServiceStartError("it did not become ready; its log says why")
