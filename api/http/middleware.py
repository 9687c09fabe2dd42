"""ASGI middleware around every request: time, status, and faults nothing else caught."""

import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import answer_fault, refusal
from api.http.request_heads import complete, find_ambiguity
from api.http.unauthenticated_limit import Pace
from api.service.metrics import Metrics
from api.service.structured_logging import fault

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
            metrics: Metrics = scope["app"].state.runtime.metrics
            method = scope["method"] if scope["method"] in _METHODS else NO_ROUTE
            seconds = time.perf_counter() - began
            route = _route(scope)
            if not route.startswith(UNCOUNTED):
                metrics.requests.labels(method, route, str(status)).observe(seconds)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", NO_ROUTE)


UNCOUNTED = ("/v1/attentions", "/attentions")
"""Routes that no public figure counts: it would tell when partners ask for something."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
