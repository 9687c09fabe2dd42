"""Envelopes between installations, encrypted and signed, and the signed receipts of them.

An envelope is one canonical JSON object (:func:`engine.journal.hash_chain.canonical`); the same
bytes travel by HTTPS and on a stick. The body is encrypted by HPKE (RFC 9180, base mode, X25519,
HKDF-SHA256, AES-256-GCM) with the head as ``info``: no body can be moved to another head. The
signature (Ed25519) covers head and encrypted body. Kind, times and the size of the body stay
readable to those who hold the wire.

A receipt says what became of one envelope, and names the record of the receiver's journal that
says the same. The sender keeps the receipt. The receipt proves that the envelope arrived, and is
evidence of the receiver's journal up to that record. The proof holds only if nobody but the
receiver has the receiver's signing key.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from engine.domain.records import HandlingCode
from engine.errors import EnvelopeRefusedError, RecordError
from engine.journal.hash_chain import GENESIS, canonical
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


MAX_BYTES = 4 * 1024 * 1024
"""Length of the longest envelope."""
LARGEST_NUMBER = 2**63 - 1
_HANDLING = frozenset(get_args(HandlingCode))
_SIGNED = b"darvoza envelope 1"
_HASHED = b"darvoza envelope hash 1"
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""HPKE (RFC 9180), by which bodies are encrypted to their receiver."""
MOST_REPLACED = 50
"""Earlier seals that an envelope names: one for each time that its sender's disk was restored."""
NONE: Mapping[str, type] = {}
_FIELDS: Mapping[str, type] = {
    "link": str,
    "from": str,
    "to": str,
    "number": int,
    "previous": str,
    "sent_at": int,
    "expires": int,
    "kind": str,
    "handling": list,
    "body": str,
    "signature": str,
}


@dataclass(frozen=True, slots=True)
class EnvelopeHead:
    """What an envelope says in clear."""

    link: str
    """:attr:`engine.links.agreement.Agreement.link`."""
    sender: str
    """Fingerprint of the sender's identity."""
    receiver: str
    number: int
    """From 1, without a gap in each direction."""
    previous: bytes
    """Digest of the envelope before it in this direction; zeros before the first."""
    sent_at: int
    """UTC microseconds, by the sender's journal."""
    expires: int
    """UTC microseconds."""
    kind: str
    handling: tuple[HandlingCode, ...] = ()
    replaces: "tuple[Position, ...]" = ()
    """Earlier seals of the same message: of one that is sealed again after a restored disk."""

    def to_json(self) -> dict[str, Any]:
        """Return the head as the envelope has it."""
        found: dict[str, Any] = {
            "link": self.link,
            "from": self.sender,
            "to": self.receiver,
            "number": self.number,
            "previous": self.previous.hex(),
            "sent_at": self.sent_at,
            "expires": self.expires,
            "kind": self.kind,
            "handling": list(self.handling),
        }
        if self.replaces:
            found["replaces"] = [[one.number, one.digest.hex()] for one in self.replaces]
        return found


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope of the right form; who signed it is not yet known."""

    head: EnvelopeHead
    sealed: bytes
    """The encrypted body."""
    signature: bytes
    raw: bytes
    """The bytes that travel."""

    @property
    def digest(self) -> bytes:
        """What the next envelope and the receipt name it by."""
        return sha256(_HASHED + self.raw).digest()


@dataclass(frozen=True, slots=True)
class Position:
    """The last envelope of one direction."""

    number: int = 0
    digest: bytes = GENESIS


def encrypt_to(receiver: LinkIdentity, content: bytes, about: bytes) -> bytes:
    """Encrypt to an identity (HPKE); ``about`` is bound to the content and does not travel."""
    public = X25519PublicKey.from_public_bytes(receiver.receiving_key)
    return SUITE.encrypt(content, public, about)


def seal_text(receiver: LinkIdentity, content: bytes, about: bytes) -> str:
    """Return :func:`encrypt_to` as base 64."""
    return b64encode(encrypt_to(receiver, content, about)).decode()


def open_text(keys: LinkKeys, text: str, about: bytes) -> bytes:
    """Return what :func:`seal_text` sealed; raises ``ValueError`` if not for these keys."""
    try:
        return SUITE.decrypt(b64decode(text, validate=True), keys.receiving, about)
    except InvalidTag:
        raise ValueError("cannot be decrypted with this installation's key") from None


def seal_envelope(
    head: EnvelopeHead, body: Mapping[str, Any], *, keys: LinkKeys, receiver: LinkIdentity
) -> Envelope:
    """Encrypt and sign a body; two calls give different bytes, so a sender keeps the first.

    Raises ``RecordError`` for a body that is too long or no JSON.
    """
    known = head.to_json()
    sealed = encrypt_to(receiver, canonical(body), canonical(known))
    content = known | {"body": b64encode(sealed).decode()}
    signature = keys.signing.sign(_SIGNED + canonical(content))
    raw = canonical(content | {"signature": signature.hex()})
    if len(raw) > MAX_BYTES:
        raise RecordError(head.kind, "body", "too_long", f"makes over {MAX_BYTES} bytes")
    return Envelope(head, sealed, signature, raw)


def read_envelope(raw: bytes) -> Envelope:
    """Return an envelope of the right form; raises ``EnvelopeRefusedError``.

    Each envelope has one form: other spaces, order of keys or base 64 are refused, so that no
    second spelling can pass for other content.
    """
    if len(raw) > MAX_BYTES:
        raise refuse_form("envelope", f"over {MAX_BYTES} bytes")
    found = read_fields(raw, "envelope", _FIELDS, optional={"replaces": list})
    envelope = _to_envelope(found, raw)
    restored = envelope.head.to_json() | {
        "body": b64encode(envelope.sealed).decode(),
        "signature": envelope.signature.hex(),
    }
    if not is_canonical(restored, raw):
        raise refuse_form("envelope", "is not in the canonical form")
    return envelope


def read_fields(
    raw: bytes, name: str, fields: Mapping[str, type], *, optional: Mapping[str, type] = NONE
) -> dict[str, Any]:
    """Return a JSON object of exactly these fields and types; raises ``EnvelopeRefusedError``."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise refuse_form(name, "is not JSON") from None
    if not isinstance(found, dict) or found.keys() - optional.keys() != fields.keys():
        raise refuse_form(name, f"needs exactly {', '.join(fields)}")
    present = {field: kind for field, kind in optional.items() if field in found}
    for field, kind in {**fields, **present}.items():
        if type(found[field]) is not kind:
            raise refuse_form(field, f"is not {kind.__name__}")
    return found


