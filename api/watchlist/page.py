"""The watch list for people: what stands on it, who agreed, and a form to propose an entry."""

import secrets
from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.profiles import page_forms as profiles_page_forms
from api.profiles.page_forms import VisitorsWriter
from api.profiles.proposals import ProposalService, ProposalWriter, TheService
from api.watchlist.reads import list_entries
from api.watchlist.routes import EntryId
from api.web.field_errors import corrections
from api.web.form_fields import FieldMistake, FormError, FormReader, TheReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.criteria.watchlist import NAMED, WatchEntry
from engine.errors import RecordError

router = APIRouter(prefix="/watchlist", route_class=PageRoute, include_in_schema=False)
STATES = ("proposed", "in_force", "expired", "retired")


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show every entry by where it stands."""
    return _page(visit, service, kept={})


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
    visit: Visit, service: ProposalService, *, kept: Form, wrong: Sequence[FieldMistake] = ()
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
    )


def _propose_entry(visit: Visit, service: ProposalService, reader: FormReader) -> None:
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
