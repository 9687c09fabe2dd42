"""Routes and pages of the service, a router or two for each subject.

A service decides before this is imported, which is a quarter of a start (:mod:`api.app`).
"""

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Scope

from api import account as account_page
from api import declarations as declarations_page
from api import declarations as declarations_routes
from api import drift as drift_page
from api import drift as drift_routes
from api import integrity as integrity_page
from api import integrity as integrity_routes
from api import quality as quality_page
from api import quality as quality_routes
from api import queue as queue_page
from api import queue as queue_routes
from api import search as search_page
from api import search as search_routes
from api import watchlist as watchlist_page
from api import watchlist as watchlist_routes
from api.acts import confirmations as confirmations_page
from api.acts import confirmations as confirmations_routes
from api.acts import corrections as corrections_page
from api.acts import release_audits as release_audits_page
from api.acts import release_audits as release_audits_routes
from api.acts import routes as reports_routes
from api.areas import list_doors
from api.audit import routes as audit_page
from api.audit import routes as audit_routes
from api.decisions import page as decisions_page
from api.decisions import page as inspection_orders_page
from api.decisions import routes as decisions_routes
from api.http import health
from api.models import page as models_page
from api.models import routes as models_routes
from api.network import page as network_page
from api.network import page as network_routes
from api.notifications import routes as notifications_page
from api.notifications import routes as notifications_routes
from api.people import page
from api.people import page as people_page
from api.people import routes as people_routes
from api.profiles import page as profiles_page
from api.profiles import routes as profiles_routes
from api.shifts import page
from api.shifts import page as shifts_page
from api.shifts import routes as shifts_routes
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
    page.invitation_router,
    people_page.router,
    queue_page.page_router,
    decisions_page.router,
    corrections_page.router,
    inspection_orders_page.order_router,
    declarations_page.page_router,
    search_page.page_router,
    notifications_page.page_router,
    shifts_page.router,
    page.roster_page_router,
    network_page.page_router,
    page.handover_page_router,
    profiles_page.router,
    watchlist_page.page_router,
    confirmations_page.page_router,
    release_audits_page.page_router,
    models_page.router,
    drift_page.page_router,
    quality_page.page_router,
    integrity_page.page_router,
    audit_page.page_router,
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
