"""What a shift found, and how sure one may be of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.answering import answer, said
from api.dependencies import RunningService, TheCaller
from api.reading import check_path
from api.schemas_shift import ShiftReport
from api.shift_report import report
from engine.domain.records import PostCode, Time
from engine.domain.time_units import micros

router = APIRouter(prefix="/v1/posts", tags=["shift"], responses=said(401, 403, 404, 422, 503))


@router.get("/{post}/shift", response_model=ShiftReport)
def shift(
    caller: TheCaller,
    runtime: RunningService,
    post: Annotated[PostCode, Path()],
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Return the report of the shift that a time falls into, by default the running one."""
    check_path(runtime, caller, post)
    return answer(report(runtime, post, runtime.now() if at is None else micros(at)))
