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
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)

from engine.domain.field_types import HandlingCode, Hex32
from engine.domain.validation import list_faults
from engine.errors import EnvelopeRefusedError, RecordError
from engine.journal.hash_chain import GENESIS, canonical
from engine.links.identity import LinkIdentity, LinkKeys

MAX_BYTES = 4 * 1024 * 1024
"""Length of the longest envelope."""
MOST_REPLACED = 50
"""Earlier seals that an envelope names: one for each time that its sender's disk was restored."""
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""HPKE (RFC 9180), by which bodies are encrypted to their receiver."""
REPEATED = "repeated"
"""Rule of an envelope whose message was taken before, under an earlier number."""
ReceiptStatus = Literal["taken", "refused"]
_HASHED = b"darvoza envelope hash 1"
_LIMIT = 2**63
Number = Annotated[int, Field(ge=1, lt=_LIMIT)]
Whole = Annotated[int, Field(ge=0, lt=_LIMIT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedForm:
    """What an installation signs: a canonical JSON object without the fields that are defaults."""

    __pydantic_config__ = ConfigDict(
        strict=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex"
    )
    NAME: ClassVar[str]
    """Its name in errors."""
    PURPOSE: ClassVar[bytes]
    """Stands before what is signed: no signature passes for one of another form."""
    SIGNER: ClassVar[str] = "sender"
    """The field with the fingerprint of the installation that signs."""
    signature: Annotated[bytes, Field(min_length=64, max_length=64)] = b""

    def to_json(self) -> dict[str, Any]:
        """Return it as it travels."""
        found: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", by_alias=True, exclude_defaults=True
        )
        return found

    def signed_by(self, keys: LinkKeys) -> Self:
        """Return it with its signature; equal forms have equal ones."""
        return replace(self, signature=keys.signing.sign(self._message()))

    def is_signed_by(self, identity: LinkIdentity) -> bool:
        """Tell whether an identity signed this form, and is the signer that it names."""
        try:
            message = self._message()
        except RecordError:  # half of a surrogate pair
            return False
        is_named: bool = getattr(self, self.SIGNER) == identity.fingerprint
        return is_named and identity.has_signed(message, self.signature)

    def _message(self) -> bytes:
        content = self.to_json()
        content.pop("signature", None)
        return self.PURPOSE + canonical(content)


Form = TypeVar("Form", bound=SignedForm)


_ADAPTERS: dict[type[SignedForm], TypeAdapter[Any]] = {}


def _adapter(form: type[SignedForm]) -> TypeAdapter[Any]:
    if form not in _ADAPTERS:
        _ADAPTERS[form] = TypeAdapter(form)
    return _ADAPTERS[form]


def read_form(form: type[Form], content: Any) -> Form:
    """Return what JSON values are, or bytes in the canonical form, which each content has one of.

    Raises ``EnvelopeRefusedError``.
    """
    is_read = isinstance(content, bytes)
    try:
        found: Form = _adapter(form).validate_json(content if is_read else json.dumps(content))
        if not is_read or canonical(found.to_json()) == content:
            return found
    except ValidationError as error:
        where, rule, why = list_faults(error)[0]
        is_named = bool(where) and rule != "unexpected_keyword_argument"  # no name of a stranger's
        raise refuse_form(str(where[0]) if is_named else form.NAME, why) from None
    raise refuse_form(form.NAME, "is not in the canonical form")


def refuse_form(field: str, why: str) -> EnvelopeRefusedError:
    """Return the error of bytes of another form than envelopes and parcels have."""
    return EnvelopeRefusedError(field, "malformed", why)


@dataclass(frozen=True, slots=True)
class LinkReceipt(SignedForm):
    """What became of an envelope; bytes as lower-case hex, times as UTC microseconds."""

    NAME = "receipt"
    PURPOSE = b"darvoza link receipt 1"
    SIGNER = "receiver"
    link: str
    sender: str
    """Fingerprint of the envelope's sender, who keeps this receipt."""
    receiver: str
    """Fingerprint of the installation that signs this receipt."""
    number: Whole
    envelope: str
    """Digest of the envelope."""
    status: ReceiptStatus
    rule: str
    """The broken rule of a refused envelope; empty for one that was taken."""
    journal_id: str
    """The receiver's journal, whose record of the envelope follows."""
    sequence: Whole
    known_at: Whole
    chain: str


