"""A verifier of the journal written from ``docs/journal-format.md`` alone.

It imports nothing of this project: what it knows is on that page. Standard library and the Ed25519
of ``cryptography``; reads any DB-API connection.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Found = set[tuple[int, str]]
"""(record, what is wrong)."""


def verify(database: Any, receipts: Iterable[Mapping[str, Any]], public_key: bytes) -> Found:
    """Return every fault; ``public_key`` has the 32 raw bytes."""
    cursor = database.cursor()
    journal_id = _one_name(cursor)
    cursor.execute(
        "SELECT j.seq, j.known_at, j.kind, j.subject, j.post, j.origin, j.origin_seq, j.leaf, "
        "j.chain, b.salt, b.body FROM journal j LEFT JOIN journal_bodies b ON b.seq = j.seq "
        "ORDER BY j.seq"
    )
    rows = [tuple(_plain(value) for value in row) for row in cursor.fetchall()]
    records = {row[0]: row for row in rows}
    erased, found = _erasures(rows, records, journal_id, public_key)
    previous, expected, known_at = bytes(32), 1, None
    for row in rows:
        found |= _record(row, journal_id, previous, expected=expected, erased=erased)
        if known_at is not None and row[1] <= known_at:
            found.add((row[0], "known_at"))
        previous, expected = row[8], row[0] + 1
        known_at = row[1] if known_at is None else max(known_at, row[1])
    return found | _receipts(receipts, records, journal_id, public_key)


def _one_name(cursor: Any) -> str:
    cursor.execute("SELECT journal_id FROM journal_identity")
    names = cursor.fetchall()
    return str(names[0][0]) if len(names) == 1 else ""


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _record(
    row: tuple[Any, ...], journal_id: str, previous: bytes, *, expected: int, erased: set[int]
) -> Found:
    seq, known_at, kind, subject, post, origin, origin_seq, leaf, chain, salt, body = row
    found: Found = set()
    if seq != expected:
        found.add((expected, "sequence"))
    if body is None:
        if seq not in erased:
            found.add((seq, "body_missing"))
    elif len(salt) != 16 or sha256(salt + body).digest() != leaf:
        found.add((seq, "leaf"))
    parts = [
        previous,
        journal_id.encode(),
        struct.pack(">q", seq),
        struct.pack(">q", known_at),
        *(text.encode() for text in (kind, subject, post, origin)),
        b"" if origin_seq is None else struct.pack(">q", origin_seq),
        leaf,
    ]
    lengths = b"".join(struct.pack(">I", len(part)) for part in parts)
    if sha256(lengths + b"".join(parts)).digest() != chain:
        found.add((seq, "chain"))
    return found


def _erasures(
    rows: list[tuple[Any, ...]],
    records: Mapping[int, tuple[Any, ...]],
    journal_id: str,
    public_key: bytes,
) -> tuple[set[int], Found]:
    erased: set[int] = set()
    found: Found = set()
    for row in rows:
        if row[2] != "erasure":
            continue
        named = _signed_erasure(row, journal_id, public_key)
        for seq, leaf in list((named or {}).items()):
            target = records.get(seq)
            is_earlier = 0 < seq < row[0] and target is not None
            if not is_earlier or target is None or target[2] == "erasure" or target[7] != leaf:
                named = None
        if named is None:
            found.add((row[0], "erasure"))
        else:
            erased |= named.keys()
    return erased, found


def _signed_erasure(
    row: tuple[Any, ...], journal_id: str, public_key: bytes
) -> dict[int, bytes] | None:
    try:
        body = json.loads(row[10])
        named = dict(zip(body["sequences"], map(bytes.fromhex, body["leaves"]), strict=True))
        if len(named) != len(body["sequences"]) or body["key_id"] != _key_id(public_key):
            return None
        name = journal_id.encode()
        message = b"darvoza erasure 1" + struct.pack(">II", len(name), len(named)) + name
        message += b"".join(struct.pack(">q", seq) + named[seq] for seq in sorted(named))
        signature = bytes.fromhex(body["signature"])
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, KeyError, TypeError, ValueError, struct.error):
        return None
    return named


def _receipts(
    receipts: Iterable[Mapping[str, Any]],
    records: Mapping[int, tuple[Any, ...]],
    journal_id: str,
    public_key: bytes,
) -> Found:
    found: Found = set()
    for receipt in receipts:
        seq, name = receipt["sequence"], receipt["journal_id"].encode()
        leaf, chain = bytes.fromhex(receipt["leaf"]), bytes.fromhex(receipt["chain"])
        lengths = struct.pack(">IqII", len(name), seq, len(leaf), len(chain))
        message = b"darvoza receipt 1" + lengths + name + leaf + chain
        record = records.get(seq)
        try:
            signature = bytes.fromhex(receipt["signature"])
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            found.add((seq, "receipt_signature"))
            continue
        if receipt["key_id"] != _key_id(public_key):
            found.add((seq, "receipt_key"))
        elif receipt["journal_id"] != journal_id:
            found.add((seq, "receipt_journal"))
        elif record is None:
            found.add((seq, "receipt_record"))
        elif (record[7], record[8]) != (leaf, chain):
            found.add((seq, "receipt_chain"))
    return found


def _key_id(public_key: bytes) -> str:
    return sha256(public_key).hexdigest()[:16]
