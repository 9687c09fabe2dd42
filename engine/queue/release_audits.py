"""Audits after release: vehicles on blue that are still to be audited.

A blue vehicle leaves at once and is audited afterwards: at the consignee, in the books, or when it
comes back. The result is an inspection act like any other and ends the audit. One that will not be
made is closed with a reason, in a record of its own. A movement whose declaration was changed is
audited for its last decision.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from sqlalchemy import Connection, Select, exists, literal, select, text

from engine.domain.field_types import Text
from engine.domain.records import Record
from engine.errors import ConflictError
from engine.journal.entries import Draft
from engine.journal.idempotency import ANSWERS, IdempotencyClaim
from engine.journal.journal import JournalReader
from engine.journal.kinds import AUDIT_CLOSED, AuditClosedBody
from engine.queue.queue import DECISIONS, read_decision
from engine.queue.reviews import read_channel, read_reviews
from engine.selection import Channel
from engine.storage.database import at_posts

ClosureCode = Literal["not_reachable", "audited_elsewhere", "too_late", "no_capacity", "other"]
_D, _LATER = DECISIONS.c, DECISIONS.alias("later")
_IS_OPEN = text("decisions.channel = 1 AND decisions.act_seq IS NULL")
"""As the index ``decisions_audits_ix`` says it."""


class AuditClosure(Record):
    """Why an audit after release will not be made."""

    reason_code: ClosureCode
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""
    EXAMPLE: ClassVar = {"reason_code": "not_reachable", "reason": "The goods were sold on."}


@dataclass(frozen=True, slots=True)
class OpenAudit:
    """A blue vehicle that is still to be audited."""

    decision_id: str
    seq: int
    crossing_id: str
    post: str
    known_at: int
    vehicle_class: str


def select_audits(closed_by: str) -> Select[Any]:
    """Return the query of audits to do, where records of one kind close them."""
    columns = (_D.decision_id, _D.seq, _D.crossing_id, _D.post, _D.known_at, _D.vehicle_class)
    return (
        select(*columns)
        .where(
            _IS_OPEN,
            ~exists().where(_LATER.c.crossing_id == _D.crossing_id, _LATER.c.seq > _D.seq),
            ~exists().where(ANSWERS.c.name == literal(f"{closed_by}:") + _D.decision_id),
        )
        .order_by(_D.known_at)
    )


_AUDITS = select_audits(AUDIT_CLOSED)


def list_open_audits(
    connection: Connection, post: str | None, *, hidden: Collection[str] = (), most: int
) -> list[OpenAudit]:
    """Return the audits to do, the oldest first; ``post`` None means all but ``hidden`` posts."""
    query = _AUDITS.limit(most)
    query = query.where(*at_posts(_D.post, post, hidden))
    return [OpenAudit(*row) for row in connection.execute(query)]


def closure_name(decision_id: str) -> str:
    """Return the name that the closure of an audit takes: there is one."""
    return f"{AUDIT_CLOSED}:{decision_id}"


def draft_closure(
    connection: Connection,
    closure: AuditClosure,
    decision_id: str,
    *,
    by: str,
    claim: IdempotencyClaim,
) -> Draft:
    """Return the record that closes an audit; raises ``ConflictError`` where none is open."""
    known = read_decision(connection, decision_id)
    decided = JournalReader(connection).body(known.seq)
    channel = read_channel(read_reviews(connection, known), decided)
    row = connection.execute(_AUDITS.where(_D.decision_id == decision_id)).one_or_none()
    if row is None or channel is not Channel.BLUE:
        raise ConflictError("audit", decision_id, "no audit of this decision is open")
    body: AuditClosedBody = {
        "claim": claim.as_dict(),
        "by": by,
        "decision_id": decision_id,
        "crossing_id": known.crossing_id,
        "reason_code": closure.reason_code,
        "reason": closure.reason,
    }
    return AUDIT_CLOSED.draft(decision_id, body, post=claim.post)
