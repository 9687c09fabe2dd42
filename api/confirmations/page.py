"""The finds that wait for a confirmation, for people."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.confirmations.reads import Sequence, TheService, confirm_find, waiting_finds
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm

router = APIRouter(prefix="/finds", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the finds that wait, the oldest first."""
    found = waiting_finds(service, visit.caller)
    return visit.page("finds.html", json_address="/v1/finds", finds=found)


@router.post("/{sequence}/confirmations")
def confirm(visit: TheVisit, service: TheService, _: TheForm, sequence: Sequence) -> Response:
    """Confirm a find."""
    confirm_find(service, visit.caller, sequence)
    return RedirectResponse("/finds?done=confirmed", 303)
