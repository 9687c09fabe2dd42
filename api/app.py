"""The service: one FastAPI application, made by a function, with nothing done on import.

What is imported from here must stay lean: no training library, no pickle loader, no experiment
(held by import-linter). Several processes may serve one store.

A start loads what decisions need, and health. All other routes and the pages (:mod:`api.site`) are
loaded half a second later, or by the first request for one of them, which waits no longer than if
the start had loaded them. The workers of areas, which stand on pages, begin then too.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.areas import list_doors
from api.auth.credentials import stand_in
from api.decisions import routes as decisions_routes
from api.decisions.fast_path import FastPath
from api.http import health, problems
from api.http.middleware import Guard
from api.http.request_bodies import find_formats
from api.http.responses import BODY_MODELS, add_routes
from api.http.server import end_with_parent
from api.service.assembly import open_runtime
from api.service.model_watch import SETTLED_SECONDS, HomeModels
from api.service.runtime import Runtime
from api.service.settings import Settings
from api.service.structured_logging import configure, fault
from engine.journal.areas import load_part
from engine.storage.home import home_of

FIRST = (
    decisions_routes.router,
    health.router,
)
"""Routers that are there before the first answer."""


class LateRoutes(BaseRoute):
    """The last route of a service that has just started, in place of those that are not loaded.

    What no route before it takes waits until all are loaded, and then looks among them.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take every request."""
        return Match.FULL if scope["type"] == "http" else Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the route that takes the request, among all of them."""
        await run_in_threadpool(self.load)
        await self._app.router(scope, receive, send)

    def load(self) -> None:
        """Put all other routes and the pages in the place of this one, once."""
        from api import site

        with self._lock:
            if self in self._app.routes:
                late = [one for one in (*site.ROUTERS, *site.PAGES) if one not in FIRST]
                found = [route for router in late for route in router.routes]
                self._app.routes[-1:] = [*found, site.STATIC_FILES]


def load_late_routes(app: FastAPI) -> None:
    """Load what a start leaves for later, if that was not done yet."""
    for route in app.routes[-1:]:
        if isinstance(route, LateRoutes):
            route.load()


def create_app(open_service: Callable[[], Runtime] | None = None) -> FastAPI:
    """Return the application; ``open_service`` puts the service together when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if open_service is None:
            end_with_parent()
        runtime = (open_service or default_service)()
        app.state.runtime = runtime
        workers: list[Any] = []
        settling = None
        if open_service is None:
            settling = asyncio.create_task(_settle(app, runtime, workers))
        else:
            _start_workers(runtime, workers)
        yield
        if settling is not None:
            settling.cancel()
            with suppress(asyncio.CancelledError):
                await settling  # what a thread of it began to start is closed below
        for worker in workers:
            worker.close()
        runtime.close()

    app = FastAPI(
        title="Darvoza",
        summary="Risk scoring for inspection targeting. It advises; people decide.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from elsewhere; the document itself is complete
        redoc_url=None,
        redirect_slashes=False,  # each resource has one address, which docs/api.md names
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours: api.service
    )
    app.add_middleware(FastPath)
    app.add_middleware(Guard)  # the last one added is the outermost
    problems.install(app)
    find_formats().install(app)
    add_routes(app, *FIRST)
    app.routes.append(LateRoutes(app))
    app.add_exception_handler(HTTPException, _answer_unknown)
    app.openapi = lambda: _build_document(app)  # type: ignore[method-assign]
    return app


async def _answer_unknown(request: Request, error: Exception) -> Response:
    from api.web.page_route import answer_unknown

    return await answer_unknown(request, error)


def default_service() -> Runtime:
    """Put together the service of the home that the environment names."""
    configure()
    home = home_of(None)
    return open_runtime(home, Settings(), HomeModels(home))


COLLECTION_THRESHOLD = 50_000
"""New objects after which the youngest generation is collected: a batch of decisions keeps
thousands until it is recorded."""
_FIRST_SECONDS = 0.1
"""How long the first answers have the processor for themselves, if none needs more by itself."""


def _start_workers(runtime: Runtime, workers: list[Any]) -> None:
    """Start the workers of areas, and add them to a list."""
    for name in (name for one in list_doors() for name in one.workers):
        workers.append(load_part(name)(runtime))
        workers[-1].start()


async def _settle(app: FastAPI, runtime: Runtime, workers: list[Any]) -> None:
    """Load what the start left for later, while requests are answered."""
    await runtime.executors.sign_in.run(stand_in)
    try:
        await asyncio.sleep(_FIRST_SECONDS)
        await run_in_threadpool(runtime.prepare)
        await asyncio.sleep(SETTLED_SECONDS)  # the first decisions need not share the processor
        await run_in_threadpool(load_late_routes, app)
        await run_in_threadpool(_start_workers, runtime, workers)
        await run_in_threadpool(find_formats().report)
    except Exception as error:
        fault(error, route="start")  # and so will each request that needs it; others go on
    settle()


def settle() -> None:
    """Set apart what is loaded once a start is over: it stays, so no collection walks it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)
    gc.enable()  # the starting process may have put collections off until now


def _build_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        from api.site import ROUTERS

        routes = [route for router in ROUTERS for route in router.routes]
        found = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=routes
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in sorted(BODY_MODELS, key=attrgetter("__name__"))],
            ref_template="#/components/schemas/{model}",
        )
        found["components"]["schemas"].update(bodies["$defs"])
        app.openapi_schema = found
    return app.openapi_schema
