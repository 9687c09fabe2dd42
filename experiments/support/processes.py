"""A server in a process group of its own: how long it takes to start, what processor time it takes.

Shared memory is known on Linux alone.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from experiments.support.http_client import BROKEN, HttpConnection

PATIENCE_SECONDS = 120


class Server:
    """Runs from entering to leaving."""

    def __init__(
        self, command: Sequence[str], port: int, *, environment: Mapping[str, str], log: Path
    ) -> None:
        self.port = port
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)

    async def first_answer(self, request: bytes) -> float:
        """Return the seconds from the start of the process to the first good answer."""
        line = HttpConnection(self.port)
        while time.perf_counter() - self._started < PATIENCE_SECONDS:
            with suppress(*BROKEN):
                status, _ = await line.ask(request)
                if status < 300:
                    line.close()
                    return time.perf_counter() - self._started
            time.sleep(0.02)
        raise TimeoutError(f"no answer on port {self.port}: {self._log} says why")

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to the first process of the group."""
        if self._process is not None:
            self._process.send_signal(what)

    def cpu_seconds(self) -> float:
        """Return the processor time that server and children have taken, ended ones included."""
        return sum(sum(each.cpu_times()[:4]) for each in self._processes())

    def memory_bytes(self) -> int:
        """Return the memory that server and children hold; what they share counts once."""
        return sum(each.memory_full_info().pss for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]
