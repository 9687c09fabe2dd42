"""Integrity report of a post, for its integrity officer."""

from typing import Annotated

from fastapi import Query, Response

from api.http.dependencies import TheCaller, TheService
from api.http.guards import ReachedPost
from api.http.responses import answer, json_router
from api.integrity.reads import Days, report
from api.integrity.schemas import IntegrityReport
from engine.domain.records import Code

router = json_router("/v1/posts", "integrity", 404)


@router.get("/{post}/integrity", response_model=IntegrityReport)
def integrity(
    caller: TheCaller,
    service: TheService,
    post: ReachedPost,
    days: Days = 30,
    agency: Annotated[Code | None, Query()] = None,
) -> Response:
    """Return pairs of officer and carrier, releases and overrides, against what chance gives."""
    return answer(report(service, post, caller, days=days, agency=agency))
