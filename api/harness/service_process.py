"""A real service in a process of its own, for the demonstration and for fault runs."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from engine.errors import ServiceStartError
from experiments.support.processes import HOST

PATIENCE_SECONDS = 60.0
LOG = "service.log"


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
