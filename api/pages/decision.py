"""One decision: a page with what is known, a form for a verdict, one for the inspection act."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from api.dependencies import RunningService
from api.pages.acting import release, report, review
from api.pages.deciding import shown
from api.pages.labels import (
    METHODS,
    OUTCOMES,
    PLACES,
    REVIEW_CODES,
    SUBSTANCES,
)
from api.pages.linked import KINDS, named
from api.pages.rendering import page, speech_of
from api.pages.routing import PageRoute
from api.pages.timeline import SHAPES
from api.pages.visits import Form, TheForm, TheVisitor, Visitor
from api.pages.wording import Retelling
from api.runtime import Runtime
from engine.validation import faults

router = APIRouter(prefix="/decisions", route_class=PageRoute, include_in_schema=False)

CHOICES = {
    "methods": tuple(METHODS),
    "outcomes": tuple(OUTCOMES),
    "substances": tuple(SUBSTANCES),
    "reasons": tuple(REVIEW_CODES),
    "places": tuple(PLACES),
}
"""What the forms offer."""
Step = Callable[[Runtime, Visitor, str, Form], None]


@router.get("/{decision_id}")
async def show(
    request: Request, runtime: RunningService, visitor: TheVisitor, decision_id: str
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
    request: Request, visitor: TheVisitor, form: TheForm, decision_id: str
) -> Response:
    """File an inspection act, with what was seized."""
    return await _step(request, visitor, decision_id, form, take=report)


@router.post("/{decision_id}/release")
async def send_release(
    request: Request, visitor: TheVisitor, form: TheForm, decision_id: str
) -> Response:
    """Record that the vehicle has left."""
    return await _step(request, visitor, decision_id, form, take=release)


async def _step(
    request: Request, visitor: Visitor, decision_id: str, form: Form, *, take: Step
) -> Response:
    """Take a step; what a form got wrong is said on its page, with what was typed kept."""
    runtime: Runtime = request.app.state.runtime
    try:
        await asyncio.to_thread(take, runtime, visitor, decision_id, form)
    except ValidationError as error:
        wrong = [".".join(map(str, where)) or rule for where, rule, _ in faults(error)]
        kept = {name: list(values) for name, values in form.items()}
        return await _page(
            request, visitor, decision_id, status=422, wrong=wrong, kept=kept, at=take.__name__
        )
    return RedirectResponse(f"/decisions/{decision_id}?done={take.__name__}#done", 303)


async def _page(
    request: Request,
    visitor: Visitor,
    decision_id: str,
    *,
    status: int = 200,
    wrong: Sequence[str] = (),
    kept: Mapping[str, Sequence[str]] | None = None,
    at: str = "",
) -> Response:
    runtime: Runtime = request.app.state.runtime
    found = await asyncio.to_thread(shown, runtime, decision_id, visitor.caller)
    post = str(found.seen["post"])
    values: dict[str, Any] = {
        "found": found,
        "wrong": sorted(set(wrong)),
        "kept": kept or {},
        "at": at,
        "done": request.query_params.get("done", ""),
        "once": secrets.token_hex(12),
        "choices": CHOICES,
        "retell": Retelling(speech_of(request)),
        "pair": runtime.network.pair(post),
        "shapes": SHAPES,
        "kinds": KINDS,
        "named": named,
    }
    twin = f"/v1/decisions/{decision_id}"
    return page(
        request, "decision.html", status=status, visitor=visitor, post=post, twin=twin, **values
    )
