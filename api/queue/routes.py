"""What waits at a post."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.decisions.reads import DecisionReader, DecisionService
from api.http.dependencies import TheCaller, running_service
from api.http.guards import ReachedPost
from api.http.responses import answer, document_problems
from api.queue.schemas import Queue

TheService = Annotated[DecisionService, Depends(running_service)]

router = APIRouter(
    prefix="/v1/posts", tags=["queue"], responses=document_problems(401, 403, 404, 422, 503)
)


@router.get("/{post}/queue", response_model=Queue)
def queue(caller: TheCaller, service: TheService, post: ReachedPost) -> Response:
    """Return the waiting vehicles in the order of the search."""
    return answer(DecisionReader(service).queue(post, caller))
