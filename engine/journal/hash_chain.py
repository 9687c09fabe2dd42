"""Bytes that a record of the journal commits to.

``leaf`` commits to the salted body, ``chain`` to the leaf, to the other fields of the record and to
every record before it. Both assume that SHA-256 is resistant to collisions.
"""

import json
import secrets
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from engine.errors import RecordError

GENESIS = bytes(32)
"""Chain value before the first record."""
SALT_BYTES = 16
"""One fixed length: otherwise a byte could move from the salt to the body undetected."""

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
_INT = struct.Struct(">q")
_LENGTHS = struct.Struct(">10I")


def new_salt() -> bytes:
    """Return a salt, which keeps a short body from being guessed once it is erased."""
    return secrets.token_bytes(SALT_BYTES)


def canonical(body: Mapping[str, Any]) -> bytes:
    """Return the canonical form of a JSON object: sorted keys, no spaces, UTF-8; refuses NaN."""
    whole = body if isinstance(body, dict) else dict(body)
    try:
        return write_plain(whole) or _ENCODER.encode(whole).encode()
    except (TypeError, ValueError) as error:
        raise RecordError("journal", "body", "not_json", "holds a value JSON cannot") from error


def write_plain(body: dict[str, Any]) -> bytes | None:
    """Return the canonical form in half the time, None where another writer could spell it apart.

    The quick writer sorts keys by their UTF-8, which is the order of code points, and refuses
    keys that are no texts, half characters and integers of more than 64 bits.
    """
    try:
        written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None
    return written if is_plain(body) else None


def is_plain(body: dict[str, Any]) -> bool:
    """Tell whether a body has JSON's own types alone, and no number that is written with a power.

    Other types the quick writer takes and the standard one refuses, NaN it writes as null, and
    powers of ten it spells otherwise: 0.00001 and not 1e-05.
    """
    pending: list[Any] = [[body]]
    for each in pending:  # grows as it is read
        for value in each.values() if type(each) is dict else each:
            kind = type(value)
            if kind is str or kind is int or kind is bool or value is None:
                continue
            if kind is float:
                if not (value == 0.0 or 1e-4 <= abs(value) < 1e16):
                    return False
            elif kind is dict or kind is list or kind is tuple:
                pending.append(value)
            else:
                return False
    return True


def leaf_of(salt: bytes, body: bytes) -> bytes:
    """Return the commitment to a body."""
    return sha256(salt + body).digest()


class ChainedFields(NamedTuple):
    """The fields of a record that its chain value commits to."""

    seq: int
    known_at: int
    """UTC microseconds."""
    kind: str
    subject: str
    post: str
    origin: str
    origin_seq: int | None
    leaf: bytes


def chain_of(previous: bytes, journal_id: str, link: ChainedFields) -> bytes:
    """Return the commitment to a record and all before it; raises for a value of a wrong type."""
    parts = (
        previous,
        journal_id.encode(),
        _INT.pack(link.seq),
        _INT.pack(link.known_at),
        link.kind.encode(),
        link.subject.encode(),
        link.post.encode(),
        link.origin.encode(),
        b"" if link.origin_seq is None else _INT.pack(link.origin_seq),
        link.leaf,
    )
    # The lengths first: otherwise a character could move from one field to the next undetected.
    return sha256(_LENGTHS.pack(*map(len, parts)) + b"".join(parts)).digest()
