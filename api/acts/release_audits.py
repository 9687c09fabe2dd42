"""Audits of vehicles that were released on blue: those to do, and their closing.

The results of an audit are inspection acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.decisions.readers import read_duties
from api.http.access import check_path
from api.http.answers import Acknowledged, Answer, Time, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.web.forms import TheReader
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit
from engine.domain.field_types import Identifier, PostCode
from engine.domain.time_units import DAY, rfc3339
from engine.errors import NotFoundError
from engine.journal.idempotency import claim
from engine.journal.journal import JournalReader
from engine.journal.kinds import AUDIT_CLOSED
from engine.queue.expected_duty import ExpectedDuty, UsualDuties
from engine.queue.queue import read_decision
from engine.queue.release_audits import (
    AuditClosure,
    closure_name,
    draft_closure,
    list_open_audits,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAuditView(Answer):
    """A vehicle that was released with audit afterwards, and has no act yet."""

    decision_id: str
    crossing_id: str
    post: str
    vehicle_class: str
    profiles: list[str]
    """Codes of the profiles that selected it."""
    decided_at: Time
    age_days: int
    """Whole days since the decision."""
    expected_duty: ExpectedDuty | None
    """As far as acts taught it; it orders nothing."""


@dataclass(frozen=True, slots=True)
class OpenAudits(Answer):
    """The audits to do, the oldest first."""

    tables = ("audits",)
    audits: list[OpenAuditView]


MOST = 500
"""Audits in one answer, the oldest: none is hidden by those that follow."""


def open_audits(service: Runtime, caller: Caller, post: str | None) -> list[OpenAuditView]:
    """Return the audits to do at a post, or at all that the caller reaches."""
    if post is not None:
        check_path(service.network, caller, post)
    with service.store.read() as snapshot:
        now, asked = service.journal.now(snapshot), post or caller.post
        found = list_open_audits(snapshot, asked, hidden=caller.hidden_posts, most=MOST)
        bodies = JournalReader(snapshot).bodies([one.seq for one in found])
        duties = read_duties(snapshot, caller)
    return [
        OpenAuditView(
            decision_id=one.decision_id,
            crossing_id=one.crossing_id,
            post=one.post,
            vehicle_class=one.vehicle_class,
            profiles=bodies[one.seq]["decision"]["profiles"] if one.seq in bodies else [],
            decided_at=rfc3339(one.known_at),
            age_days=(now - one.known_at) // DAY,
            expected_duty=_expect_duty(bodies.get(one.seq), duties),
        )
        for one in found
    ]


def _expect_duty(body: Mapping[str, Any] | None, duties: UsualDuties) -> ExpectedDuty | None:
    if body is None:
        return None
    return duties.expect(body["arrival"], body["decision"]["risk"]["p_discrepancy"])


def close_audit(
    service: Runtime,
    caller: Caller,
    decision_id: str,
    closure: AuditClosure,
    key: str | None = None,
) -> Acknowledged:
    """Close an audit that will not be made; raises ``NotFoundError`` and ``ConflictError``."""
    with service.store.read() as snapshot:
        post = read_decision(snapshot, decision_id).post
    if not (caller.reaches(post) and caller.sees_post(post)):
        raise NotFoundError("decision", decision_id)
    name = closure_name(decision_id)
    asked = claim(AUDIT_CLOSED, closure, post=post, name=name, key=caller.own(key))
    done = service.recording.once(
        asked,
        lambda snapshot: draft_closure(
            snapshot, closure, decision_id, by=caller.person, claim=asked
        ),
    )
    return acknowledge(service, done, decision_id)


router = json_router("/v1/audits", "audits", 404)
DecisionId = Annotated[Identifier, Path()]


@router.get("", response_model=OpenAudits)
def audits(
    caller: TheCaller, service: TheService, post: Annotated[PostCode | None, Query()] = None
) -> Response:
    """List the audits to do, the oldest first, 500 at most; the act of one ends it."""
    return answer(OpenAudits(open_audits(service, caller, post)))


@router.post("/{decision_id}/closures", **creates(Acknowledged, 409, 413, body=AuditClosure))
def close(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    decision_id: DecisionId,
    closure: Annotated[AuditClosure, Depends(body_of(AuditClosure))],
) -> Response:
    """Close an audit that will not be made, and say why."""
    return answer(close_audit(service, caller, decision_id, closure, key), 201)


page_router = APIRouter(prefix="/audits", route_class=PageRoute, include_in_schema=False)


@page_router.get("")
def show(
    visit: TheVisit, service: TheService, post: Annotated[PostCode | None, Query()] = None
) -> Response:
    """Show the audits to do, the oldest first."""
    found = open_audits(service, visit.caller, post)
    address = "/v1/audits" if post is None else f"/v1/audits?post={post}"
    return visit.page(
        "audits.html", json_address=address, audits=found, codes=list(TABLES["closure"])
    )


@page_router.post("/{decision_id}/closures")
def send_closing(
    visit: TheVisit, service: TheService, reader: TheReader, decision_id: DecisionId
) -> Response:
    """Close an audit that will not be made."""
    fields = {name: reader.text(name) for name in ("reason_code", "reason")}
    closure = reader.finish(reader.record(AuditClosure, fields))
    close_audit(service, visit.caller, decision_id, closure)
    return RedirectResponse("/audits?done=closed", 303)
