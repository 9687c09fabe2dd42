"""A service in a process of its own, started and killed over and over.

The processes are forked from one that has everything imported and runs nothing: a start then costs
a tenth of what a new interpreter costs, and opens its home, its store and its port like any other.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Self


class Service:
    """Talks to the process that forks: ``start`` is answered by a process id, ``bury`` by a line.

    Assumes that one service runs at a time.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, port: int
    ) -> None:
        self.port = port
        self._command = (*command, str(port))
        self._environment = environment
        self._forker: Process | None = None
        self._pid: int | None = None

    async def __aenter__(self) -> Self:
        """Import everything once."""
        self._forker = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, env=self._environment
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """End whatever still runs."""
        if self._pid is not None:
            await self.kill()
        if self._forker is not None and self._forker.stdin is not None:
            self._forker.stdin.close()
            await self._forker.wait()

    async def start(self) -> None:
        """Start the service; it answers a moment later."""
        self._pid = int(await self._told(b"start\n"))

    async def kill(self) -> None:
        """Kill the service where it stands, and wait until it is gone."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = None
            await self._told(b"bury\n")

    async def _told(self, order: bytes) -> bytes:
        if self._forker is None or self._forker.stdin is None or self._forker.stdout is None:
            raise RuntimeError("the service is not entered")
        self._forker.stdin.write(order)
        said = await self._forker.stdout.readline()
        if not said:
            raise RuntimeError("the process that starts the service has ended")
        return said
