"""The service: one FastAPI application, made by a function, with nothing done on import.

What is imported from here must stay lean: no training library, no pickle loader, no experiment
(held by import-linter). Several processes may serve one store.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api import problems
from api.bodies import ReportedAct
from api.express import Express
from api.heads import HeadCheck
from api.home import home_of
from api.keys import stand_in
from api.logs import configure
from api.measuring import DriftAsked
from api.metrics import Guard
from api.models import SETTLED_SECONDS, HomeModels
from api.pages import site
from api.proposing import Approval, BacktestAsked, CheckAsked, Period, Retirement
from api.routes import (
    acts,
    crossings,
    decisions,
    drift,
    finds,
    health,
    integrity,
    journal,
    models,
    profiles,
    queues,
    rosters,
    shifts,
    watchlist,
)
from api.routes.models import EndOfTrial, ModelApproval, RollBack, RulesOnly
from api.runtime import Runtime, open_runtime
from api.settings import Settings
from api.strangers import StrangerPace
from engine.criteria.profiles.profile import ProfileProposal
from engine.criteria.watchlist import Notice, WatchEntry
from engine.domain.records import Arrival, Record, Seizure
from engine.queue.reviews import Review
from engine.shifts.rosters import Roster
from engine.targeting.reports import ReleaseReason

BODIES: tuple[type[Record], ...] = (
    Arrival,
    ReportedAct,
    Seizure,
    Roster,
    Review,
    ReleaseReason,
    ModelApproval,
    RulesOnly,
    RollBack,
    EndOfTrial,
    DriftAsked,
    CheckAsked,
    ProfileProposal,
    BacktestAsked,
    Period,
    Approval,
    Retirement,
    WatchEntry,
    Notice,
)
"""Records that routes read from a request's body themselves."""

ROUTES = (
    decisions,
    crossings,
    acts,
    profiles,
    queues,
    rosters,
    shifts,
    integrity,
    journal,
    models,
    drift,
    finds,
    health,
    watchlist,
)


def create_app(open_service: Callable[[], Runtime] | None = None) -> FastAPI:
    """Return the application; ``open_service`` puts the service together when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = (open_service or default_service)()
        app.state.runtime = runtime
        settling = warming = None
        if open_service is None:
            warming = asyncio.create_task(runtime.executors.sign_in.run(stand_in))
            settling = asyncio.get_running_loop().call_later(SETTLED_SECONDS, settle)
        yield
        if settling is not None and warming is not None:
            settling.cancel()
            warming.cancel()
        runtime.close()

    app = FastAPI(
        title="Darvoza",
        summary="Risk scoring for inspection targeting. It advises; people decide.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from elsewhere; the document itself is complete
        redoc_url=None,
        redirect_slashes=False,  # each resource has one address, which docs/api.md names
    )
    app.add_middleware(Express)
    app.add_middleware(HeadCheck)
    app.add_middleware(StrangerPace)
    app.add_middleware(Guard)  # the last one added is the outermost
    problems.install(app)
    for module in ROUTES:
        app.include_router(module.router)
    site.install(app)
    app.openapi = lambda: _documented(app)  # type: ignore[method-assign]
    return app


def default_service() -> Runtime:
    """Put together the service of the home that the environment names."""
    configure()
    home = home_of(None)
    return open_runtime(home, Settings(), HomeModels(home))


def settle() -> None:
    """Set apart what is loaded once a start is over: it stays, so no collection walks it again."""
    gc.collect()
    gc.freeze()
    gc.enable()  # whoever started the service may have put collections off until now


def _documented(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the bodies that routes read themselves."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in BODIES],
            ref_template="#/components/schemas/{model}",
        )
        found["components"]["schemas"].update(bodies["$defs"])
        app.openapi_schema = found
    return app.openapi_schema
