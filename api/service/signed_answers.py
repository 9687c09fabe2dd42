"""Answers about records of the journal, each with its receipt."""

from dataclasses import dataclass
from typing import Any

from engine.decision.role_views import view
from engine.domain.time_units import rfc3339
from engine.journal.batch_worker import StoredRecord
from engine.journal.receipts import Signer


@dataclass(frozen=True, slots=True)
class SignedAnswers:
    """Makes answers from stored records; ``signer`` signs their receipts."""

    signer: Signer

    def view_decision(self, found: StoredRecord, *, is_blind: bool) -> dict[str, Any]:
        """Return a decision as one reader may see it, with its receipt."""
        seen = view(
            found.body["decision"],
            decided_at=found.entry.known_at,
            receipt=self.signer.sign(found.entry),
            is_blind=is_blind,
        )
        amends, ahead = (found.body["inputs"][name] for name in ("amends", "advance"))
        if ahead is not None:
            names = ("matched_by", "uses", "differences", "is_brought")
            seen["declared_ahead"] = {name: ahead[name] for name in names}
        return seen if amends is None else seen | {"amends": amends}

    def acknowledge(self, found: StoredRecord, *, identifier: str) -> dict[str, Any]:
        """Return the acknowledgement of a record."""
        return {"kind": found.entry.kind, "id": identifier} | self.receipt(found)

    def acknowledge_step(self, found: StoredRecord) -> dict[str, Any]:
        """Return the acknowledgement of a step of dual control, with the state it led to."""
        about = {"id": found.entry.subject, "state": found.body.get("state", "proposed")}
        return {"kind": found.entry.kind} | about | self.receipt(found)

    def acknowledge_act(self, found: StoredRecord) -> dict[str, Any]:
        """Return the acknowledgement of an inspection act, without the basis of the referral."""
        act: dict[str, Any] = found.body["inspection"]
        names = ("inspection_id", "crossing_id")
        told = {"taken_by": found.body["taken_by"]} if "taken_by" in found.body else {}
        return {name: act[name] for name in names} | told | self.receipt(found)

    def receipt(self, found: StoredRecord) -> dict[str, Any]:
        """Return the time of a record, and its receipt."""
        receipt = self.signer.sign(found.entry).to_json()
        return {"recorded_at": rfc3339(found.entry.known_at), "receipt": receipt}
