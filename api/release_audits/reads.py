"""Audits after release that are still to do, and their closing, for one caller."""

from typing import Any

from api.auth.callers import Caller
from api.http.guards import check_path
from api.service.runtime import Runtime
from engine.domain.time_units import DAY, rfc3339
from engine.errors import NotFoundError
from engine.journal.idempotency import claim
from engine.journal.journal import JournalReader
from engine.journal.kinds import AUDIT_CLOSED
from engine.queue.queue import read_decision
from engine.queue.release_audits import (
    AuditClosure,
    closure_name,
    draft_closure,
    list_open_audits,
)

MOST = 500
"""Audits in one answer, the oldest: none is hidden by those that follow."""


def open_audits(service: Runtime, caller: Caller, post: str | None) -> list[dict[str, Any]]:
    """Return the audits to do at a post, or at all that the caller reaches, as JSON values."""
    if post is not None:
        check_path(service.network, caller, post)
    with service.store.read() as snapshot:
        now, asked = service.journal.now(snapshot), post or caller.post
        found = list_open_audits(snapshot, asked, hidden=caller.hidden_posts, most=MOST)
        bodies = JournalReader(snapshot).bodies([one.seq for one in found])
    return [
        {
            "decision_id": one.decision_id,
            "crossing_id": one.crossing_id,
            "post": one.post,
            "vehicle_class": one.vehicle_class,
            "profiles": bodies[one.seq]["decision"]["profiles"] if one.seq in bodies else [],
            "decided_at": rfc3339(one.known_at),
            "age_days": (now - one.known_at) // DAY,
        }
        for one in found
    ]


def close_audit(
    service: Runtime,
    caller: Caller,
    decision_id: str,
    closure: AuditClosure,
    key: str | None = None,
) -> dict[str, Any]:
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
    known = {name: done.body[name] for name in ("decision_id", "crossing_id", "reason_code")}
    return known | service.answers.receipt(done)
