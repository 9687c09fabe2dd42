"""The watch list for people: what stands on it, who agreed, and a form to propose an entry."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import running_service
from api.profiles import page_forms as profiles_page_forms
from api.profiles.proposals import ProposalService, ProposalWriter
from api.watchlist.reads import list_entries
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.i18n import ReaderLocale
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.visitor import Form, TheForm, TheVisitor, Visitor
from engine.criteria.watchlist import NAMED, WatchEntry
from engine.domain.records import Identifier
from engine.errors import RecordError

TheService = Annotated[ProposalService, Depends(running_service)]

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
    request: Request, service: TheService, visitor: TheVisitor, form: TheForm
) -> Response:
    """Propose an entry."""
    try:
        await asyncio.to_thread(entry, service, visitor, form, speech_of(request))
    except RecordError as error:
        return await _page(
            request, visitor, kept=form, wrong=(FieldMistake(error.field, error.rule),)
        )
    except FormError as error:
        return await _page(request, visitor, kept=form, wrong=error.mistakes)
    return RedirectResponse("/watchlist?done=proposed", 303)


@router.post("/{entry_id}/approvals")
async def approve(
    service: TheService, visitor: TheVisitor, reader: TheReader, entry_id: EntryId
) -> Response:
    """Agree to an entry, to its leaving, or to a counterpart's notice."""
    await asyncio.to_thread(
        profiles_page_forms.approve, service, visitor, "watchlist", entry_id, reader
    )
    return RedirectResponse("/watchlist?done=approved", 303)


@router.post("/{entry_id}/retirements")
async def retire(
    service: TheService, visitor: TheVisitor, reader: TheReader, entry_id: EntryId
) -> Response:
    """Propose that an entry leaves."""
    await asyncio.to_thread(
        profiles_page_forms.retire, service, visitor, "watchlist", entry_id, reader
    )
    return RedirectResponse("/watchlist?done=leaving", 303)


async def _page(
    request: Request,
    visitor: Visitor,
    *,
    kept: Kept | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    service: ProposalService = request.app.state.runtime
    found = await asyncio.to_thread(list_entries, service)
    return page(
        request,
        "watchlist.html",
        status=422 if wrong else 200,
        visitor=visitor,
        json_address="/v1/watchlist",
        by_state={state: [one for one in found if one["state"] == state] for state in STATES},
        kinds=NAMED,
        kept=dict(kept or {}),
        wrong=corrections(wrong, speech_of(request)),
        once=secrets.token_hex(12),
        done=request.query_params.get("done", ""),
    )


def entry(service: ProposalService, visitor: Visitor, form: Form, speech: ReaderLocale) -> None:
    """Propose an entry of the watch list; raises ``FormError``."""
    reader = FormReader(form, speech)
    kind, named, once = reader.text("kind"), reader.text("identifier"), reader.once()
    fields = reader.texts("note") | {"reason": reader.text("reason")}
    if kind in NAMED and named:
        fields[kind] = named
    fields["expiry"] = reader.day("expiry", is_last=True)
    fields["look_alikes"] = reader.text("look_alikes") == "1"
    made = reader.record(WatchEntry, fields)
    reader.mistakes = [_at_identifier(one, kind) for one in reader.mistakes]
    ProposalWriter(service, visitor.caller, once).entry(reader.finish(made))


def _at_identifier(mistake: FieldMistake, kind: str) -> FieldMistake:
    """Return a mistake at the one field where the form asks for identifiers of every kind."""
    is_there = mistake.at in ("", kind)
    return FieldMistake("identifier", mistake.rule, mistake.values) if is_there else mistake
