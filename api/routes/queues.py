"""What waits at a post."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.answering import answer, said
from api.dependencies import RunningService, TheCaller
from api.reading import Reading, check_path
from api.schemas import Queue
from engine.domain.records import PostCode

router = APIRouter(prefix="/v1/posts", tags=["queue"], responses=said(401, 403, 404, 422, 503))


@router.get("/{post}/queue", response_model=Queue)
def queue(
    caller: TheCaller, runtime: RunningService, post: Annotated[PostCode, Path()]
) -> Response:
    """Return the waiting vehicles in the order of the search."""
    check_path(runtime, caller, post)
    return answer(Reading(runtime).queue(post, caller))
