"""Signed receipts of envelopes, over the head of the receiver's journal.

A receipt says what became of one envelope, and which record of the receiver's journal says so.
The sender keeps it: it proves that the envelope arrived, and witnesses the receiver's journal up
to that record. Assumes that the receiver's signing key is its own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.errors import RecordError
from engine.journal.hash_chain import canonical
from engine.links.identity import LinkIdentity, LinkKeys

_PURPOSE = b"darvoza link receipt 1"
REPEATED = "repeated"
"""Rule of an envelope whose message was taken before, under an earlier number."""
ReceiptStatus = Literal["taken", "refused"]


@dataclass(frozen=True, slots=True)
class LinkReceipt:
    """What became of an envelope; bytes as lower-case hex, times as UTC microseconds."""

    link: str
    sender: str
    """Fingerprint of the envelope's sender, who keeps this receipt."""
    receiver: str
    """Fingerprint of the installation that signed this receipt."""
    number: int
    envelope: str
    """Digest of the envelope."""
    status: ReceiptStatus
    rule: str
    """The broken rule of a refused envelope; empty for one that was taken."""
    journal_id: str
    """The receiver's journal, whose record of the envelope follows."""
    sequence: int
    known_at: int
    chain: str
    signature: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as it travels."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "LinkReceipt":
        """Read a receipt; raises ``RecordError``."""
        names = cls.__dataclass_fields__
        if not isinstance(value, Mapping) or set(value) != set(names):
            why = f"needs exactly {', '.join(names)}"
            raise RecordError("link receipt", "receipt", "malformed", why)
        whole = {"number", "sequence", "known_at"}
        for name in names:
            kind = int if name in whole else str
            if type(value[name]) is not kind:
                raise RecordError("link receipt", name, "malformed", f"is not {kind.__name__}")
        if value["status"] not in ("taken", "refused"):
            raise RecordError("link receipt", "status", "unknown_enumeration", "taken or refused")
        return cls(**value)

    def signed_by(self, keys: LinkKeys) -> "LinkReceipt":
        """Return the receipt with its signature; equal receipts have equal ones."""
        signature = keys.signing.sign(self._message()).hex()
        return LinkReceipt(**(asdict(self) | {"signature": signature}))

    def is_signed_by(self, identity: LinkIdentity) -> bool:
        """Tell whether an identity signed this receipt, and is the receiver it names."""
        try:
            signature = bytes.fromhex(self.signature)
            message = self._message()
        except (ValueError, RecordError):
            return False
        return self.receiver == identity.fingerprint and identity.has_signed(message, signature)

    def _message(self) -> bytes:
        content = asdict(self)
        del content["signature"]
        return _PURPOSE + canonical(content)
