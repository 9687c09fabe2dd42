"""One decision: a page with what is known, and the forms for a verdict, an act and a release.

A form that is refused comes back on its own page, with all that was typed and a sentence at each
field that needs a correction. An act with numbers is shown as it was read before it is recorded.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.areas import find_part
from api.decisions.link_graph import KINDS, name_of_linked
from api.decisions.page_data import list_named, read_page
from api.decisions.page_forms import TheDecisionForm
from api.decisions.reads import DecisionReader
from api.decisions.timeline import SHAPES
from api.http.dependencies import TheService
from api.service.runtime import Runtime
from api.web.field_errors import corrections
from api.web.form_fields import FormError
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.templates_env import speech_of
from api.web.visitor import TOKEN, TheForm
from engine.errors import ConflictError
from engine.shifts.rosters import has_scanner

router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)

CHOICES = {
    "methods": tuple(TABLES["method"]),
    "outcomes": tuple(TABLES["outcome"]),
    "substances": tuple(TABLES["substance"]),
    "reasons": tuple(TABLES["review"]),
    "releases": tuple(TABLES["release"]),
    "places": tuple(TABLES["place"]),
}
"""What the forms offer."""
LABELS = {"reason": N_("Explanation")}
"""What these forms call a field that is the reason elsewhere: they ask for a code of it, too."""
STEP = "step"
"""Field of an act's form: ``confirm`` what was shown as read, or ``change`` it."""


@router.get("/{decision_id}")
def show(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show a decision as this visitor may see it."""
    return render_page(visit, service, decision_id)


@router.post("/{decision_id}/reviews")
def send_review(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Record a verdict."""
    return _step(visit, form, sent, sent.review)


@router.post("/{decision_id}/acts")
def send_act(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """File an inspection act with what was seized; one with numbers is shown as read first."""
    step, decision_id = sent.reader.text(STEP), sent.known.decision_id
    if step == "change":
        return render_page(visit, sent.service, decision_id, kept=form, at="report")
    if step != "confirm":
        try:
            found = sent.read_act()
        except FormError as error:
            return _refuse(visit, form, sent, error, at="report")
        if found.has_numbers:
            values: dict[str, Any] = {"read": found, "sent": repeat_fields(form)}
            return render_page(visit, sent.service, decision_id, template="act.html", **values)
    return _step(visit, form, sent, sent.report)


@router.get("/{decision_id}/release")
def ask_release(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Ask why a vehicle leaves without inspection, before that is recorded."""
    return render_page(visit, service, decision_id, template="release.html")


@router.post("/{decision_id}/release")
def send_release(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Record that the vehicle has left without inspection, and why."""
    return _step(visit, form, sent, sent.release, template="release.html")


@router.post("/{decision_id}/takings")
def send_taking(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Take the vehicle; where another person holds it, ask first whether to take it over."""
    try:
        return _step(visit, form, sent, sent.take)
    except ConflictError:
        found = DecisionReader(sent.service, visit.caller).decision(sent.known.decision_id)
        if "taken" not in found:
            raise
    decision_id = sent.known.decision_id
    return render_page(visit, sent.service, decision_id, status=409, template="take_over.html")


@router.post("/{decision_id}/returns")
def send_return(visit: TheVisit, form: TheForm, sent: TheDecisionForm) -> Response:
    """Give the vehicle back."""
    return _step(visit, form, sent, sent.give_back)


def repeat_fields(form: TheForm) -> list[tuple[str, str]]:
    """Return the fields of a form as it was sent, to be sent again when it is confirmed."""
    return [(name, one) for name, every in form.items() if name != TOKEN for one in every]


def _step(
    visit: Visit,
    form: TheForm,
    sent: TheDecisionForm,
    take: Callable[[], None],
    *,
    template: str = "decision.html",
) -> Response:
    """Take a step, or show its form again with what needs a correction."""
    try:
        take()
    except FormError as error:
        return _refuse(visit, form, sent, error, at=take.__name__, template=template)
    return RedirectResponse(f"/decisions/{sent.known.decision_id}?done={take.__name__}#done", 303)


def _refuse(
    visit: Visit, form: TheForm, sent: TheDecisionForm, error: FormError, **more: str
) -> Response:
    """Show a form again, with all that was typed and a sentence at each field at fault."""
    wrong = corrections(error.mistakes, visit.speech, names=LABELS)
    values: dict[str, Any] = {"kept": form, "wrong": wrong, **more}
    return render_page(visit, sent.service, sent.known.decision_id, status=422, **values)


def render_page(
    visit: Visit,
    service: Runtime,
    decision_id: str,
    *,
    status: int = 200,
    template: str = "decision.html",
    kept: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> Response:
    """Return a page about one decision; ``kept`` are the fields of a form as they are shown."""
    found = read_page(service, decision_id, visit.caller)
    post = str(found.seen["post"])
    with service.store.read() as snapshot:
        is_scanning = has_scanner(snapshot, post, service.network)
        finds = [] if found.filed is None else found.filed.seizures
        named = [one["seizure_id"] for one in finds]
        find_opened = find_part("opened_cases")
        opened = {} if find_opened is None else find_opened(snapshot, named)
    values: dict[str, Any] = {
        "found": found,
        "has_scanner": is_scanning,
        "opened": opened,
        "wrong": {},
        "kept": {name: list(values) for name, values in (kept or {}).items()},
        "at": "",
        "once": secrets.token_hex(12),
        "choices": CHOICES,
        "retell": MessageReader(speech_of(visit.request, post)),
        "pair": service.network.pair(post),
        "shapes": SHAPES,
        "kinds": KINDS,
        "named": name_of_linked,
        "listed": () if found.is_blind else list_named(found.crossing, found.declaration),
        "json_address": f"/v1/decisions/{decision_id}",
    }
    return visit.page(template, status=status, post=post, **(values | more))
