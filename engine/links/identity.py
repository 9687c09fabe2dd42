"""Identity of an installation on its links: a key that signs, a key that receives, their file.

Ed25519 signs and X25519 receives. Two installations pin each other's identity in person, by its
fingerprint; no third party vouches for it. A copy of both private keys can send and read in the
installation's name. One file of ``keys/`` holds both, so a crash leaves both or none.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from engine.errors import HomeError
from engine.storage.home import Home, read_secret

KEY_BYTES = 32
_PURPOSE = b"darvoza link identity 1"
_TEXT_PREFIX = "darvoza-link-1"


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """Public keys of an installation, as raw bytes."""

    signing_key: bytes
    """Ed25519, 32 bytes."""
    receiving_key: bytes
    """X25519, 32 bytes."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of both keys, 64 hexadecimal digits: the installation's name in envelopes."""
        return sha256(_PURPOSE + self.signing_key + self.receiving_key).hexdigest()

    @property
    def text(self) -> str:
        """Both keys as one line of text, as the QR code has them."""
        return f"{_TEXT_PREFIX}:{self.signing_key.hex()}:{self.receiving_key.hex()}"

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this identity's key signed a message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.signing_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """Private keys of an installation's link identity."""

    signing: Ed25519PrivateKey
    receiving: X25519PrivateKey

    @classmethod
    def generate(cls) -> Self:
        """Return new keys."""
        return cls(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @property
    def identity(self) -> LinkIdentity:
        """The public keys."""
        return LinkIdentity(
            self.signing.public_key().public_bytes_raw(),
            self.receiving.public_key().public_bytes_raw(),
        )


@lru_cache(maxsize=1024)  # links are read for every parcel, and their agreements checked
def is_receiving_key(raw: bytes) -> bool:
    """Tell whether 32 bytes can be encrypted to: a key of low order makes every secret zero."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        return False
    return True


def split_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint in groups of four, as two people read it to each other.

    >>> split_fingerprint("00112233445566778899")
    '0011 2233 4455 6677 8899'
    """
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)


def open_link_keys(home: Home) -> LinkKeys:
    """Read this home's link keys, made on first use; raises ``HomeError``."""
    return _parse(read_secret(home.link_keys, _new_keys))


def find_link_keys(home: Home) -> LinkKeys:
    """Return this home's link keys; raises ``HomeError`` where it has none."""
    if not home.link_keys.exists():
        why = "no link identity yet: darvoza link identity makes it, or put keys/ back"
        raise HomeError(home.link_keys.name, why)
    return open_link_keys(home)


def read_fingerprint(home: Home) -> str:
    """Return the fingerprint of this home's link identity, empty where it has none."""
    return open_link_keys(home).identity.fingerprint if home.link_keys.exists() else ""


def _new_keys() -> bytes:
    keys = LinkKeys.generate()
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    return keys.signing.private_bytes(*form) + keys.receiving.private_bytes(*form)


def _parse(raw: bytes) -> LinkKeys:
    try:
        found = [load_pem_private_key(part, password=None) for part in _PEM.findall(raw)]
    except ValueError:
        found = []
    match found:
        case [Ed25519PrivateKey() as signing, X25519PrivateKey() as receiving]:
            return LinkKeys(signing, receiving)
        case _:
            raise HomeError("link.pem", "not a signing key (Ed25519) and a receiving key (X25519)")
