"""Threads for work that must not wait for other work, and bounds on what waits for them.

A password costs 64 MB and a core for a moment, and anybody may send one. So sign-in has a thread of
its own and a short queue, beyond which it refuses; keys and sessions are looked up on threads that
no sign-in and no page ever takes.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.errors import BusyError

Result = TypeVar("Result")

SIGN_INS, WAITING_SIGN_INS = 1, 8
"""Passwords that are looked at together, and those that wait for it."""
SIGN_ONS, WAITING_SIGN_ONS = 4, 16
"""People for whom the identity provider is asked together, and those who wait for it."""
WAITING_PARCELS = 8
"""Parcels of links that wait for the one that is read: each may cost hundreds of megabytes."""
WAITING_MESSAGES = 64
"""Standard messages that wait for the one that is translated."""
LOOK_UPS = 2
"""Keys and sessions that are looked up together; what waits is bounded by the connections."""


class BoundedExecutor:
    """Runs work on its own threads; refuses it where too much waits. For one event loop."""

    def __init__(self, what: str, *, workers: int, waiting: int) -> None:
        self._what = what
        self._most = workers + waiting
        self._taken = 0
        self._threads = ThreadPoolExecutor(workers, what)

    @property
    def is_full(self) -> bool:
        """Tell whether no more work may even wait."""
        return self._taken >= self._most

    async def run(self, work: Callable[..., Result], *given: object) -> Result:
        """Return what the work returns; raises ``BusyError`` where it cannot even wait."""
        if self.is_full:
            raise BusyError(f"too many at once: {self._what}")
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)
        finally:
            self._taken -= 1

    def close(self) -> None:
        """Finish the work that runs and drop what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Executors:
    """The executors of a service."""

    def __init__(self) -> None:
        self.sign_in = BoundedExecutor("sign-in", workers=SIGN_INS, waiting=WAITING_SIGN_INS)
        self.oidc = BoundedExecutor("sign-on", workers=SIGN_ONS, waiting=WAITING_SIGN_ONS)
        self.links = BoundedExecutor("parcels", workers=1, waiting=WAITING_PARCELS)
        self.messages = BoundedExecutor("messages", workers=1, waiting=WAITING_MESSAGES)
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, "look-up")

    async def look_up(self, work: Callable[..., Result], *given: object) -> Result:
        """Look a key or a session up."""
        return await asyncio.get_running_loop().run_in_executor(self._look_ups, work, *given)

    def close(self) -> None:
        """End all threads once their work is done."""
        self.sign_in.close()
        self.oidc.close()
        self.links.close()
        self.messages.close()
        self._look_ups.shutdown(wait=False, cancel_futures=True)
