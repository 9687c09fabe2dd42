"""Identifiers of watch-list entries that two people marked as shareable with partners."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.criteria.dual_control import ApprovalState, read_approval_states
from engine.criteria.watchlist import list_identifiers, read_expiry
from engine.errors import RecordError
from engine.links.agreement import Agreement
from engine.links.codes import AttentionIdentifier
from engine.links.matching.oblivious_prf import RECORD
from engine.links.matching.set_intersection import SharedIdentifier

SHARED_AS: Mapping[str, AttentionIdentifier] = {
    "plate": "plate",
    "trailer": "trailer_plate",
    "vin": "vin",
    "container": "container_number",
    "carrier": "carrier_id",
    "consignee": "consignee_id",
    "consignor": "consignor_id",
    "driver_ref": "driver_ref",
}
"""Identifiers of an entry as messages name them; a party in any role is none of these."""


@dataclass(frozen=True, slots=True)
class SharedList:
    """What of this watch list can be compared on a link."""

    identifiers: tuple[SharedIdentifier, ...]
    """Oldest entry first, each content once."""
    left_out: int
    """Identifiers of marked entries that only this administration understands."""


def read_domains(agreement: Agreement) -> dict[str, str]:
    """Return the domain within which each national identifier is compared."""
    return {str(kind): domain for kind, domain in agreement.identifiers.items()}


def list_shared(connection: Connection, agreement: Agreement, *, now: int) -> SharedList:
    """Return the identifiers of marked entries that are in force at UTC microseconds."""
    found: dict[bytes, SharedIdentifier] = {}
    left_out, domains = 0, read_domains(agreement)
    for entry in read_approval_states(connection, "watchlist").values():
        if not _is_shared(entry, now):
            continue
        for kind, value in list_identifiers(entry.content).items():
            shared = _to_shared(entry.subject, kind, value)
            try:
                content = b"" if shared is None else shared.content(domains)
            except RecordError:
                content = b""
            if shared is None or not content:
                left_out += 1
            else:
                found.setdefault(content, shared)
    return SharedList(tuple(found.values()), left_out)


def _is_shared(entry: ApprovalState, now: int) -> bool:
    is_marked = bool(entry.content.get("is_shareable")) and not entry.is_of_counterpart
    return is_marked and entry.state == "in_force" and read_expiry(entry) > now


def _to_shared(entry: str, kind: str, value: str) -> SharedIdentifier | None:
    name = SHARED_AS.get(kind)
    return None if name is None else SharedIdentifier(name, value, entry)


def find_identifier(
    entries: Mapping[str, ApprovalState], entry: str, identifier: str
) -> SharedIdentifier:
    """Return an identifier of an entry, whatever became of the entry since.

    Raises ``RecordError`` where the journal no longer says what it was.
    """
    known = entries.get(entry)
    for kind, value in list_identifiers({} if known is None else known.content).items():
        shared = _to_shared(entry, kind, value)
        if shared is not None and shared.identifier == identifier:
            return shared
    raise RecordError(RECORD, "elements", "unknown_entry", "an entry of the request is gone")
