"""Puts the pages into the service: their routes, and the files they load."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from api.audit import page as audit_page
from api.confirmations import page as confirmations_page
from api.decisions import page as decisions_page
from api.drift import page as drift_page
from api.integrity import page as integrity_page
from api.models import page as models_page
from api.profiles import page as profiles_page
from api.queue import page as queue_page
from api.shifts import page as shifts_page
from api.watchlist import page as watchlist_page
from api.web import sign_in_page
from api.web.page_route import HEADERS, answer_unknown
from api.web.templates_env import STATIC

ROUTERS = (
    sign_in_page.router,
    queue_page.router,
    decisions_page.router,
    shifts_page.router,
    profiles_page.router,
    watchlist_page.router,
    confirmations_page.router,
    models_page.router,
    drift_page.router,
    integrity_page.router,
    audit_page.router,
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
