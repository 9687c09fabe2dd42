"""Queue of a post."""

from fastapi import Response

from api.decisions.reads import TheReading
from api.http.guards import ReachedPost
from api.http.responses import answer, json_router
from api.queue.schemas import Queue

router = json_router("/v1/posts", "queue", 404)


@router.get("/{post}/queue", response_model=Queue)
def queue(reading: TheReading, post: ReachedPost) -> Response:
    """Return the waiting vehicles in the order of the search."""
    return answer(reading.queue(post))
