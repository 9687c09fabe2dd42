"""Pages of jobs: what runs and ran, a form for each sort, and one job with its log."""

import secrets
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.analysis.folders import KEPT_DAYS
from api.analysis.jobs import (
    LARGEST,
    LOAD,
    JobRequest,
    LoadProposal,
    cancel_job,
    describe_detail,
    find_job,
    list_file_formats,
    list_jobs,
    receive_file,
    start_job,
)
from api.analysis.routes import JobId
from api.files.form import MOST_TEXT, open_form
from api.http.dependencies import TheService
from api.proposals.desk import ProposalDesk
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, TheReader
from api.web.i18n import N_
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.domain.rights import Right
from engine.domain.time_units import moment
from engine.errors import BodyTooLargeError, ConflictError, RecordError

router = APIRouter(prefix="/jobs", route_class=PageRoute, include_in_schema=False)
_LONGEST = LARGEST + MOST_TEXT + 4096
_NAMES = {
    "archive": N_("File"),
    "what": N_("Job"),
    "file": N_("Checked file"),
    "train_until": N_("Learn from what was known before"),
    "test_from": N_("Judge on arrivals from"),
}


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the last jobs, and what can be started."""
    return _page(visit, service)


@router.post("")
def start(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Start a training or an evaluation."""
    values: dict[str, Any] = reader.texts("what", "file")
    if values.get("what") == "evaluate":
        values |= {name: reader.day(name) for name in ("train_until", "test_from")}
    try:
        asked = reader.finish(reader.record(JobRequest, values))
        started = start_job(service, visit.caller, asked, key=reader.once())
    except FormError as error:
        return _page(visit, service, kept=form, wrong=error.mistakes)
    except ConflictError:
        return _page(visit, service, kept=form, wrong=[FieldMistake("what", "under_way")])
    return RedirectResponse(f"/jobs/{started.id}", 303)


@router.post("/files")
async def check(visit: TheVisit, service: TheService) -> Response:
    """Take the archive of a form, and start its check."""
    form, fields = await open_form(visit.request, service, limit=_LONGEST)
    layout = read_field(fields, "format")
    names = {one.name for one in list_file_formats(service) if not one.rule}
    rule = "not_offered" if layout not in names else ""
    if not rule:
        try:
            started = await receive_file(service, visit.caller, form.content(), layout)
            return RedirectResponse(f"/jobs/{started.id}", 303)
        except RecordError as error:
            rule = f"archive_{error.rule}"
        except BodyTooLargeError:
            rule = "archive_too_large"
        except ConflictError:
            rule = "under_way"
        await form.drain()
    wrong = [FieldMistake("archive", rule)]
    return await run_in_threadpool(_page, visit, service, kept=fields, wrong=wrong)


@router.post("/{job_id}/loads")
def propose_load(visit: TheVisit, service: TheService, form: TheForm, job_id: JobId) -> Response:
    """Propose to load the file that a job checked."""
    desk = ProposalDesk(service, visit.caller, read_field(form, "once"))
    desk.propose(LOAD, LoadProposal(file=job_id))
    return RedirectResponse("/jobs?done=proposed#loads", 303)


@router.get("/{job_id}")
def show_one(visit: TheVisit, service: TheService, job_id: JobId) -> Response:
    """Show one job with its progress, its log and what it found."""
    return visit.page(
        "job.html",
        json_address=f"/v1/jobs/{job_id}",
        job=describe_detail(service, find_job(service, visit.caller, job_id)),
        once=secrets.token_hex(12),
    )


@router.post("/{job_id}/ends")
def cancel(visit: TheVisit, service: TheService, _form: TheForm, job_id: JobId) -> Response:
    """Let a job end."""
    cancel_job(service, visit.caller, job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form | None = None,
    wrong: Sequence[FieldMistake] = (),
) -> Response:
    answer = list_jobs(service, visit.caller)
    found = answer.jobs
    proposals = ProposalDesk(service, visit.caller).list()
    return visit.form_page(
        "jobs.html",
        json_address="/v1/jobs",
        jobs=found,
        checked=[
            one
            for one in found
            if one.what == "check"
            and one.has_input
            and one.result
            and one.options["format"] == "contract"
        ],
        waiting=[
            (one.state, moment(one.state.proposed_at))
            for one in proposals
            if one.matter is LOAD and one.waits
        ],
        may_approve=visit.caller.permits(LOAD.rule(Right.APPROVE)),
        formats=[one.name for one in answer.formats if not one.rule],
        added=[one for one in answer.formats if one.package],
        days=KEPT_DAYS,
        linkless=("once", "", "what"),
        kept=kept or {},
        wrong=wrong,
        field_names=_NAMES,
    )
