"""How this process fares, for Prometheus; labels are closed lists, so no plate can become one."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.inflight import Recorded

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
NO_ROUTE = "none"
"""Label of a request that met no route: its path is the caller's text and is not repeated."""


class Metrics:
    """Counters and histograms of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "darvoza_decisions",
            "Decisions answered, repeated answers included.",
            ["channel", "mode"],
            registry=self.registry,
        )
        self.random = Counter(
            "darvoza_random_checks",
            "Decisions on members of the random stream.",
            registry=self.registry,
        )
        self.requests = Histogram(
            "darvoza_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def decided(self, found: Recorded) -> None:
        """Count one answered decision."""
        decision: dict[str, Any] = found.body["decision"]
        self.decisions.labels(decision["channel"], decision["mode"]).inc()
        if decision["is_random"]:
            self.random.inc()


class Timed:
    """Times every request; pure ASGI, so that it costs no task and no copy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through and take its time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            metrics: Metrics = scope["app"].state.runtime.metrics
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            method = scope["method"] if scope["method"] in _METHODS else NO_ROUTE
            seconds = time.perf_counter() - began
            metrics.requests.labels(method, route, str(status)).observe(seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
