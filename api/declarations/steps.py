"""Lodging, amending and cancelling a declaration ahead, for one sender."""

from typing import Any

from api.auth.callers import Caller
from api.http.guards import check_post
from api.service.runtime import Runtime
from api.service.signed_answers import SignedAnswers
from engine.declarations.drafts import (
    draft_cancellation,
    draft_version,
    find_current,
    find_same,
)
from engine.domain.advance_declarations import AdvanceDeclaration, Cancellation
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError
from engine.journal.batch_worker import StoredRecord, read_record
from engine.journal.idempotency import IdempotencyClaim, claim
from engine.journal.kinds import DECLARATION_CANCELLED, DECLARATION_LODGED


def lodge(
    service: Runtime, caller: Caller, lodged: AdvanceDeclaration, key: str | None
) -> dict[str, Any]:
    """Record a version of a declaration; its present content sent again changes nothing.

    Raises ``ConflictError`` for an identifier of another sender or of a cancelled declaration.
    """
    if lodged.post is None and caller.post is not None:
        lodged = lodged.model_copy(update={"post": caller.post})
    if lodged.post is not None:
        check_post(service.network, caller, lodged.post)
    asked = _claim_version(caller, lodged, key)
    found = _find_again(service, lodged, asked)
    if found is None:
        found = service.recording.once(
            asked,
            lambda snapshot: draft_version(snapshot, lodged, by=caller.person, claim=asked),
        )
        service.metrics.lodgings.labels("lodged" if found.body["version"] == 1 else "amended").inc()
    return acknowledge(service.answers, found)


def _claim_version(caller: Caller, lodged: AdvanceDeclaration, key: str | None) -> IdempotencyClaim:
    """Return the claim of a version: its content names it, and the sender's key where it has one.

    With a new key a sender goes back to what an earlier version said.
    """
    name, by = f"declaration:{lodged.declaration_id}:", caller.person
    plain = claim(DECLARATION_LODGED, lodged, post=lodged.post or "", name="", about=by)
    keyed = claim(
        DECLARATION_LODGED, lodged, post=plain.post, name="", key=caller.own(key), about=by
    )
    names = keyed.names[:-1] or (name + plain.fingerprint,)
    return IdempotencyClaim(plain.kind, plain.post, names, plain.fingerprint)


def _find_again(
    service: Runtime, lodged: AdvanceDeclaration, asked: IdempotencyClaim
) -> StoredRecord | None:
    with service.store.read() as snapshot:
        seq = find_same(snapshot, lodged, asked)
        return None if seq is None else read_record(snapshot, service.journal, seq)


def cancel(
    service: Runtime,
    caller: Caller,
    declaration_id: str,
    cancellation: Cancellation,
    key: str | None,
) -> dict[str, Any]:
    """Record that a declaration is withdrawn; raises ``NotFoundError``, ``ConflictError``."""
    with service.store.read() as snapshot:
        known = find_current(snapshot, declaration_id)
    if known is None or known.lodged_by != caller.person:
        raise NotFoundError("declaration", declaration_id)
    name = f"{DECLARATION_CANCELLED}:{declaration_id}"
    asked = claim(
        DECLARATION_CANCELLED, cancellation, post=known.post, name=name, key=caller.own(key)
    )
    is_new = service.recording.before(asked) is None
    found = service.recording.once(
        asked,
        lambda snapshot: draft_cancellation(
            snapshot, declaration_id, cancellation, by=caller.person, claim=asked
        ),
    )
    if is_new:
        service.metrics.lodgings.labels("cancelled").inc()
    return acknowledge(service.answers, found)


def acknowledge(answers: SignedAnswers, found: StoredRecord) -> dict[str, Any]:
    """Return the acknowledgement of a version or a cancellation."""
    about = {"kind": found.entry.kind, "id": found.entry.subject, "version": found.body["version"]}
    receipt = answers.signer.sign(found.entry).to_json()
    return about | {"received_at": rfc3339(found.entry.known_at), "receipt": receipt}
