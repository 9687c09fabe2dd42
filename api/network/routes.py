"""Overview of all posts over HTTP."""

from fastapi import Response

from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.network.reads import overview
from api.network.schemas import NetworkOverview

router = json_router("/v1/network", "network")


@router.get("", response_model=NetworkOverview)
def network(caller: TheCaller, service: TheService) -> Response:
    """Return where all posts stand, and what eight weeks decided and found there."""
    return answer(overview(service, caller))
