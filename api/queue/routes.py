"""What waits at a post."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from api.decisions.reads import DecisionReader, DecisionService
from api.http.dependencies import TheCaller, running_service
from api.http.guards import check_path
from api.http.responses import answer, document_problems
from api.queue.schemas import Queue
from engine.domain.records import PostCode

TheService = Annotated[DecisionService, Depends(running_service)]

router = APIRouter(
    prefix="/v1/posts", tags=["queue"], responses=document_problems(401, 403, 404, 422, 503)
)


@router.get("/{post}/queue", response_model=Queue)
def queue(caller: TheCaller, service: TheService, post: Annotated[PostCode, Path()]) -> Response:
    """Return the waiting vehicles in the order of the search."""
    check_path(service.network, caller, post)
    return answer(DecisionReader(service).queue(post, caller))
