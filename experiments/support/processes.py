"""A server in a process group of its own: how long it takes to start, what processor time it takes.

Reads ``/proc``, so this is for Linux.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from experiments.support.http_client import BROKEN, HttpConnection

_TICK = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 120
_PGRP, _UTIME, _CUTIME = 2, 11, 15
"""Fields of ``/proc/PID/stat`` after the name in parentheses: group; own and waited-for time."""


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
        """Return the processor time that the whole group has taken so far."""
        if self._process is None:
            return 0.0
        return sum(map(_cpu, _members(self._process.pid)))

    def memory_bytes(self) -> int:
        """Return the memory that the whole group holds now; what processes share counts once."""
        if self._process is None:
            return 0
        return sum(_memory(int(fields[0])) for fields in _members(self._process.pid))


def _members(group: int) -> list[list[str]]:
    """Return number and fields of each process of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[_PGRP]) == group:
                    found.append([entry.name, *fields])
    return found


def _cpu(fields: list[str]) -> float:
    return sum(map(int, fields[1 + _UTIME : 1 + _CUTIME])) / _TICK


def _memory(process: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0
