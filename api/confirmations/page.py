"""The finds that wait for a confirmation, for people."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.confirmations.reads import ConfirmationService, confirm_find, waiting_finds
from api.http.dependencies import running_service
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheForm, TheVisitor

TheService = Annotated[ConfirmationService, Depends(running_service)]

router = APIRouter(prefix="/finds", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show(request: Request, service: TheService, visitor: TheVisitor) -> Response:
    """Show the finds that wait, the oldest first."""
    found = await asyncio.to_thread(waiting_finds, service, visitor.caller)
    done = request.query_params.get("done", "")
    return page(
        request, "finds.html", visitor=visitor, json_address="/v1/finds", finds=found, done=done
    )


@router.post("/{sequence}/confirmations")
async def confirm(
    service: TheService,
    visitor: TheVisitor,
    _: TheForm,
    sequence: Annotated[int, Path(ge=1, lt=1 << 63)],
) -> Response:
    """Confirm a find."""
    await asyncio.to_thread(confirm_find, service, visitor.caller, sequence)
    return RedirectResponse("/finds?done=confirmed", 303)
