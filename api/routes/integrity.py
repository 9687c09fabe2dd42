"""What a post's integrity officer is to look at."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.answering import answer, said
from api.dependencies import RunningService, TheCaller
from api.integrity import report
from api.reading import check_path
from api.schemas_integrity import IntegrityReport
from engine.domain.records import PostCode

router = APIRouter(prefix="/v1/posts", tags=["integrity"], responses=said(401, 403, 404, 422, 503))

LONGEST = 92
"""Days that one report looks back at most."""


@router.get("/{post}/integrity", response_model=IntegrityReport)
def integrity(
    caller: TheCaller,
    runtime: RunningService,
    post: Annotated[PostCode, Path()],
    days: Annotated[int, Query(ge=1, le=LONGEST)] = 30,
) -> Response:
    """Return pairs of officer and carrier, releases and overrides, against what chance gives."""
    check_path(runtime, caller, post)
    return answer(report(runtime, post, days=days))
