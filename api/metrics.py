"""How this process fares, for Prometheus; labels are closed lists, so no plate can become one.

Anybody may read it, a checkpoint too. So what is known of one vehicle that its checkpoint may not
know (that it was drawn by lot, where its risk lies) is told of many together, and later: whoever
reads before and after a decision learns nothing of it.
"""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import fault
from api.problems import broken
from engine.errors import StoreUnavailableError
from engine.inflight import Recorded
from engine.journal import Journal
from engine.queue import waiting_at_posts
from engine.store import Store

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_UNBACKED = "a table of the store claims what no journal record states: run darvoza verify"
TOGETHER = 50
"""Decisions whose secret figures come out at once; they wait for as many more to be made."""
NO_ROUTE = "none"
"""Label of a request that met no route: its path is the caller's text and is not repeated."""


class Metrics:
    """Counters and histograms of one process."""

    def __init__(self, *, together: int = TOGETHER) -> None:
        self.registry = CollectorRegistry()
        self._together = together
        self._kept: dict[int, dict[str, Any]] = {}
        """Decisions whose secret figures are not out yet, by their records' numbers."""
        self._told = 0
        """The newest record whose figures are out."""
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
        self.profile_failures = Counter(
            "darvoza_profile_failures",
            "Evaluations of profiles that failed: such a profile fits nothing.",
            registry=self.registry,
        )
        self.profile_failed = self.profile_failures.inc
        self.models_refused = Counter(
            "darvoza_models_refused",
            "Looks at which a model in force or on trial was missing, changed or did not fit.",
            registry=self.registry,
        )
        self.power_refused = Counter(
            "darvoza_power_refused",
            "Claims of a table to power that no journal record backs.",
            ["kind"],
            registry=self.registry,
        )
        self.percentiles = Histogram(
            "darvoza_risk_percentile",
            "Percentiles of the risk at its post; a tenth in each bucket when nothing drifts.",
            buckets=_TENTHS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "darvoza_decision_batch",
            "Arrivals decided together.",
            buckets=_SIZES,
            registry=self.registry,
        )
        self.waiting = Gauge(
            "darvoza_waiting",
            "Vehicles that wait for officers at a post, whichever process decided on them.",
            ["post"],
            registry=self.registry,
        )
        self.requests = Histogram(
            "darvoza_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def refuse_power(self, kind: str) -> None:
        """Count and log a claim of a table that no record backs; ``kind`` is from a closed list."""
        self.power_refused.labels(kind).inc()
        structlog.get_logger().warning("power_refused", kind=kind, why=_UNBACKED)

    def decided(self, found: Recorded) -> None:
        """Count one answered decision; an answer that is repeated brings its secrets no nearer."""
        decision: dict[str, Any] = found.body["decision"]
        self.decisions.labels(decision["channel"], decision["mode"]).inc()
        if found.entry.seq > self._told:
            self._kept.setdefault(found.entry.seq, decision)
        if len(self._kept) >= 2 * self._together:
            self._tell(sorted(self._kept)[: self._together])

    def _tell(self, sequences: Sequence[int]) -> None:
        for seq in sequences:
            decision = self._kept.pop(seq)
            if decision["is_random"]:
                self.random.inc()
            percentile = decision["risk"]["percentile"]
            if percentile is not None:
                self.percentiles.observe(percentile)
        self._told = sequences[-1]


def exposition(metrics: Metrics, store: Store, journal: Journal) -> bytes:
    """Return every metric as text; what waits is left out while the store does not answer."""
    metrics.waiting.clear()
    try:
        with store.read() as connection:
            found = waiting_at_posts(connection, as_of=journal.head(connection).as_of)
    except StoreUnavailableError:
        found = {}
    for post, number in found.items():
        metrics.waiting.labels(post).set(number)
    return generate_latest(metrics.registry)


class Guard:
    """Times every request and answers faults of ours; pure ASGI: it costs no task and no copy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through; what nobody handled is a fault, logged by kind and answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            pass  # the sender went away, or was too slow: there is no one to answer
        except Exception as error:
            fault(error, route=_route(scope))
            if status:
                raise  # the answer has begun: it can only be broken off
            await broken(_route(scope))(scope, receive, noted)
        finally:
            metrics: Metrics = scope["app"].state.runtime.metrics
            method = scope["method"] if scope["method"] in _METHODS else NO_ROUTE
            seconds = time.perf_counter() - began
            metrics.requests.labels(method, _route(scope), str(status)).observe(seconds)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path_format", NO_ROUTE)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
