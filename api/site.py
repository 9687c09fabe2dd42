"""Routes and pages of the service, a router or two for each subject.

A service decides before this is imported, which is a quarter of a start (:mod:`api.app`).
"""

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Scope

from api import account, declarations, drift, integrity, manuals, quality, queue
from api.acts import confirmations, corrections, documents_asked, release_audits
from api.acts import routes as acts
from api.areas import list_doors
from api.audit import routes as audit
from api.criteria import known_lawful, named_lists, policy, register, watchlist
from api.decisions import page as decisions_page
from api.decisions import reason_verdicts, stored_routes
from api.decisions import routes as decisions
from api.entities import routes as entities
from api.entities import search
from api.figures import page as figures
from api.http import health
from api.models import page as models_page
from api.models import routes as models
from api.network import page as network
from api.notifications import routes as notifications
from api.people import page as people_page
from api.people import routes as people
from api.profiles import page as profiles_page
from api.profiles import routes as profiles
from api.proposals import routes as proposals
from api.shifts import page as shifts_page
from api.shifts import routes as shifts
from api.web import sign_in_page
from api.web.page_route import HEADERS
from api.web.templates_env import STATIC
from engine.journal.areas import load_part

ROUTERS = (
    decisions.router,
    stored_routes.router,
    reason_verdicts.router,
    declarations.router,
    search.router,
    entities.router,
    entities.seizure_router,
    notifications.router,
    acts.crossings_router,
    acts.router,
    profiles.router,
    proposals.router,
    queue.router,
    shifts.router,
    shifts.handover_router,
    shifts.report_router,
    network.router,
    figures.router,
    integrity.router,
    integrity.overview_router,
    audit.router,
    models.router,
    drift.router,
    quality.router,
    confirmations.router,
    release_audits.router,
    documents_asked.router,
    health.router,
    register.router,
    named_lists.router,
    watchlist.router,
    known_lawful.router,
    policy.router,
    people.router,
    *(load_part(name) for doors in list_doors() for name in doors.routers),
)
PAGES = (
    sign_in_page.router,
    account.router,
    manuals.router,
    people_page.invitation_router,
    people_page.router,
    queue.page_router,
    decisions_page.router,
    corrections.router,
    decisions_page.order_router,
    declarations.page_router,
    search.page_router,
    entities.page_router,
    entities.seizure_page_router,
    notifications.page_router,
    shifts_page.router,
    shifts_page.roster_page_router,
    network.page_router,
    figures.page_router,
    shifts_page.handover_page_router,
    profiles_page.router,
    proposals.page_router,
    register.page_router,
    named_lists.page_router,
    watchlist.page_router,
    known_lawful.page_router,
    policy.page_router,
    confirmations.page_router,
    release_audits.page_router,
    documents_asked.page_router,
    models_page.router,
    drift.page_router,
    quality.page_router,
    integrity.page_router,
    integrity.overview_page_router,
    audit.page_router,
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
