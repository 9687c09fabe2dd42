"""Batches of copied records as one message: compressed, because records of one kind are alike."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from pydantic import ValidationError

from engine.domain.validation import list_faults
from engine.errors import RecordError
from engine.journal.hash_chain import ChainLink, canonical, chain_of, leaf_of
from engine.links.inbox import LONGEST_MESSAGE
from engine.links.messages import RecordBatch, RecordCopy

RECORD = "record"
"""Kind of the message, and its name in errors."""
OTHER_HISTORY = "other_history"
"""Rule of a record whose number is taken by another one of the same journal."""
LARGEST_RECORD = 4 * 1024 * 1024
"""Characters of the longest body: four times the usual limit of the body of a request, which is the
longest part of any record."""
MOST_BYTES = LONGEST_MESSAGE
"""Length of a batch before it is compressed; a message that holds more is refused."""


def pack_records(
    copies: Sequence[RecordCopy], *, journal_id: str, branch: int, last: int
) -> RecordBatch:
    """Return records as one message; ``last`` is how far the journal was read for it.

    Raises ``RecordError`` where they are too long together.
    """
    lines = [canonical(copy.model_dump(exclude_none=True)) for copy in copies]
    raw = b"\n".join(lines)
    content = b64encode(zlib.compress(raw, 6)).decode()
    try:
        return RecordBatch(
            journal_id=journal_id,
            branch=branch,
            first=copies[0].sequence,
            last=last,
            records=len(copies),
            content=content,
        )
    except ValidationError as error:
        raise _refuse(error) from None


class UnpackedRecords(NamedTuple):
    """The records of a message, each proven."""

    copies: list[RecordCopy]
    size: int
    """Bytes before they were compressed."""


def unpack_records(batch: RecordBatch, *, most: int = MOST_BYTES) -> UnpackedRecords | None:
    """Return the records of a message; None where it holds more than ``most`` bytes.

    No more than these are unpacked. Raises ``RecordError``, also beyond ``MOST_BYTES``.
    """
    unzip = zlib.decompressobj()
    try:
        raw = unzip.decompress(b64decode(batch.content, validate=True), min(most, MOST_BYTES))
    except (ValueError, zlib.error):
        raise RecordError(RECORD, "content", "malformed", "is not a compressed batch") from None
    if not unzip.eof and most < MOST_BYTES:
        return None
    if not unzip.eof or unzip.unused_data:
        raise RecordError(RECORD, "content", "too_long", f"holds over {MOST_BYTES} bytes")
    try:
        copies = [RecordCopy.model_validate_json(line) for line in raw.split(b"\n")]
    except ValidationError as error:
        raise _refuse(error) from None
    _check_order(batch, copies)
    for copy in copies:
        _check_proof(copy, batch.journal_id)
    return UnpackedRecords(copies, len(raw))


def _refuse(error: ValidationError) -> RecordError:
    where, rule, why = list_faults(error)[0]
    return RecordError(RECORD, ".".join(map(str, where)), rule, why)


def _check_order(batch: RecordBatch, copies: Sequence[RecordCopy]) -> None:
    """Refuse records that are not those that the message names, or not in one history."""
    sequences = [copy.sequence for copy in copies]
    is_rising = all(one < other for one, other in pairwise(sequences))
    is_within = batch.first == sequences[0] and sequences[-1] <= batch.last
    if len(copies) != batch.records or not (is_rising and is_within):
        raise RecordError(RECORD, "records", "other_records", "are not those that it names")
    for one, other in pairwise(copies):
        if other.sequence == one.sequence + 1 and other.previous != one.chain:
            raise RecordError(RECORD, "previous", OTHER_HISTORY, "does not follow the one before")


def _check_proof(copy: RecordCopy, journal_id: str) -> None:
    """Refuse a record whose body is not its leaf's, or whose fields are not its chain value's."""
    leaf = bytes.fromhex(copy.leaf)
    if copy.body is not None:
        if len(copy.body) > LARGEST_RECORD:
            raise RecordError(RECORD, "body", "too_long", f"is over {LARGEST_RECORD} characters")
        found = leaf_of(bytes.fromhex(copy.salt or ""), copy.body.encode("utf-8", "surrogatepass"))
        if found != leaf:
            raise RecordError(RECORD, "body", "other_body", "is not what its record commits to")
    about = copy.sequence, copy.known_at, copy.kind, copy.subject, copy.post
    link = ChainLink(*about, copy.origin, copy.origin_seq, leaf)
    if chain_of(bytes.fromhex(copy.previous), journal_id, link).hex() != copy.chain:
        raise RecordError(RECORD, "chain", "other_chain", "is not that of its record")
