"""Signed receipts that prove a later rewriting of the journal.

A receipt is an Ed25519 signature over a record's place, leaf and chain, hence over the journal up
to and including that record. It proves nothing about later records, nor that a report is true. A
person with the key can sign another history, but cannot revoke receipts that were handed out.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from engine.errors import HomeError, InputError, RecordError
from engine.journal.entries import Entry
from engine.storage.home import Home, read_secret

KEY_FILE = "receipts.pem"
_PURPOSE = b"darvoza receipt 1"
_HEADER = struct.Struct(">IqII")


@dataclass(frozen=True, slots=True)
class Receipt:
    """A record's place in the journal, signed; bytes as lower-case hex."""

    journal_id: str
    sequence: int
    leaf: str
    chain: str
    signature: str
    key_id: str

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as answers carry it."""
        return {name: getattr(self, name) for name in _TYPES}

    @classmethod
    def from_json(cls, value: object) -> "Receipt":
        """Read a receipt, or an answer that carries one; raises ``RecordError``."""
        found = value.get("receipt", value) if isinstance(value, Mapping) else None
        if not isinstance(found, Mapping) or set(found) != _TYPES.keys():
            raise RecordError(
                "receipt", "receipt", "malformed", f"needs exactly {', '.join(_TYPES)}"
            )
        for name, kind in _TYPES.items():
            if type(found[name]) is not kind:
                raise RecordError("receipt", name, "malformed", f"is not {kind.__name__}")
        return cls(**found)


_TYPES: dict[str, type] = {
    field.name: int if field.name == "sequence" else str for field in fields(Receipt)
}


class Signer:
    """Signs receipts with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key()
        self.key_id = key_id_of(self.public_key)

    def sign(self, entry: Entry) -> Receipt:
        """Return the receipt of a record; the same record always has the same receipt."""
        message = _message(entry.journal_id, entry.seq, entry.leaf, entry.chain)
        return Receipt(
            journal_id=entry.journal_id,
            sequence=entry.seq,
            leaf=entry.leaf.hex(),
            chain=entry.chain.hex(),
            signature=self._key.sign(message).hex(),
            key_id=self.key_id,
        )

    def sign_message(self, message: bytes) -> bytes:
        """Return the signature of a message that begins with its purpose."""
        return self._key.sign(message)


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return the short name of a key."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def is_signed(receipt: Receipt, key: Ed25519PublicKey) -> bool:
    """Tell whether this key signed this receipt."""
    try:
        leaf, chain_value, signature = map(
            bytes.fromhex, (receipt.leaf, receipt.chain, receipt.signature)
        )
        message = _message(receipt.journal_id, receipt.sequence, leaf, chain_value)
        key.verify(signature, message)
    except (InvalidSignature, ValueError, struct.error):
        return False
    return True


def _message(journal_id: str, sequence: int, leaf: bytes, chain_value: bytes) -> bytes:
    name = journal_id.encode()
    header = _HEADER.pack(len(name), sequence, len(leaf), len(chain_value))
    return _PURPOSE + header + name + leaf + chain_value


def open_signer(home: Home) -> Signer:
    """Read this home's receipt key, made on first use; raises ``HomeError``."""
    return Signer(open_key(home.keys / KEY_FILE))


def public_key_of(home: Home) -> Ed25519PublicKey:
    """Return the public key of this home's receipts; raises ``HomeError`` without the key file."""
    if not (home.keys / KEY_FILE).exists():
        why = "is missing; put the home's keys/ back before receipts are verified"
        raise HomeError(KEY_FILE, why)
    return open_signer(home).public_key


def open_key(path: Path) -> Ed25519PrivateKey:
    """Read a signing key, created on first use for its owner alone; raises ``HomeError``."""
    try:
        key = load_pem_private_key(read_secret(path, _new_key), password=None)
    except ValueError:
        raise HomeError(path.name, "not a PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise HomeError(path.name, "not an Ed25519 key")
    return key


def _new_key() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_receipts(path: Path) -> Iterator[Receipt]:
    """Read receipts, or answers that carry them, from JSON lines or one JSON list.

    Raises ``RecordError`` at the first invalid one, ``InputError`` where the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            first = next((line for line in lines if line.strip()), "")
            if first.lstrip().startswith("["):
                values = iter(json.loads(first + lines.read()))
            else:
                values = (json.loads(line) for line in chain([first], lines) if line.strip())
            yield from map(Receipt.from_json, values)
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
    except ValueError:
        raise RecordError(
            "receipt", "receipt", "not_json", "neither JSON lines nor a JSON list"
        ) from None
