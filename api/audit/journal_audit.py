"""What an integrity officer reads of the journal, and what is recorded of that reading.

Anybody in the role may see that records are there: their numbers, times, kinds and leaves. What a
record holds is another matter: whoever opens a body is recorded first, by name, so that reading is
as accountable as writing. A check of the journal is a record too, so that everybody sees when one
was last made, by whom and what it found. Where it walks the whole journal it also
replays it and compares the tables that come of it, but for the counters, whose history only a
command reads. The check runs inside the service it checks: receipts kept
elsewhere, and ``darvoza verify``, stand outside it.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from api.audit.home_verification import ProjectionCheck, bound_faults
from api.auth.callers import Caller
from api.service.runtime import Runtime, projections
from engine.audit.verification import JournalFault, verify_snapshot
from engine.domain.records import Record
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError
from engine.journal.batch_worker import StoredRecord, read_record
from engine.journal.entries import Draft, Entry
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.journal import BODIES, JOURNAL

SENSITIVE_READ, VERIFIED = "sensitive_read", "verified"
MOST_WALKED = 50_000
"""Records that a check from a page walks; of a longer journal the last of them."""
MOST_READS = 20
"""Readings of bodies that are listed, the last of them; all are records of their kind."""
MOST_FAULTS = 20
"""Faults that the record of a check lists; it counts all."""
_UNSAID = {"compared": 0, "erased": 0}
"""What records of checks from before projections were compared do not say."""
_J = JOURNAL.c
_COLUMNS = (_J.seq, _J.known_at, _J.kind, _J.subject, _J.post, _J.leaf, _J.chain)


def list_records(
    runtime: Runtime, caller: Caller, *, kind: str, before: int | None, most: int
) -> dict[str, Any]:
    """Return records without their bodies, the newest first, as JSON values."""
    with runtime.store.read() as snapshot:
        head = runtime.journal.head(snapshot)
        query = select(*_COLUMNS, BODIES.c.seq.is_not(None).label("has_body"))
        query = query.outerjoin(BODIES, BODIES.c.seq == _J.seq).order_by(_J.seq.desc())
        if kind:
            query = query.where(_J.kind == kind)
        if before is not None:
            query = query.where(_J.seq < before)
        if caller.post is not None:
            query = query.where(_J.post == caller.post)
        rows = snapshot.execute(query.limit(most + 1)).all()
        checked, reads = _last_check(snapshot, runtime), _reads(snapshot, caller)
    shown = rows[:most]
    return {
        "journal_id": head.journal_id,
        "head": {
            "sequence": head.seq,
            "known_at": rfc3339(head.known_at),
            "chain": head.chain.hex(),
        },
        "synthetic": runtime.network.synthetic,
        "records": [_row_as_json(row) for row in shown],
        "next_before": shown[-1].seq if len(rows) > most else None,
        "verified": checked,
        "reads": reads,
    }


def open_record(runtime: Runtime, caller: Caller, seq: int) -> dict[str, Any]:
    """Return a record with its body, once it is recorded who opens it; raises ``NotFoundError``."""
    entry = _reachable(runtime, caller, seq)
    fields = {"by": caller.person, "role": caller.role.value, "sequence": seq, "kind": entry.kind}
    runtime.writer.submit(Draft(SENSITIVE_READ, str(seq), entry.post, fields)).result()
    with runtime.store.read() as snapshot:
        try:
            body = runtime.journal.body(snapshot, seq)
        except NotFoundError:
            body = None  # erased
    return {
        "sequence": entry.seq,
        "known_at": rfc3339(entry.known_at),
        "kind": entry.kind,
        "subject": entry.subject,
        "post": entry.post,
        "body": body,
        "receipt": runtime.signer.sign(entry).to_json(),
    }


def verify_journal(runtime: Runtime, caller: Caller, key: str | None = None) -> dict[str, Any]:
    """Check the journal, record what was found, and return it, as JSON values.

    ``key`` is the sender's idempotency key: one check for each.
    """
    name = f"{VERIFIED}:{secrets.token_hex(12)}"
    asked = claim(VERIFIED, Record(), post="", name=name, key=caller.own(key))
    draft = partial(_check, runtime, caller, asked=asked)
    return _check_as_json(runtime.recording.once(asked, draft))


def _check(
    runtime: Runtime, caller: Caller, snapshot: Connection, *, asked: IdempotencyClaim
) -> Draft:
    head = runtime.journal.head(snapshot).seq
    after = max(head - MOST_WALKED, 0)
    walked = verify_snapshot(snapshot, after=after, public_key=runtime.signer.public_key)
    projected = ProjectionCheck(
        snapshot, runtime.network, projections(runtime.plan, runtime.network)
    )
    found, faults = (0, ()) if after else bound_faults(projected.faults())
    fields = {
        "claim": asked.as_dict(),
        "by": caller.person,
        "after": after,
        "upto": head,
        "checked": walked.checked,
        "drawn": walked.drawn,
        "compared": sum(projected.tables.values()),
        "erased": walked.erased,
        "found": walked.found + found,
        "faults": _faults_as_json([*walked.faults, *faults]),
    }
    return Draft(VERIFIED, str(head), "", fields)


def _check_as_json(found: StoredRecord) -> dict[str, Any]:
    """Return a recorded check as JSON values."""
    fields = _UNSAID | {name: value for name, value in found.body.items() if name != "claim"}
    at, seq = rfc3339(found.entry.known_at), found.entry.seq
    return fields | {"recorded_at": at, "sequence": seq}


def _faults_as_json(faults: Sequence[JournalFault]) -> list[dict[str, Any]]:
    return [asdict(one) for one in faults[:MOST_FAULTS]]


def _reachable(runtime: Runtime, caller: Caller, seq: int) -> Entry:
    with runtime.store.read() as snapshot:
        entry = runtime.journal.entry(snapshot, seq)
    if caller.post is not None and entry.post != caller.post:
        raise NotFoundError("record", str(seq))
    return entry


def _row_as_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "sequence": row.seq,
        "known_at": rfc3339(row.known_at),
        "kind": row.kind,
        "subject": row.subject,
        "post": row.post,
        "leaf": bytes(row.leaf).hex(),
        "chain": bytes(row.chain).hex(),
        "has_body": row.has_body,
    }


def _reads(snapshot: Connection, caller: Caller) -> list[dict[str, Any]]:
    query = (
        select(_J.known_at, BODIES.c.body)
        .join(BODIES, BODIES.c.seq == _J.seq)
        .where(_J.kind == SENSITIVE_READ)
        .order_by(_J.seq.desc())
        .limit(MOST_READS)
    )
    if caller.post is not None:
        query = query.where(_J.post == caller.post)
    rows = snapshot.execute(query)
    return [{"read_at": rfc3339(row.known_at)} | json.loads(row.body) for row in rows]


def _last_check(snapshot: Connection, runtime: Runtime) -> dict[str, Any] | None:
    query = select(_J.seq).where(_J.kind == VERIFIED).order_by(_J.seq.desc()).limit(1)
    seq = snapshot.scalar(query)
    return None if seq is None else _check_as_json(read_record(snapshot, runtime.journal, seq))
