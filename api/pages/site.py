"""Puts the pages into the service: their routes, and the files they load."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from api.pages import (
    decision,
    drift,
    finds,
    home,
    integrity,
    journal,
    models,
    profiles,
    queue,
    shift,
    signing,
    watchlist,
)
from api.pages.rendering import STATIC
from api.pages.routing import HEADERS, answer_unknown

ROUTERS = (
    signing.router,
    home.router,
    queue.router,
    decision.router,
    shift.router,
    profiles.router,
    watchlist.router,
    finds.router,
    models.router,
    drift.router,
    integrity.router,
    journal.router,
)


class _Files(StaticFiles):
    """Our style and script; their addresses change with them, so a browser may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the headers of every page."""
        answer = await super().get_response(path, scope)
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        answer.headers.update(HEADERS | (kept if scope["query_string"] else {}))
        return answer


def install(app: FastAPI) -> None:
    """Serve the pages from ``app``."""
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(HTTPException, answer_unknown)
    app.mount("/static", _Files(directory=STATIC), name="static")
