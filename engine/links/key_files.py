"""Private link keys of a home, in one file of ``keys/``.

Both keys are one identity, so one file holds them: a crash leaves both or none.
"""

import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from engine.errors import HomeError
from engine.links.identity import LinkKeys
from engine.storage.home import Home
from engine.storage.secret_files import read_secret

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
