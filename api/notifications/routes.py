"""Notifications over HTTP."""

from fastapi import Response

from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.notifications.reads import list_notifications
from api.notifications.schemas import Notifications

router = json_router("/v1/notifications", "notifications")


@router.get("", response_model=Notifications)
def notifications(caller: TheCaller, service: TheService) -> Response:
    """List what waits for the caller: hits of the watch list, approvals, alarms."""
    return answer({"notifications": list_notifications(service, caller)})
