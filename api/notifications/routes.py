"""Notifications over HTTP and as a page; open pages follow their number by the JSON route."""

import secrets
from urllib.parse import quote

from fastapi import APIRouter, Response

from api.auth.callers import Caller
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.notifications.answers import Notifications, NotificationView, list_notifications
from api.proposals.matters import list_matters
from api.web.page_route import PageRoute, TheVisit
from engine.queue.reviews import AGREED

router = json_router("/v1/notifications", "notifications")


@router.get("", response_model=Notifications)
def notifications(caller: TheCaller, service: TheService) -> Response:
    """List what waits for the caller: hits of the watch list, approvals, alarms."""
    return answer(Notifications(notifications=list_notifications(service, caller)))


page_router = APIRouter(prefix="/notifications", route_class=PageRoute, include_in_schema=False)
_PAGES = {
    "vehicle": "/decisions/{id}",
    "review": "/decisions/{id}#proposal",
    "act": "/decisions/{id}/correction",
    **{one.name: one.page.replace("{}", "{id}") for one in list_matters().values()},
    "find": "/finds",
    "documents_asked": "/documents-asked",
    "known_lawful_suspended": "/known-lawful#{id}",
    "profile_failed": "/profiles/{id}",
    **dict.fromkeys(("case", "custody"), "/cases/{id}"),
    "circular": "/circulars#{id}",
    "complaint": "/complaints?decision={id}",
    "handover": "/posts/{post}/handover?at={at}",
    **dict.fromkeys(("list", "entries", "score", "family"), "/register"),
    "drift": "/drift",
    "webhook_disabled": "/webhooks/{id}",
    "account_on_machine": "/people#{id}",
    **dict.fromkeys(("check", "load", "train", "evaluate"), "/jobs/{id}"),
}
"""Where each is settled; what has no page here is settled on the command line."""


@page_router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show what waits for the visitor, the newest first."""
    found = list_notifications(service, visit.caller)
    grants = service.accounts.look().grants
    asked = {one.id: grants.find(one.id) for one in found if one.about == "account"}
    return visit.page(
        "notifications.html",
        json_address="/v1/notifications",
        found=[(one, _find_page(one, visit.caller)) for one in found],
        grants={name: one.content for name, one in asked.items() if one is not None},
        agreed=AGREED,
        once=secrets.token_hex(12),
    )


def _find_page(one: NotificationView, caller: Caller) -> str:
    """Return where one is settled; a handover is named by its post and the start of its shift."""
    if one.about == "account_on_machine" and not caller.may("GET", "/v1/people"):
        return "/journal"
    parts = {"id": one.id, "post": one.post or "", "at": one.id.partition("@")[2]}
    return _PAGES.get(one.about, "").format(
        **{name: quote(value, safe="") for name, value in parts.items()}
    )
