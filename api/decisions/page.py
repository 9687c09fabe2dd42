"""One decision: a page with what is known, and the forms for a verdict, an act and a release.

A form that is refused comes back on its own page, with all that was typed and a sentence at each
field that needs a correction. An act with numbers is shown as it was read before it is recorded.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api.decisions.link_graph import KINDS, name_of_linked
from api.decisions.page_data import read_page
from api.decisions.page_forms import OutcomeService, read_act, release, report, review
from api.decisions.timeline import SHAPES
from api.http.dependencies import running_service
from api.web.field_errors import corrections
from api.web.form_fields import FormError
from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES
from api.web.messages import MessageReader
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.visitor import TOKEN, Form, TheForm, TheVisitor, Visitor, read_field

TheService = Annotated[OutcomeService, Depends(running_service)]

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
Step = Callable[[OutcomeService, Visitor, str, Form, ReaderLocale], None]


@router.get("/{decision_id}")
async def show(
    request: Request, service: TheService, visitor: TheVisitor, decision_id: str
) -> Response:
    """Show a decision as this visitor may see it."""
    return await _page(request, visitor, decision_id)


@router.post("/{decision_id}/reviews")
async def send_review(
    request: Request, visitor: TheVisitor, form: TheForm, decision_id: str
) -> Response:
    """Record a verdict."""
    return await _step(request, visitor, decision_id, form, take=review)


@router.post("/{decision_id}/acts")
async def send_act(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    form: TheForm,
    decision_id: str,
) -> Response:
    """File an inspection act with what was seized; one with numbers is shown as read first."""
    step, speech = read_field(form, STEP), speech_of(request)
    if step == "change":
        return await _page(request, visitor, decision_id, kept=form, at=report.__name__)
    if step != "confirm":
        try:
            found = await asyncio.to_thread(read_act, service, visitor, decision_id, form, speech)
        except FormError as error:
            return await _refuse(request, visitor, decision_id, form, error, at=report.__name__)
        if found.has_numbers:
            values: dict[str, Any] = {"read": found, "sent": _repeat_fields(form)}
            return await _page(request, visitor, decision_id, template="act.html", **values)
    return await _step(request, visitor, decision_id, form, take=report)


@router.get("/{decision_id}/release")
async def ask_release(request: Request, visitor: TheVisitor, decision_id: str) -> Response:
    """Ask why a vehicle leaves without inspection, before that is recorded."""
    return await _page(request, visitor, decision_id, template="release.html")


@router.post("/{decision_id}/release")
async def send_release(
    request: Request, visitor: TheVisitor, form: TheForm, decision_id: str
) -> Response:
    """Record that the vehicle has left without inspection, and why."""
    return await _step(request, visitor, decision_id, form, take=release, template="release.html")


def _repeat_fields(form: Form) -> list[tuple[str, str]]:
    """Return the fields of a form as it was sent, to be sent again when it is confirmed."""
    return [(name, one) for name, every in form.items() if name != TOKEN for one in every]


async def _step(
    request: Request,
    visitor: Visitor,
    decision_id: str,
    form: Form,
    *,
    take: Step,
    template: str = "decision.html",
) -> Response:
    """Take a step, or show its form again with what needs a correction."""
    service: OutcomeService = request.app.state.runtime
    speech = speech_of(request)
    try:
        await asyncio.to_thread(take, service, visitor, decision_id, form, speech)
    except FormError as error:
        at = take.__name__
        return await _refuse(
            request, visitor, decision_id, form, error, at=at, template=template
        )  # fmt: skip
    return RedirectResponse(f"/decisions/{decision_id}?done={take.__name__}#done", 303)


async def _refuse(
    request: Request,
    visitor: Visitor,
    decision_id: str,
    form: Form,
    error: FormError,
    *,
    at: str,
    template: str = "decision.html",
) -> Response:
    """Show a form again, with all that was typed and a sentence at each field at fault."""
    wrong = corrections(error.mistakes, speech_of(request), names=LABELS)
    values: dict[str, Any] = {"kept": form, "at": at, "wrong": wrong}
    return await _page(request, visitor, decision_id, status=422, template=template, **values)


async def _page(
    request: Request,
    visitor: Visitor,
    decision_id: str,
    *,
    status: int = 200,
    template: str = "decision.html",
    kept: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> Response:
    service: OutcomeService = request.app.state.runtime
    found = await asyncio.to_thread(read_page, service, decision_id, visitor.caller)
    post = str(found.seen["post"])
    values: dict[str, Any] = {
        "found": found,
        "wrong": {},
        "kept": {name: list(values) for name, values in (kept or {}).items()},
        "at": "",
        "done": request.query_params.get("done", ""),
        "once": secrets.token_hex(12),
        "choices": CHOICES,
        "retell": MessageReader(speech_of(request)),
        "pair": service.network.pair(post),
        "shapes": SHAPES,
        "kinds": KINDS,
        "named": name_of_linked,
        "json_address": f"/v1/decisions/{decision_id}",
    }
    return page(request, template, status=status, visitor=visitor, post=post, **(values | more))