@dataclass(frozen=True, slots=True)
class Position:
    """The last envelope of one direction."""

    number: int = 0
    digest: bytes = GENESIS


def _read_base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("is not text")
    return b64decode(text, validate=True)


@dataclass(frozen=True, slots=True)
class EnvelopeHead(SignedForm):
    """What an envelope says in clear."""

    NAME = "envelope"
    PURPOSE = b"darvoza envelope 1"
    link: str
    """:attr:`engine.links.agreement.Agreement.link`."""
    sender: Annotated[str, Field(alias="from")]
    """Fingerprint of the sender's identity."""
    receiver: Annotated[str, Field(alias="to")]
    number: Number
    """From 1, without a gap in each direction."""
    previous: Annotated[bytes, Field(min_length=32, max_length=32)]
    """Digest of the envelope before it in this direction; zeros before the first."""
    sent_at: Whole
    """UTC microseconds, by the sender's journal."""
    expires: Whole
    """UTC microseconds."""
    kind: str
    handling: tuple[HandlingCode, ...] = ()
    replaces: Annotated[tuple[tuple[Number, Hex32], ...], Field(max_length=MOST_REPLACED)] = ()
    """Number and digest of earlier seals of the same message, after a restored disk."""

    def head(self) -> dict[str, Any]:
        """Return the head as JSON values."""
        return {k: v for k, v in self.to_json().items() if k not in ("body", "signature")}


@dataclass(frozen=True, slots=True)
class Envelope(EnvelopeHead):
    """A sealed envelope; one that was read has the right form, and may be of anyone."""

    sealed: Annotated[
        bytes,
        PlainValidator(_read_base64),
        PlainSerializer(lambda raw: b64encode(raw).decode()),
        Field(alias="body"),
    ] = b""
    """The encrypted body."""

    @property
    def raw(self) -> bytes:
        """The bytes that travel."""
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        """What the next envelope and the receipt name it by."""
        return sha256(_HASHED + self.raw).digest()


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
    sealed = encrypt_to(receiver, canonical(body), canonical(head.head()))
    known = {field.name: getattr(head, field.name) for field in fields(EnvelopeHead)}
    envelope = Envelope(**(known | {"sealed": sealed})).signed_by(keys)
    if len(envelope.raw) > MAX_BYTES:
        raise RecordError(head.kind, "body", "too_long", f"makes over {MAX_BYTES} bytes")
    return envelope


def read_envelope(raw: bytes) -> Envelope:
    """Return an envelope of the right form; raises ``EnvelopeRefusedError``."""
    if len(raw) > MAX_BYTES:
        raise refuse_form("envelope", f"over {MAX_BYTES} bytes")
    return read_form(Envelope, raw)


def open_body(envelope: Envelope, keys: LinkKeys) -> dict[str, Any]:
    """Decrypt the body; raises ``EnvelopeRefusedError`` where it is not for these keys."""
    try:
        text = SUITE.decrypt(envelope.sealed, keys.receiving, canonical(envelope.head()))
    except (InvalidTag, ValueError):
        why = "cannot be decrypted with this installation's key"
        raise EnvelopeRefusedError("body", "unreadable_body", why) from None
    try:
        found = json.loads(text)
        is_canonical = isinstance(found, dict) and canonical(found) == text
    except (ValueError, RecursionError, RecordError):
        is_canonical = False
    if not is_canonical:
        raise EnvelopeRefusedError("body", "malformed", "is not a canonical JSON object")
    return dict(found)
