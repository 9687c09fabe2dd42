"""Quality of the data, as last assessed."""

from fastapi import Response

from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, document_problems, json_router
from api.quality.reads import read_quality
from api.quality.schemas import QualityAnswer

router = json_router("/v1/quality", "models")


@router.get("", response_model=QualityAnswer)
def quality(caller: TheCaller, service: TheService) -> Response:
    """Return the last assessment of the posts that the caller reaches."""
    return answer(read_quality(service, caller))


@router.post("/assessments", response_model=QualityAnswer, responses=document_problems(409))
def assess(caller: TheCaller, service: TheService) -> Response:
    """Assess the data now, in a process of its own, and return it; nothing is recorded."""
    service.assessments.run()
    return answer(read_quality(service, caller))
