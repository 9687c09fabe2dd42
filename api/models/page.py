"""Models for people: which decides, what each is worth, who agreed, and the way back.

The report that ``darvoza evaluate`` wrote is a page from outside the service: it is served as a
document that may run nothing and load nothing, and the service's own page says the same.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from api.http.dependencies import running_service
from api.models.lifecycle import (
    approve_model,
    rolled_back,
    shadow_model,
    trial_ended,
    withdraw_model,
)
from api.models.reads import MOST, ModelReader, ModelService
from api.web import charts
from api.web.form_fields import join_lines
from api.web.messages import MessageReader
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.visitor import TheForm, TheVisitor, read_field
from engine.domain.records import Identifier
from engine.errors import MalformedBodyError, NotFoundError

TheService = Annotated[ModelService, Depends(running_service)]

router = APIRouter(prefix="/models", route_class=PageRoute, include_in_schema=False)
Version = Annotated[Identifier, Path()]
ROLES = ("in_force", "challenger", "candidate", "shadow", "retired")
SEALED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a stored page may do: be looked at."""


@router.get("")
async def show_all(request: Request, service: TheService, visitor: TheVisitor) -> Response:
    """Show every model by where it stands, and what decides."""
    reading = ModelReader(service)
    found = await asyncio.to_thread(reading.list_models)
    versions = [one["version"] for one in found["models"]]
    papers = await asyncio.to_thread(lambda: {v: reading.papers(v)[0] for v in versions})
    return page(
        request,
        "models.html",
        visitor=visitor,
        json_address="/v1/models",
        found=found,
        by_role={r: [one for one in found["models"] if one["role"] == r] for r in ROLES},
        papers=papers,
        most=MOST,
        retell=MessageReader(speech_of(request)),
        done=request.query_params.get("done", ""),
    )


@router.get("/comparison")
async def compare(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    version: Annotated[list[Identifier], Query(min_length=1, max_length=MOST)],
) -> Response:
    """Show the reports of some models side by side."""
    found = await asyncio.to_thread(ModelReader(service).comparison, version)
    query = "&".join(f"version={one['version']}" for one in found["models"])
    return page(
        request,
        "comparison.html",
        visitor=visitor,
        json_address=f"/v1/models/comparison?{query}",
        models=found["models"],
        targets=("discrepancy", "seizure"),
    )


@router.post("/rules-only")
async def rules_only(service: TheService, visitor: TheVisitor, form: TheForm) -> Response:
    """Take the model out of force; one person is enough."""
    return await _take(
        visitor, "/models?done=withdrawn", withdraw_model, service.store, why=_reason(form)
    )


@router.post("/rollback")
async def roll_back(service: TheService, visitor: TheVisitor, form: TheForm) -> Response:
    """Put the model before the present one back into force; two approved it once."""
    why = _reason(form)
    return await _take(
        visitor, "/models?done=back", rolled_back, service.home, service.store, why=why
    )


@router.post("/end-trial")
async def end_trial(service: TheService, visitor: TheVisitor, form: TheForm) -> Response:
    """Take the model on trial off it; one person is enough."""
    return await _take(visitor, "/models?done=ended", trial_ended, service.store, why=_reason(form))


@router.get("/{version}")
async def show(
    request: Request, service: TheService, visitor: TheVisitor, version: Version
) -> Response:
    """Show one model: its card, what stands against it, its shadow, and who did what."""
    reading = ModelReader(service)
    found = await asyncio.to_thread(reading.read_model, version)
    papers, _ = await asyncio.to_thread(reading.papers, version)
    return page(
        request,
        "model.html",
        visitor=visitor,
        json_address=f"/v1/models/{version}",
        found=found,
        papers=papers,
        has_page=_read_report_page(service, version).is_file(),
        retell=MessageReader(speech_of(request)),
        done=request.query_params.get("done", ""),
    )


@router.get("/{version}/report")
async def show_report(
    request: Request, service: TheService, visitor: TheVisitor, version: Version
) -> Response:
    """Show the stored report with its plots."""
    found = await asyncio.to_thread(ModelReader(service).report, version)
    targets = found.get("targets", {})
    return page(
        request,
        "report.html",
        visitor=visitor,
        json_address=f"/v1/models/{version}/report",
        version=version,
        report=found,
        curves={name: _curve(one) for name, one in targets.items()},
        dots={name: charts.dots(one["inspected"]["reliability"]) for name, one in targets.items()},
        side=charts.SIDE,
        ticks=[(share, charts.stretch_share(share)) for share in (0.01, 0.05, 0.2, 0.5, 1.0)],
        has_page=_read_report_page(service, version).is_file(),
    )


@router.get("/{version}/report.html")
async def show_stored_report(
    service: TheService, _visitor: TheVisitor, version: Version
) -> Response:
    """Hand out the page that ``darvoza evaluate`` wrote, sealed."""
    await asyncio.to_thread(ModelReader(service).report, version)  # it is a model of ours
    kept = _read_report_page(service, version)
    if not kept.is_file():
        raise NotFoundError("report", version)
    return FileResponse(kept, media_type="text/html", headers={"Content-Security-Policy": SEALED})


@router.post("/{version}/approvals")
async def approve(
    service: TheService, visitor: TheVisitor, _form: TheForm, version: Version
) -> Response:
    """Approve a model; the second person puts it into force."""
    return await _take(
        visitor,
        f"/models/{version}?done=approved",
        approve_model,
        service.home,
        service.store,
        version,
    )


@router.post("/{version}/challenges")
async def challenge(
    service: TheService, visitor: TheVisitor, _form: TheForm, version: Version
) -> Response:
    """Approve a trial; the second person puts the model on trial."""
    return await _take(
        visitor,
        f"/models/{version}?done=challenged",
        approve_model,
        service.home,
        service.store,
        version,
        is_trial=True,
    )


@router.post("/{version}/shadow")
async def shadow(
    service: TheService, visitor: TheVisitor, _form: TheForm, version: Version
) -> Response:
    """Let a candidate score in the shadow."""
    return await _take(
        visitor,
        f"/models/{version}?done=shadowed",
        shadow_model,
        service.home,
        service.store,
        version,
    )


async def _take(
    visitor: TheVisitor, done: str, step: Callable[..., object], *given: object, **more: object
) -> Response:
    """Take a step in the visitor's name, then return to the page at ``done``."""
    caller = visitor.caller
    await asyncio.to_thread(step, *given, by=caller.person, role=caller.role, **more)
    return RedirectResponse(done, 303)


def _reason(form: TheForm) -> str:
    if why := join_lines(read_field(form, "reason")):
        return why
    raise MalformedBodyError("a reason is owed")


def _read_report_page(service: ModelService, version: str) -> Any:
    return service.home.reports / version / "report.html"


def _curve(views: Any) -> dict[str, str] | None:
    """Return the finds caught against the share inspected, of random checks where they can tell."""
    known = {"random_stream": views["random_curve"], "inspected": views["inspected"]["curve"]}
    for view, curve in known.items():
        if curve.get("knowable"):
            ends = ("caught", "low", "high")
            lines = {name: charts.trace_line(curve["capacity"], curve[name]) for name in ends}
            return lines | {"view": view}
    return None
