"""The finds that wait for a confirmation, for people."""

import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from api.confirmations.reads import Sequence, confirm_find, waiting_finds
from api.http.dependencies import TheService
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm

router = APIRouter(prefix="/finds", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(visit: TheVisit, service: TheService, find: Annotated[str, Query()] = "") -> Response:
    """Show the finds that wait, the oldest first."""
    found = waiting_finds(service, visit.caller)
    return visit.page(
        "finds.html",
        json_address="/v1/finds",
        finds=found,
        confirmed=find,
        once=secrets.token_hex(12),
    )


@router.post("/{sequence}/confirmations")
def confirm(visit: TheVisit, service: TheService, _: TheForm, sequence: Sequence) -> Response:
    """Confirm a find."""
    done = confirm_find(service, visit.caller, sequence)
    find = quote(done["seizure_id"], safe="")
    return RedirectResponse(f"/finds?done=confirmed&find={find}#done", 303)
