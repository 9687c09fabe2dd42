"""Records by which a sender lodges, amends and withdraws a declaration ahead.

Its sender may change it, and no other; a withdrawn one stays withdrawn. What was sent is one
version after another, each a record that names the one before.
"""

from sqlalchemy import Connection

from engine.declarations.lodgings import LodgedVersion, read_versions
from engine.domain.advance_declarations import AdvanceDeclaration, Cancellation
from engine.errors import ConflictError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.idempotency import MESSAGE_IDENTIFIER_TAKEN, IdempotencyClaim
from engine.journal.journal import JournalReader
from engine.journal.kinds import DECLARATION_CANCELLED, DECLARATION_LODGED
from engine.journal.payloads import CancelledBody, LodgedBody, ReportBody

_EVER = (1 << 63) - 1
_WITHDRAWN = "it was cancelled: lodge it under another identifier"


def find_current(connection: Connection, declaration_id: str) -> LodgedVersion | None:
    """Return the last version of a declaration, None for an unknown one."""
    return read_versions(connection, [declaration_id], before=_EVER).get(declaration_id)


def find_same(
    connection: Connection, lodged: AdvanceDeclaration, claim: IdempotencyClaim
) -> int | None:
    """Return the record of the present version where it has this very content, from this sender."""
    known = find_current(connection, lodged.declaration_id)
    if known is None or known.is_cancelled:
        return None
    body: ReportBody = JournalReader(connection).body(known.seq)  # type: ignore[assignment]
    return known.seq if body["claim"]["fingerprint"] == claim.fingerprint else None


def draft_version(
    connection: Connection, lodged: AdvanceDeclaration, *, by: str, claim: IdempotencyClaim
) -> Draft[LodgedBody]:
    """Return the record of a new version.

    Raises ``ConflictError`` where the identifier is another sender's, or its declaration cancelled.
    """
    name = lodged.declaration_id
    known = find_current(connection, name)
    if known is not None:
        _check_sender(known, by)
        if known.is_cancelled:
            raise ConflictError(claim.kind, name, _WITHDRAWN)
    body: LodgedBody = {
        "claim": claim.as_dict(),
        "by": by,
        "version": 1 if known is None else known.version + 1,
        "replaces": None if known is None else known.seq,
        "lodged": lodged.model_dump(mode="json", exclude_none=True),
    }
    return DECLARATION_LODGED.draft(name, body, post=lodged.post or "")


def draft_cancellation(
    connection: Connection,
    declaration_id: str,
    cancellation: Cancellation,
    *,
    by: str,
    claim: IdempotencyClaim,
) -> Draft[CancelledBody]:
    """Return the record that withdraws a declaration.

    Raises ``NotFoundError``, and ``ConflictError`` for one of another sender or a cancelled one.
    """
    known = find_current(connection, declaration_id)
    if known is None:
        raise NotFoundError("declaration", declaration_id)
    _check_sender(known, by)
    if known.is_cancelled:
        raise ConflictError(claim.kind, declaration_id, "it was cancelled before")
    body: CancelledBody = {
        "claim": claim.as_dict(),
        "by": by,
        "version": known.version + 1,
        "replaces": known.seq,
    }
    if cancellation.reason is not None:
        body["reason"] = cancellation.reason
    return DECLARATION_CANCELLED.draft(declaration_id, body, post=known.post)


def _check_sender(known: LodgedVersion, by: str) -> None:
    if known.lodged_by != by:
        raise ConflictError(DECLARATION_LODGED, known.declaration_id, MESSAGE_IDENTIFIER_TAKEN)
