"""The watch list for people: what stands on it, who agreed, and a form to propose an entry."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import RunningService
from api.profiles import page_forms as profiles_page_forms
from api.profiles.proposals import ProposalReader
from api.service.runtime import Runtime
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, TheReader
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.visitor import TheForm, TheVisitor, Visitor
from engine.criteria.watchlist import NAMED
from engine.domain.records import Identifier
from engine.errors import RecordError

router = APIRouter(prefix="/watchlist", route_class=PageRoute, include_in_schema=False)
EntryId = Annotated[Identifier, Path()]
STATES = ("proposed", "in_force", "expired", "retired")
Kept = Mapping[str, Sequence[str]]


@router.get("")
async def show(request: Request, visitor: TheVisitor) -> Response:
    """Show every entry by where it stands."""
    return await _page(request, visitor)


@router.post("")
async def propose(
    request: Request, runtime: RunningService, visitor: TheVisitor, form: TheForm
) -> Response:
    """Propose an entry."""
    try:
        await asyncio.to_thread(
            profiles_page_forms.entry, runtime, visitor, form, speech_of(request)
        )
    except RecordError as error:
        return await _page(
            request, visitor, kept=form, wrong=(FieldMistake(error.field, error.rule),)
        )
    except FormError as error:
        return await _page(request, visitor, kept=form, wrong=error.mistakes)
    return RedirectResponse("/watchlist?done=proposed", 303)


@router.post("/{entry_id}/approvals")
async def approve(
    runtime: RunningService, visitor: TheVisitor, reader: TheReader, entry_id: EntryId
) -> Response:
    """Agree to an entry, to its leaving, or to a counterpart's notice."""
    await asyncio.to_thread(
        profiles_page_forms.approve, runtime, visitor, "watchlist", entry_id, reader
    )
    return RedirectResponse("/watchlist?done=approved", 303)


@router.post("/{entry_id}/retirements")
async def retire(
    runtime: RunningService, visitor: TheVisitor, reader: TheReader, entry_id: EntryId
) -> Response:
    """Propose that an entry leaves."""
    await asyncio.to_thread(
        profiles_page_forms.retire, runtime, visitor, "watchlist", entry_id, reader
    )
    return RedirectResponse("/watchlist?done=leaving", 303)


async def _page(
    request: Request,
    visitor: Visitor,
    *,
    kept: Kept | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    runtime: Runtime = request.app.state.runtime
    found = await asyncio.to_thread(ProposalReader(runtime).entries)
    return page(
        request,
        "watchlist.html",
        status=422 if wrong else 200,
        visitor=visitor,
        twin="/v1/watchlist",
        by_state={state: [one for one in found if one["state"] == state] for state in STATES},
        kinds=NAMED,
        kept=dict(kept or {}),
        wrong=corrections(wrong, speech_of(request)),
        once=secrets.token_hex(12),
        done=request.query_params.get("done", ""),
    )
