"""What the integrity officer of a post reviews."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from api.http.dependencies import TheCaller, running_service
from api.http.guards import check_path
from api.http.responses import answer, document_problems
from api.integrity.reads import IntegrityService, report
from api.integrity.schemas import IntegrityReport
from engine.domain.records import PostCode

TheService = Annotated[IntegrityService, Depends(running_service)]

router = APIRouter(
    prefix="/v1/posts", tags=["integrity"], responses=document_problems(401, 403, 404, 422, 503)
)


LONGEST_DAYS = 92
"""Days that one report looks back at most."""


@router.get("/{post}/integrity", response_model=IntegrityReport)
def integrity(
    caller: TheCaller,
    service: TheService,
    post: Annotated[PostCode, Path()],
    days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)] = 30,
) -> Response:
    """Return pairs of officer and carrier, releases and overrides, against what chance gives."""
    check_path(service.network, caller, post)
    return answer(report(service, post, days=days))
