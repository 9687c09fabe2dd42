"""Health of the service: alive, ready or why not, and its metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.http.answers import Alive, Ready
from api.http.dependencies import CheckedRoute, TheService
from api.http.responses import answer
from api.service.metrics import exposition
from api.service.runtime import Runtime
from engine.domain.time_units import SECOND
from engine.errors import RiskError
from features.online.crossing_index import read_standing

router = APIRouter(tags=["health"], route_class=CheckedRoute)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=Alive)
async def alive() -> Response:
    """Say that the process answers."""
    return answer(Alive())


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "No decision can be recorded; says why."}},
)
def ready(service: TheService) -> Response:
    """Say whether decisions can be recorded, and by which model they are made."""
    found = assess(service)
    return answer(found, 200 if found.ready else 503)


def assess(service: Runtime) -> Ready:
    """Try to record, and return what readiness and metrics say of this process."""
    standing = service.watch.state
    scorer, challenger = standing.in_force.scorer, standing.in_force.challenger
    ahead, wrong = None, ""
    try:
        service.probe.run()
        with service.store.read() as connection:
            read_standing(connection, service.plan.digest)
            ahead = service.journal.reading(connection).ahead
    except RiskError as error:
        wrong = str(error)
    return Ready(
        ready=not wrong,
        store=wrong or "ok",
        mode=standing.in_force.mode,
        model_version=None if scorer is None else scorer.version,
        why=standing.why,
        challenger=None if challenger is None else challenger.scorer.version,
        trial_why=standing.trial_why,
        synthetic=service.network.synthetic,
        clock="unknown" if ahead is None else "held" if ahead else "ok",
        clock_ahead_seconds=(ahead or 0) / SECOND,
    )


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: TheService) -> Response:
    """Return the metrics of this process, and what waits at each post, for Prometheus."""
    seen = assess(service)
    service.metrics.show_readiness(
        is_ready=seen.ready,
        mode=seen.mode,
        is_trial_stopped=bool(seen.trial_why),
        ahead=seen.clock_ahead_seconds,
    )
    found = exposition(service.metrics, service.store, service.journal, service.posts)
    return Response(found, media_type=CONTENT_TYPE_LATEST)
