"""Service of one training home: accounts, sessions, exercises, and nothing else.

The service has no part that decides, reports or links, so no request can reach a live journal; its
store is opened as a training home's, which refuses any other. Every page says that it is training.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api import account as account_page
from api.auth.tables import project_accounts
from api.exercises import pages
from api.exercises.desk import ExerciseDesk, ExerciseRuntime, default_truth, open_exercise_home
from api.http import problems
from api.http.middleware import Guard
from api.http.responses import add_routes
from api.service.metrics import Metrics
from api.service.settings import Settings
from api.service.sign_in import open_sign_in
from api.web import sign_in_page
from api.web.page_route import answer_unknown
from api.web.templates_env import STATIC
from engine.audit.file_anchors import open_network
from engine.journal.batch_worker import Writer
from engine.journal.clock import project_anchors
from engine.journal.journal import Journal


def open_exercise_runtime(root: Path, truth: Path | None = None) -> ExerciseRuntime:
    """Open a training home for its service; raises ``HomeError`` or ``NotAllowedError``."""
    opened = ExitStack()
    home, store = opened.enter_context(open_exercise_home(root))
    settings, network, metrics = Settings(), open_network(home, store), Metrics()
    writer = Writer(Journal(store, [project_accounts, project_anchors]))
    sign_in = open_sign_in(
        home, store, writer.submit, network=network, settings=settings, metrics=metrics
    )
    return ExerciseRuntime(
        home=home,
        settings=settings,
        network=network,
        store=store,
        writer=writer,
        **sign_in,
        desk=ExerciseDesk(home, store, truth or default_truth(home.root)),
        opened=opened,
        metrics=metrics,
    )


def create_exercise_app(open_service: Callable[[], ExerciseRuntime]) -> FastAPI:
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
