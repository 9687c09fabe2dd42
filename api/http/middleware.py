"""ASGI middleware around every request: time, status, pace, and faults that nothing else caught.

All requests share one event loop. A sender without a valid key is answered so slowly that decisions
hardly notice: a burst at once, then a few a second from one address, then a refusal. Senders whose
key or session is valid are never slowed down nor refused, however many strangers send from their
address: a key that is not known yet is looked for in the store before it counts as a stranger's.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.auth.callers import may_be_key
from api.auth.credentials import is_token
from api.auth.key_uses import TAKEN, name_reason
from api.auth.sessions import token_of
from api.auth.throttles import network_of
from api.http.connection_limits import complete, find_ambiguity
from api.http.problems import REFUSAL, answer_fault, refusal
from api.service.executors import SharedWork
from api.service.metrics import Metrics
from api.service.sign_in import SignInService
from api.service.structured_logging import fault
from engine.errors import BusyError, StoreUnavailableError

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
        self._reads = SharedWork()
        self._next_read = 0.0

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
        if not await self._is_known(scope):
            network = network_of(scope["client"][0]) if scope.get("client") else ""
            seconds = self.turn(network) if network else 0.0  # the proxy's, or our own tests'
            if seconds is None:
                return BusyError("too many requests without a valid key")
            if seconds:
                await asyncio.sleep(seconds)
        return None

    async def _is_known(self, scope: Scope) -> bool:
        """Tell whether a request shows a valid key or session, also one of which nothing is known.

        One read of what was recorded serves all who show what is not known, however many keys they
        show. Where a read was under way a key may be newer than it: then the next one decides.
        """
        is_known = find_test(scope)
        if is_known is None:
            return False
        for _ in range(2):
            if is_known():
                return True
            with suppress(StoreUnavailableError):
                await self._reads.run("", partial(self._read, scope["app"].state.runtime))
        return is_known()

    async def _read(self, service: SignInService) -> None:
        """Read what was recorded of keys and sessions, no more often than a stranger has a turn."""
        seconds = self._next_read - self._now()
        if seconds > 0:
            await asyncio.sleep(seconds)
        self._next_read = self._now() + 1 / RATE
        await service.executors.look_up(service.callers.read_new)


def find_test(scope: Scope) -> Callable[[], bool] | None:
    """Return what tells whether the key or session of a request was valid when last read.

    None where it shows nothing that could be one.
    """
    service: SignInService = scope["app"].state.runtime
    for name, value in scope["headers"]:
        if name == b"authorization":
            header = value.decode("latin-1")
            return partial(service.callers.is_known, header) if may_be_key(header) else None
    token = token_of(HTTPConnection(scope))
    return partial(service.sessions.is_known, token) if is_token(token) else None


NO_ROUTE = "none"
"""Label of a request that met no route: its path is the caller's text and is not repeated."""


class Guard:
    """Times every request, lets strangers wait, refuses ambiguous heads, answers faults of ours.

    Pure ASGI, so it costs no task and no copy, and holds for pages, JSON and files alike.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pace = Pace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through; an error that no handler took is logged by kind and answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        service: SignInService = scope["app"].state.runtime

        async def send_completed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = complete(message.get("headers", ()))
            await send(message)

        try:
            refused = await self._pace.admit(scope) or find_ambiguity(scope)
            answer = self._app if refused is None else refusal(refused, instance="/")
            await answer(scope, receive, send_completed)
        except ClientDisconnect:
            pass  # the sender went away, or was too slow: there is no one to answer
        except Exception as error:
            fault(error, route=_route(scope))
            if status:
                raise  # the answer has begun: it can only be broken off
            await answer_fault(_route(scope))(scope, receive, send_completed)
        finally:
            metrics: Metrics = service.metrics
            method = scope["method"] if scope["method"] in _METHODS else NO_ROUTE
            seconds = time.perf_counter() - began
            route = _route(scope)
            if not route.startswith(UNCOUNTED):
                metrics.requests.labels(method, route, str(status)).observe(seconds)
                await _note_use(service, scope, status)


async def _note_use(service: SignInService, scope: Scope, status: int) -> None:
    """Count a request for the key that it shows, if it shows one."""
    uses = service.callers.uses
    for name, value in scope["headers"]:
        if name == b"authorization" and status:
            refused = status >= HTTPStatus.BAD_REQUEST
            reason = name_reason(status, scope.get(REFUSAL)) if refused else TAKEN
            service.callers.note_use(value.decode("latin-1"), reason)
    if uses.is_due():
        await run_in_threadpool(uses.flush)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", NO_ROUTE)


UNCOUNTED = ("/v1/attentions", "/attentions")
"""Routes that no public figure counts: it would tell when partners ask for something."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
