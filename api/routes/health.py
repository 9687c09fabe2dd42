"""Whether the service is alive, whether it is ready and why not, and how it fares."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.answering import answer
from api.dependencies import RunningService
from engine.errors import RiskError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> Response:
    """Say that the process answers."""
    return answer({"alive": True})


@router.get("/readyz")
def ready(runtime: RunningService) -> Response:
    """Say whether decisions can be recorded, and by which model they are made."""
    standing = runtime.watch.standing
    scorer = standing.in_force.scorer
    body = {
        "ready": True,
        "store": "ok",
        "mode": standing.in_force.mode,
        "model_version": None if scorer is None else scorer.version,
        "why": standing.why,
        "synthetic": runtime.network.synthetic,
    }
    try:
        with runtime.store.read() as connection:
            runtime.journal.head(connection)
    except RiskError:
        return answer(body | {"ready": False, "store": "not available"}, 503)
    return answer(body)


@router.get("/metrics")
def metrics(runtime: RunningService) -> Response:
    """Return the metrics of this process for Prometheus."""
    return Response(generate_latest(runtime.metrics.registry), media_type=CONTENT_TYPE_LATEST)
