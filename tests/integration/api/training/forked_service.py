"""A service forked from a process that has imported everything, where others start Python."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.storage.home import VARIABLE
from experiments.faults.service_process import Forker, Service
from experiments.support.processes import wait_until_ready


@contextmanager
def run_forked(forker: Forker, home: Path, port: int) -> Iterator[None]:
    """Stand in for :func:`experiments.support.processes.run_service`."""
    known = {name: os.environ[name] for name in os.environ if name.startswith("DARVOZA_")}
    service = Service(forker, known | {VARIABLE: str(home)}, port)
    service.start()
    try:
        wait_until_ready(port)
        yield
    finally:
        service.stop()
