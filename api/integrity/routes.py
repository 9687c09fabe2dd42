"""What the integrity officer of a post reviews."""

from fastapi import Response

from api.http.guards import ReachedPost
from api.http.responses import answer, json_router
from api.integrity.reads import Days, TheService, report
from api.integrity.schemas import IntegrityReport

router = json_router("/v1/posts", "integrity", 404)


@router.get("/{post}/integrity", response_model=IntegrityReport)
def integrity(service: TheService, post: ReachedPost, days: Days = 30) -> Response:
    """Return pairs of officer and carrier, releases and overrides, against what chance gives."""
    return answer(report(service, post, days=days))
