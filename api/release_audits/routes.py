"""Audits of vehicles that were released on blue; their results are inspection acts."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.release_audits.reads import close_audit, open_audits
from api.release_audits.schemas import ClosedAudit, OpenAudits
from engine.domain.records import Identifier, PostCode
from engine.queue.release_audits import AuditClosure

router = json_router("/v1/audits", "audits", 404)
DecisionId = Annotated[Identifier, Path()]


@router.get("", response_model=OpenAudits)
def audits(
    caller: TheCaller, service: TheService, post: Annotated[PostCode | None, Query()] = None
) -> Response:
    """List the audits to do, the oldest first, 500 at most; the act of one ends it."""
    return answer({"audits": open_audits(service, caller, post)})


@router.post("/{decision_id}/closures", **creates(ClosedAudit, 409, 413, body=AuditClosure))
def close(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    decision_id: DecisionId,
    closure: Annotated[AuditClosure, Depends(body_of(AuditClosure))],
) -> Response:
    """Close an audit that will not be made, and say why."""
    return answer(close_audit(service, caller, decision_id, closure, key), 201)
