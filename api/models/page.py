"""Models for people: which decides, what each is worth, who agreed, and the way back.

The report that ``darvoza evaluate`` wrote is a page from outside the service: it is served as a
document that may run nothing and load nothing, and the service's own page says the same.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse, RedirectResponse

from api.decisions.reason_verdicts import describe_verdicts
from api.http.dependencies import TheService
from api.models.answers import (
    MOST,
    Version,
    Versions,
    compare_models,
    list_models,
    read_model,
    read_papers,
    read_report,
)
from api.models.steps import ModelSteps
from api.service.runtime import Runtime
from api.web import charts
from api.web.forms import join_lines
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm, read_field
from engine.errors import MalformedBodyError, NotFoundError
from models.lifecycle.states import WEEKLY_TIMER
from models.statistics.intervals import FigureDifference

router = APIRouter(prefix="/models", route_class=PageRoute, include_in_schema=False)
REASONS = ("GET", "/v1/reasons")
ROLES = ("in_force", "challenger", "candidate", "shadow", "retired")
SEALED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a stored page may do: be looked at."""


async def steps_of(visit: TheVisit, service: TheService, _form: TheForm) -> ModelSteps:
    """Return what takes a step in the visitor's name."""
    return ModelSteps(service.home, service.store, visit.caller.person)


async def reason_of(form: TheForm) -> str:
    """Return the reason that a form gives; raises ``MalformedBodyError``."""
    if why := join_lines(read_field(form, "reason")):
        return why
    raise MalformedBodyError("a reason is owed")


VisitorsSteps = Annotated[ModelSteps, Depends(steps_of)]
TheReason = Annotated[str, Depends(reason_of)]


@router.get("")
def show_all(visit: TheVisit, service: TheService) -> Response:
    """Show every model by where it stands, and what decides."""
    found = list_models(service)
    may_count = visit.visitor.may(*REASONS)
    return visit.page(
        "models.html",
        json_address="/v1/models",
        found=found,
        proposed=[
            one
            for one in found.models
            if (one.trained_by, one.role) == (WEEKLY_TIMER, "shadow") and not one.against
        ],
        by_role={r: [one for one in found.models if one.role == r] for r in ROLES},
        papers={one.version: read_papers(service.home, one.version)[0] for one in found.models},
        judged=describe_verdicts(service, visit.caller.enter(*REASONS)) if may_count else None,
        most=MOST,
        retell=MessageReader(visit.speech),
    )


@router.get("/comparison")
def compare(visit: TheVisit, service: TheService, version: Versions) -> Response:
    """Show the reports of some models side by side."""
    found = compare_models(service, version)
    address = "/v1/models/comparison?"
    address += "&".join(f"version={one.version}" for one in found.models)
    targets = ("discrepancy", "seizure")
    return visit.page(
        "comparison.html",
        json_address=address,
        models=found.models,
        targets=targets,
        differences=found.differences,
        conclusions={target: _conclude(one) for target, one in found.differences.items()},
    )


@router.post("/rules-only")
def rules_only(steps: VisitorsSteps, reason: TheReason) -> Response:
    """Take the model out of force; one person is enough."""
    steps.withdraw(reason)
    return RedirectResponse("/models?done=withdrawn", 303)


@router.post("/rollback")
def roll_back(steps: VisitorsSteps, reason: TheReason) -> Response:
    """Put the model before the present one back into force; two approved it once."""
    steps.roll_back(reason)
    return RedirectResponse("/models?done=back", 303)


@router.post("/end-trial")
def end_trial(steps: VisitorsSteps, reason: TheReason) -> Response:
    """Take the model on trial off it; one person is enough."""
    steps.end_trial(reason)
    return RedirectResponse("/models?done=ended", 303)


@router.get("/{version}")
def show(visit: TheVisit, service: TheService, version: Version) -> Response:
    """Show one model: its card, what stands against it, its shadow, and who did what."""
    return visit.page(
        "model.html",
        json_address=f"/v1/models/{version}",
        found=read_model(service, version),
        papers=read_papers(service.home, version)[0],
        has_page=_read_report_page(service, version).is_file(),
        retell=MessageReader(visit.speech),
    )


@router.get("/{version}/report")
def show_report(visit: TheVisit, service: TheService, version: Version) -> Response:
    """Show the stored report with its plots."""
    found = read_report(service, version)
    targets = found.get("targets", {})
    return visit.page(
        "report.html",
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
def show_stored_report(_visit: TheVisit, service: TheService, version: Version) -> Response:
    """Hand out the page that ``darvoza evaluate`` wrote, sealed."""
    read_report(service, version)  # it is a model of ours
    kept = _read_report_page(service, version)
    if not kept.is_file():
        raise NotFoundError("report", version)
    return FileResponse(kept, media_type="text/html", headers={"Content-Security-Policy": SEALED})


@router.post("/{version}/approvals")
def approve(steps: VisitorsSteps, version: Version) -> Response:
    """Approve a model; the second person puts it into force."""
    steps.approve(version)
    return RedirectResponse(f"/models/{version}?done=approved", 303)


@router.post("/{version}/challenges")
def challenge(steps: VisitorsSteps, version: Version) -> Response:
    """Approve a trial; the second person puts the model on trial."""
    steps.approve(version, is_trial=True)
    return RedirectResponse(f"/models/{version}?done=challenged", 303)


@router.post("/{version}/shadow")
def shadow(steps: VisitorsSteps, version: Version) -> Response:
    """Let a candidate score in the shadow."""
    steps.shadow(version)
    return RedirectResponse(f"/models/{version}?done=shadowed", 303)


def _conclude(views: Mapping[str, Mapping[str, FigureDifference]]) -> dict[str, Any]:
    """Return what can be concluded of two models: by random checks, else by weighted draws."""
    every = [
        asdict(views[view]["hit_rate_at_capacity"]) | {"view": view}
        for view in ("random_stream", "inverse_propensity")
    ]
    return next((one for one in every if one["conclusion"] != "not_knowable"), every[0])


def _read_report_page(service: Runtime, version: str) -> Path:
    return service.home.reports / version / "report.html"


def _curve(views: Any) -> dict[str, str] | None:
    """Return the finds caught against the share inspected, of random checks where they can tell."""
    known = {"random_stream": views["random_curve"], "inspected": views["inspected"]["curve"]}
    for view, curve in known.items():
        if curve["knowable"]:
            ends = ("caught", "low", "high")
            lines = {name: charts.trace_line(curve["capacity"], curve[name]) for name in ends}
            return lines | {"view": view}
    return None
