"""Application of a training home: its own service, which says on each page that it is training."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api.account import page as account_page
from api.http import problems
from api.http.middleware import Guard
from api.http.responses import add_routes
from api.training import pages
from api.training.runtime import TrainingRuntime
from api.web import sign_in_page
from api.web.page_route import answer_unknown
from api.web.templates_env import STATIC


def create_training_app(open_service: Callable[[], TrainingRuntime]) -> FastAPI:
    """Return the application; ``open_service`` puts the service together when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = open_service()
        yield
        app.state.runtime.close()

    app = FastAPI(
        title="Darvoza training",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.training_menu = pages.list_menu
    app.add_middleware(Guard)
    problems.install(app)
    add_routes(app, sign_in_page.router, account_page.router, pages.router)
    app.add_exception_handler(HTTPException, answer_unknown)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
