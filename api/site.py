"""Routes and pages of the service, a router or two for each subject.

A service decides before this is imported, which is a quarter of a start (:mod:`api.app`).
"""

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Scope

from api.account import page as account_page
from api.areas import list_doors
from api.audit import page as audit_page
from api.audit import routes as audit_routes
from api.confirmations import page as confirmations_page
from api.confirmations import routes as confirmations_routes
from api.corrections import page as corrections_page
from api.decisions import page as decisions_page
from api.decisions import routes as decisions_routes
from api.declarations import page as declarations_page
from api.declarations import routes as declarations_routes
from api.drift import page as drift_page
from api.drift import routes as drift_routes
from api.http import health
from api.inspection_orders import page as inspection_orders_page
from api.integrity import page as integrity_page
from api.integrity import routes as integrity_routes
from api.models import page as models_page
from api.models import routes as models_routes
from api.network import page as network_page
from api.network import routes as network_routes
from api.notifications import page as notifications_page
from api.notifications import routes as notifications_routes
from api.people import invitation_page
from api.people import page as people_page
from api.people import routes as people_routes
from api.profiles import page as profiles_page
from api.profiles import routes as profiles_routes
from api.quality import page as quality_page
from api.quality import routes as quality_routes
from api.queue import page as queue_page
from api.queue import routes as queue_routes
from api.release_audits import page as release_audits_page
from api.release_audits import routes as release_audits_routes
from api.reports import routes as reports_routes
from api.search import page as search_page
from api.search import routes as search_routes
from api.shifts import handover_page, roster_page
from api.shifts import page as shifts_page
from api.shifts import routes as shifts_routes
from api.watchlist import page as watchlist_page
from api.watchlist import routes as watchlist_routes
from api.web import sign_in_page
from api.web.page_route import HEADERS
from api.web.templates_env import STATIC
from engine.journal.areas import load_part

ROUTERS = (
    decisions_routes.router,
    declarations_routes.router,
    search_routes.router,
    notifications_routes.router,
    reports_routes.crossings_router,
    reports_routes.router,
    profiles_routes.router,
    queue_routes.router,
    shifts_routes.router,
    shifts_routes.handover_router,
    shifts_routes.report_router,
    network_routes.router,
    integrity_routes.router,
    audit_routes.router,
    models_routes.router,
    drift_routes.router,
    quality_routes.router,
    confirmations_routes.router,
    release_audits_routes.router,
    health.router,
    watchlist_routes.router,
    people_routes.router,
    *(load_part(name) for doors in list_doors() for name in doors.routers),
)
PAGES = (
    sign_in_page.router,
    account_page.router,
    invitation_page.router,
    people_page.router,
    queue_page.router,
    decisions_page.router,
    corrections_page.router,
    inspection_orders_page.router,
    declarations_page.router,
    search_page.router,
    notifications_page.router,
    shifts_page.router,
    roster_page.router,
    network_page.router,
    handover_page.router,
    profiles_page.router,
    watchlist_page.router,
    confirmations_page.router,
    release_audits_page.router,
    models_page.router,
    drift_page.router,
    quality_page.router,
    integrity_page.router,
    audit_page.router,
    *(load_part(name) for doors in list_doors() for name in doors.page_routers),
)


class _Files(StaticFiles):
    """Our style and script; their addresses change with them, so a browser may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with the headers of every page."""
        answer = await super().get_response(path, scope)
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        answer.headers.update(HEADERS | (kept if scope["query_string"] else {}))
        return answer


STATIC_FILES = Mount("/static", _Files(directory=STATIC), name="static")
