"""What waits at a post."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.decisions.reads import DecisionReader
from api.http.dependencies import RunningService, TheCaller
from api.http.guards import check_path
from api.http.responses import answer, document_problems
from api.queue.schemas import Queue
from engine.domain.records import PostCode

router = APIRouter(
    prefix="/v1/posts", tags=["queue"], responses=document_problems(401, 403, 404, 422, 503)
)


@router.get("/{post}/queue", response_model=Queue)
def queue(
    caller: TheCaller, runtime: RunningService, post: Annotated[PostCode, Path()]
) -> Response:
    """Return the waiting vehicles in the order of the search."""
    check_path(runtime, caller, post)
    return answer(DecisionReader(runtime).queue(post, caller))
