"""The page of an act's correction: its form, shown as it was read before it is recorded."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.corrections.form import TheCorrectionForm, list_stated
from api.decisions.page import LABELS, STEP, render_page, repeat_fields
from api.decisions.page_data import read_page
from api.http.dependencies import TheService
from api.web.field_errors import corrections
from api.web.form_fields import FormError
from api.web.page_route import PageRoute, TheVisit
from api.web.templates_env import speech_of
from api.web.visitor import TheForm
from engine.errors import NotFoundError

router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)
FORM = "correction.html"


@router.get("/{decision_id}/correction")
def ask_correction(visit: TheVisit, service: TheService, decision_id: str) -> Response:
    """Show an act's form with what is stated now, to be stated again."""
    found = read_page(service, decision_id, visit.caller)
    if found.act is None:
        raise NotFoundError("inspection", "")
    kept = list_stated(found, speech_of(visit.request, str(found.seen["post"])))
    return render_page(visit, service, decision_id, template=FORM, kept=kept)


@router.post("/{decision_id}/correction")
def send_correction(visit: TheVisit, form: TheForm, sent: TheCorrectionForm) -> Response:
    """Record a correction; it is shown as read first."""
    step, decision_id = sent.reader.text(STEP), str(sent.found.seen["decision_id"])
    service = sent.service
    if step == "change":
        return render_page(visit, service, decision_id, kept=form, template=FORM)
    try:
        if step != "confirm":
            values: dict[str, Any] = {"read": sent.read(), "sent": repeat_fields(form)}
            return render_page(visit, service, decision_id, template="act.html", **values)
        sent.correct()
    except FormError as error:
        wrong = corrections(error.mistakes, visit.speech, names=LABELS)
        again: dict[str, Any] = {"kept": form, "wrong": wrong, "template": FORM}
        return render_page(visit, service, decision_id, status=422, **again)
    return RedirectResponse(f"/decisions/{decision_id}?done=correct#done", 303)
