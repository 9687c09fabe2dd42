"""The watch list for people: what stands on it, who agreed, and a form to propose an entry."""

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.profiles import page_forms as profiles_page_forms
from api.profiles.page_forms import VisitorsWriter
from api.profiles.proposals import ProposalWriter
from api.service.runtime import Runtime
from api.watchlist.preview import PreviewRequest, preview_entry
from api.watchlist.reads import list_entries
from api.watchlist.routes import EntryId
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.criteria.watchlist import NAMED, WatchEntry
from engine.errors import BusyError, NotEnoughDataError, RecordError

router = APIRouter(prefix="/watchlist", route_class=PageRoute, include_in_schema=False)
FormStart = Annotated[str, Query(max_length=64)]
STATES = ("proposed", "in_force", "expired", "retired")


@router.get("")
def show(
    visit: TheVisit, service: TheService, kind: FormStart = "", identifier: FormStart = ""
) -> Response:
    """Show every entry by where it stands; the form begins with what a link names."""
    begun = {"kind": [kind], "identifier": [identifier]} if kind in NAMED and identifier else {}
    return _page(visit, service, kept=begun)


@router.post("/previews")
def preview(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, *, part: bool = False
) -> Response:
    """Show the form with what its entry would have matched, or that part of it alone."""
    try:
        found = _preview(visit, service, reader)
    except FormError as error:
        if part:
            return visit.page("preview.html", preview=None, is_busy=False)
        return _page(visit, service, kept=form, wrong=error.mistakes)
    except (BusyError, NotEnoughDataError):
        found = None
    if part:
        return visit.page("preview.html", preview=found, is_busy=found is None)
    return _page(visit, service, kept=form, preview=found, is_busy=found is None)


@router.post("")
def propose(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Propose an entry."""
    try:
        _propose_entry(visit, service, reader)
    except RecordError as error:
        wrong = (FieldMistake(error.field, error.rule),)
        return _page(visit, service, kept=form, wrong=wrong)
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    return RedirectResponse("/watchlist?done=proposed", 303)


@router.post("/{entry_id}/approvals")
def approve(writer: VisitorsWriter, reader: TheReader, entry_id: EntryId) -> Response:
    """Agree to an entry, to its leaving, or to a counterpart's notice."""
    profiles_page_forms.approve(writer, "watchlist", entry_id, reader)
    return RedirectResponse("/watchlist?done=approved", 303)


@router.post("/{entry_id}/retirements")
def retire(writer: VisitorsWriter, reader: TheReader, entry_id: EntryId) -> Response:
    """Propose that an entry leaves."""
    profiles_page_forms.retire(writer, "watchlist", entry_id, reader)
    return RedirectResponse("/watchlist?done=leaving", 303)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    preview: dict[str, Any] | None = None,
    is_busy: bool = False,
) -> Response:
    found = list_entries(service, visit.caller)
    return visit.page(
        "watchlist.html",
        status=422 if wrong else 200,
        json_address="/v1/watchlist",
        by_state={state: [one for one in found if one["state"] == state] for state in STATES},
        kinds=NAMED,
        kept=dict(kept),
        wrong=corrections(wrong, visit.speech),
        once=secrets.token_hex(12),
        preview=preview,
        is_busy=is_busy,
    )


def _preview(visit: Visit, service: Runtime, reader: FormReader) -> dict[str, Any]:
    """Return what the entry of a form would have matched; raises ``FormError``."""
    kind, named = reader.text("kind"), reader.text("identifier")
    fields: dict[str, Any] = {"look_alikes": reader.text("look_alikes") == "1"}
    if kind in NAMED and named:
        fields[kind] = named
    made = reader.record(PreviewRequest, fields)
    reader.mistakes = [_at_identifier(one, kind) for one in reader.mistakes]
    return preview_entry(service, visit.caller, reader.finish(made))


def _propose_entry(visit: Visit, service: Runtime, reader: FormReader) -> None:
    """Propose an entry of the watch list; raises ``FormError``."""
    kind, named, once = reader.text("kind"), reader.text("identifier"), reader.once()
    fields = reader.texts("note") | {"reason": reader.text("reason")}
    if kind in NAMED and named:
        fields[kind] = named
    fields["expiry"] = reader.day("expiry", is_last=True)
    for mark in ("look_alikes", "is_shareable"):
        fields[mark] = reader.text(mark) == "1"
    made = reader.record(WatchEntry, fields)
    reader.mistakes = [_at_identifier(one, kind) for one in reader.mistakes]
    ProposalWriter(service, visit.caller, once).entry(reader.finish(made))


def _at_identifier(mistake: FieldMistake, kind: str) -> FieldMistake:
    """Return a mistake at the one field where the form asks for identifiers of every kind."""
    is_there = mistake.at in ("", kind)
    return FieldMistake("identifier", mistake.rule, mistake.values) if is_there else mistake
