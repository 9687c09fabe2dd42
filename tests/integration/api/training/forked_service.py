"""A service forked from a process that has imported everything, where others start Python."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.harness.service_process import wait_until_ready
from engine.storage.home import VARIABLE
from experiments.faults.service_process import Forker, Service


@contextmanager
def run_forked(forker: Forker, home: Path, port: int) -> Iterator[None]:
    """Stand in for :func:`api.harness.service_process.run_service`."""
    known = {name: os.environ[name] for name in os.environ if name.startswith("DARVOZA_")}
    service = Service(forker, known | {VARIABLE: str(home)}, port)
    service.start()
    try:
        wait_until_ready(port, is_alive=lambda: True, every=0.05)
        yield
    finally:
        service.stop()
