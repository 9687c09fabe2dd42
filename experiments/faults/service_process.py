"""A service in a process of its own, started and killed repeatedly.

The processes are forked from one that has everything imported and runs nothing: a start then costs
a tenth of what a new interpreter costs, and opens its home, its store and its port like any other.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self


class Forker:
    """The process that forks: a line of orders in, a line back within milliseconds."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # closes its pipes, which ends it
            pass

    def send_order(self, order: Mapping[str, object]) -> int:
        """Give an order and return the answer: a process id."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process that starts services has no pipes")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        text = self._process.stdout.readline()
        if not text:
            raise RuntimeError("the process that starts services has ended")
        return int(text)


@dataclass
class Service:
    """One service at a time, in one home on one port."""

    forker: Forker
    environment: Mapping[str, str]
    """Which home and which database; nothing else is set."""
    port: int
    planted: str = ""
    """The fault whose seeded bug it has, for a negative control; empty for the real service."""
    is_handed: bool = False
    """Whether its socket is kept open for it between two processes, as a service manager does."""
    _pid: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the service; it answers a moment later."""
        order = {"start": dict(self.environment), "port": self.port, "planted": self.planted}
        self._pid = self.forker.send_order({**order, "handed": self.is_handed})

    def relieve(self) -> None:
        """Start the next process, then let the running one finish its requests."""
        leaving = self.pid
        self.start()
        self._end(leaving, signal.SIGTERM)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        if self._pid is None:
            raise RuntimeError("no service runs")
        return self._pid

    def kill(self) -> None:
        """Kill the service, if it runs, and wait until it has ended."""
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask the service to end, if it runs, and wait until it has."""
        if self._pid is not None:
            self._end(self._pid, how)
            self._pid = None

    def _end(self, pid: int, how: signal.Signals) -> None:
        os.kill(pid, how)
        self.forker.send_order({"bury": pid})
