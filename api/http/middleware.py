"""ASGI middleware around every request: time, status, and faults nothing else caught."""

import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import answer_fault
from api.service.metrics import Metrics
from api.service.structured_logging import fault

NO_ROUTE = "none"
"""Label of a request that met no route: its path is the caller's text and is not repeated."""


class Guard:
    """Times every request and answers faults of ours; pure ASGI: it costs no task and no copy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through; an error that no handler took is logged by kind and answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except ClientDisconnect:
            pass  # the sender went away, or was too slow: there is no one to answer
        except Exception as error:
            fault(error, route=_route(scope))
            if status:
                raise  # the answer has begun: it can only be broken off
            await answer_fault(_route(scope))(scope, receive, note_status)
        finally:
            metrics: Metrics = scope["app"].state.runtime.metrics
            method = scope["method"] if scope["method"] in _METHODS else NO_ROUTE
            seconds = time.perf_counter() - began
            metrics.requests.labels(method, _route(scope), str(status)).observe(seconds)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", NO_ROUTE)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
