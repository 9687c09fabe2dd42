"""Signed erasures: which bodies may be missing, and the signature that permits it.

A body leaves the store by a record of kind ``erasure`` that names it by its sequence and its leaf.
A program that can write to the database can append a record, so the record alone proves nothing: it
carries an Ed25519 signature of the home's signing key, over a message that cannot be confused with
a receipt. Assumes that the key is not on the machine of the database; with both one can erase.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.errors import RecordError
from engine.journal.entries import Draft
from engine.journal.kinds import ERASURE
from engine.journal.payloads import ErasureBody, ErasureGrounds
from engine.journal.receipts import Signer, key_id_of

_PURPOSE = b"darvoza erasure 1"
_HEADER = struct.Struct(">II")
_NAMED = struct.Struct(">q32s")
_FIELDS = frozenset({"sequences", "leaves", "key_id", "signature"})


@dataclass(frozen=True, slots=True)
class Erasure:
    """The records that one erasure names, and its signature."""

    leaves: Mapping[int, bytes]
    """By sequence."""
    key_id: str
    signature: bytes


def erasure_message(journal_id: str, leaves: Mapping[int, bytes]) -> bytes:
    """Return the bytes that an erasure signs; sequences ascend."""
    name = journal_id.encode()
    named = (_NAMED.pack(seq, leaf) for seq, leaf in sorted(leaves.items()))
    return _PURPOSE + _HEADER.pack(len(name), len(leaves)) + name + b"".join(named)


def erasure_draft(
    signer: Signer,
    journal_id: str,
    leaves: Mapping[int, bytes],
    *,
    by: str,
    why: str,
    about: ErasureGrounds | None = None,
) -> Draft:
    """Return the record that erases the bodies of some records.

    Parameters
    ----------
    signer : Signer
        Of the home's signing key.
    journal_id : str
    leaves : mapping of int to bytes
        By sequence, the leaf of each record as it stands in the journal.
    by, why : str
        The person who erases, and the reason that is given.
    about : mapping, optional
        What the record says besides; not signed.
    """
    if not leaves:
        raise RecordError("erasure", "sequences", "missing_key", "names no record")
    body: ErasureBody = {
        **(about or {}),
        "by": by,
        "why": why,
        "sequences": sorted(leaves),
        "leaves": [leaves[seq].hex() for seq in sorted(leaves)],
        "key_id": signer.key_id,
        "signature": signer.sign_message(erasure_message(journal_id, leaves)).hex(),
    }
    return ERASURE.draft("", body)


def read_erasure(body: object) -> Erasure:
    """Read the body of an erasure; raises ``ValueError`` for any other body."""
    if not isinstance(body, Mapping) or not body.keys() >= _FIELDS:
        raise ValueError("names no signature")
    sequences, leaves = body["sequences"], body["leaves"]
    if not isinstance(sequences, list) or not isinstance(leaves, list):
        raise ValueError("sequences and leaves are lists")
    if len(sequences) != len(leaves) or not all(type(seq) is int for seq in sequences):
        raise ValueError("each sequence has one leaf")
    named = dict(zip(sequences, map(_bytes_of, leaves), strict=True))
    if len(named) != len(sequences):
        raise ValueError("a sequence is named twice")
    return Erasure(named, str(body["key_id"]), _bytes_of(body["signature"]))


def find_erasure_fault(
    erasure: Erasure, seq: int, *, journal_id: str, key: Ed25519PublicKey | None
) -> str | None:
    """Return why an erasure at ``seq`` is invalid, None where it is valid."""
    if any(not 0 < named < seq for named in erasure.leaves):
        return "names a record that does not come before it"
    if key is None:
        return "cannot be checked: the home's signing key is not here"
    if erasure.key_id != key_id_of(key):
        return "is signed with a key that is not this home's"
    try:
        key.verify(erasure.signature, erasure_message(journal_id, erasure.leaves))
    except (InvalidSignature, ValueError, struct.error):
        return "has a signature that does not fit"
    return None


def _bytes_of(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("bytes are hexadecimal text")
    return bytes.fromhex(value)


def find_mismatches(erasure: Erasure, standing: Mapping[int, bytes]) -> Sequence[int]:
    """Return the sequences whose record has another leaf than the erasure says."""
    return [seq for seq, leaf in erasure.leaves.items() if standing.get(seq) != leaf]