def is_canonical(content: Mapping[str, Any], raw: bytes) -> bool:
    """Tell whether these bytes are the one form that this content has."""
    try:
        return canonical(content) == raw
    except RecordError:  # half of a surrogate pair
        return False


def _to_envelope(found: Mapping[str, Any], raw: bytes) -> Envelope:
    number, sent_at, expires = found["number"], found["sent_at"], found["expires"]
    if not 1 <= number <= LARGEST_NUMBER:
        raise refuse_form("number", f"is not within 1 and {LARGEST_NUMBER}")
    for name, instant in (("sent_at", sent_at), ("expires", expires)):
        if not 0 <= instant <= LARGEST_NUMBER:
            raise refuse_form(name, f"is not within 0 and {LARGEST_NUMBER}")
    handling = found["handling"]
    if not all(isinstance(code, str) and code in _HANDLING for code in handling):
        raise refuse_form("handling", f"holds something other than {', '.join(sorted(_HANDLING))}")
    names = (found["link"], found["from"], found["to"])
    previous = _from_hex(found["previous"], "previous", 32)
    about = found["kind"], tuple(handling), _to_replaced(found.get("replaces", ()))
    head = EnvelopeHead(*names, number, previous, sent_at, expires, *about)
    try:
        sealed = b64decode(found["body"], validate=True)
    except ValueError:
        raise refuse_form("body", "is not base 64") from None
    return Envelope(head, sealed, _from_hex(found["signature"], "signature", 64), raw)


def _to_replaced(found: Sequence[object]) -> tuple[Position, ...]:
    if len(found) > MOST_REPLACED:
        raise refuse_form("replaces", f"names more than {MOST_REPLACED}")
    return tuple(map(_to_position, found))


def _to_position(found: object) -> Position:
    match found:
        case [int() as number, str() as digest] if 1 <= number <= LARGEST_NUMBER:
            return Position(number, _from_hex(digest, "replaces", 32))
        case _:
            raise refuse_form("replaces", "holds something other than number and digest")


def _from_hex(text: str, field: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != length:
        raise refuse_form(field, f"is not {2 * length} hexadecimal digits")
    return found


def is_signed_by(envelope: Envelope, identity: LinkIdentity) -> bool:
    """Tell whether an identity signed an envelope, and is the sender it names."""
    content = envelope.head.to_json() | {"body": b64encode(envelope.sealed).decode()}
    return envelope.head.sender == identity.fingerprint and identity.has_signed(
        _SIGNED + canonical(content), envelope.signature
    )


def open_body(envelope: Envelope, keys: LinkKeys) -> dict[str, Any]:
    """Decrypt the body; raises ``EnvelopeRefusedError`` where it is not for these keys."""
    try:
        text = SUITE.decrypt(envelope.sealed, keys.receiving, canonical(envelope.head.to_json()))
    except (InvalidTag, ValueError):
        why = "cannot be decrypted with this installation's key"
        raise EnvelopeRefusedError("body", "unreadable_body", why) from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not is_canonical(found, text):
        raise EnvelopeRefusedError("body", "malformed", "is not a canonical JSON object")
    return found


def refuse_form(field: str, why: str) -> EnvelopeRefusedError:
    """Return the error of bytes of another form than envelopes and parcels have."""
    return EnvelopeRefusedError(field, "malformed", why)
