"""Commitment to a stored secret: what a journal record says of a key, a password or a session.

The store keeps digests (HMAC, argon2id) that no record contains. A record commits to them, so that
a stored digest that was replaced is recognised. A commitment gives nothing away: what it hashes is
a keyed digest of 256 random bits, or an argon2 string whose salt no record contains.
"""

import hashlib
from typing import Final

_DOMAIN = b"darvoza/credential\0"
FIELD: Final = "commitment"
"""Field of the record bodies that hold one."""


def commitment_of(stored: bytes | str) -> str:
    """Return the hex SHA-256 of a secret as it is stored, separated by domain."""
    kept = stored.encode() if isinstance(stored, str) else bytes(stored)
    return hashlib.sha256(_DOMAIN + kept).hexdigest()
