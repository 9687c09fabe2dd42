"""Pace of requests that show no key or session known to be valid, by address.

All requests share one event loop. Who sends without a key, or with one that was never found valid,
is answered so slowly that decisions hardly notice: a burst at once, then a few a second from one
address, then a refusal. Senders whose key or session was found valid in this process are never
slowed down, not even while it is being looked up again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.types import Scope

from api.auth.sessions import token_of
from api.auth.throttles import network_of
from api.http.dependencies import SignInService
from engine.errors import BusyError

BURST, RATE = 60, 20.0
"""Requests of strangers from one address that are answered at once, and then each second."""
LONGEST_SECONDS = 4.0
"""How long one may wait for its turn; beyond that it is refused."""
MOST_KEPT = 10_000


class Pace:
    """Turns of strangers, by address. Assumes that calls come from one thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next: OrderedDict[str, float] = OrderedDict()
        """When the turn after the last one that was given is."""

    def turn(self, network: str) -> float | None:
        """Return for how many seconds a request waits, None where that is too long."""
        now = self._now()
        turn = max(self._next.get(network, 0.0), now - BURST / RATE)
        if turn - now > LONGEST_SECONDS:
            return None
        self._next[network] = turn + 1 / RATE
        self._next.move_to_end(network)
        if len(self._next) > MOST_KEPT:
            self._next.popitem(last=False)
        return max(0.0, turn - now)

    async def admit(self, scope: Scope) -> BusyError | None:
        """Let a stranger's request wait for its turn; return what refuses it where that is far."""
        if not is_known(scope):
            network = network_of(scope["client"][0]) if scope.get("client") else ""
            seconds = self.turn(network) if network else 0.0  # the proxy's, or our own tests'
            if seconds is None:
                return BusyError("too many requests without a valid key")
            if seconds:
                await asyncio.sleep(seconds)
        return None


def is_known(scope: Scope) -> bool:
    """Tell whether a request shows a key or a session that was found valid before."""
    service: SignInService = scope["app"].state.runtime
    for name, value in scope["headers"]:
        if name == b"authorization":
            return service.callers.is_known(value.decode("latin-1"))
    token = token_of(HTTPConnection(scope))
    return bool(token) and service.sessions.is_known(token)
