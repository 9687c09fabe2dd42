"""Jobs over HTTP: what runs and ran, files that are checked, trainings and evaluations."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse

from api.analysis.jobs import (
    LARGEST,
    MOST,
    Format,
    JobDetail,
    JobRequest,
    Jobs,
    JobView,
    cancel_job,
    describe_detail,
    find_job,
    find_result,
    list_jobs,
    receive_file,
    start_job,
)
from api.auth.callers import Caller
from api.http.answers import Acknowledged
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of, stream_bounded
from api.http.responses import answer, creates, document_problems, json_router
from api.notifications.answers import NotificationView
from api.service.runtime import Runtime
from engine.analysis.jobs import read_jobs
from engine.domain.field_types import Identifier
from engine.domain.time_units import DAY, rfc3339

router = json_router("/v1/jobs", "analysis", 404)
JobId = Annotated[Identifier, Path()]
BYTES = "application/octet-stream"
SEALED = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_ARCHIVE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {BYTES: {"schema": {"type": "string", "format": "binary"}}},
        "description": "A ZIP archive of the files of one bulk folder, 256 MB at most.",
    }
}
_HANDED_OUT: dict[int | str, dict[str, Any]] = {
    200: {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("", response_model=Jobs)
def jobs(caller: TheCaller, service: TheService) -> Response:
    """List the last jobs, the newest first."""
    return answer(list_jobs(service, caller))


@router.post("", **creates(Acknowledged, 409, 413, body=JobRequest))
def start(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    asked: Annotated[JobRequest, Depends(body_of(JobRequest))],
) -> Response:
    """Start a training, or an evaluation on a file that was checked."""
    return answer(start_job(service, caller, asked, key=key), 201)


@router.post("/files", **creates(Acknowledged, 409, 413) | {"openapi_extra": _ARCHIVE})
async def check(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    layout: Annotated[Format, Query(alias="format")] = "contract",
) -> Response:
    """Send a file, and start its check: the body is the archive. Nothing is loaded."""
    pieces = stream_bounded(request, LARGEST)
    return answer(await receive_file(service, caller, pieces, layout, key=key), 201)


@router.get("/{job_id}", response_model=JobDetail)
def job(caller: TheCaller, service: TheService, job_id: JobId) -> Response:
    """Return a job with its progress, its log and what it found."""
    return answer(describe_detail(service, find_job(service, caller, job_id)))


@router.delete("/{job_id}", response_model=JobView, responses=document_problems(409))
def cancel(caller: TheCaller, service: TheService, job_id: JobId) -> Response:
    """Let a job end; what it has recorded stays."""
    return answer(cancel_job(service, caller, job_id))


@router.get(
    "/{job_id}/files/{name}",
    response_class=Response,
    responses=_HANDED_OUT | document_problems(404),
)
def result(
    caller: TheCaller,
    service: TheService,
    job_id: JobId,
    name: Annotated[str, Path(pattern=r"^[a-z]{1,32}\.(csv|json)$")],
) -> Response:
    """Return a file that a job left: the faults of a check, the report and scores of a test."""
    path = find_result(service, caller, job_id, name)
    return FileResponse(path, media_type=BYTES, filename=f"{job_id}-{name}", headers=SEALED)


def list_ended(service: Runtime, caller: Caller) -> list[NotificationView]:
    """Return the jobs of a caller that ended within a day."""
    if not caller.may("GET", "/v1/jobs/{job_id}") or caller.post is not None:
        return []
    with service.store.read() as connection:
        now, found = service.journal.now(connection), read_jobs(connection, most=MOST)
    return [
        NotificationView(kind="job_ended", about=one.sort, id=one.name, at=rfc3339(one.ended_at))
        for one in found
        if one.by == caller.person and one.ended_at is not None and one.ended_at > now - DAY
    ]
