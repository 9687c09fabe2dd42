"""Records that leave over a link of kind ``post``: from the journal's tail, as sealed batches.

A batch is one message, compressed because records of one kind are alike. The newest envelope of
records states how far the journal was sent. A batch is sealed only while few wait for their
receipts: a post that is cut off keeps its records where they are, and nothing that it does waits
for the line.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import Connection, and_, func, or_, select

from engine.domain.validation import list_faults
from engine.errors import RecordError
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft
from engine.journal.hash_chain import GENESIS, ChainedFields, canonical, chain_of, leaf_of
from engine.journal.journal import BODIES, JOURNAL, Journal, JournalReader
from engine.journal.kinds import (
    MODEL_APPROVED,
    MODEL_IN_FORCE,
    MODEL_REGISTERED,
    MODEL_RETIRED,
    POLICY_DECLARED,
    REVIEW,
    ROSTER,
)
from engine.journal.power_records import read_record, read_records
from engine.links.area import (
    LINK_RECEIPTED,
    LINK_RECEIVED,
    LINK_REFUSED,
    LINK_RESUMED,
    LINK_RESUMPTION_APPROVED,
    LINK_SENT,
)
from engine.links.identity import LinkKeys
from engine.links.inbox import LONGEST_MESSAGE
from engine.links.ledger import ENVELOPES
from engine.links.messages import BUNDLE, RecordBatch, RecordCopy
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link
from engine.storage.database import Store

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
    link = ChainedFields(*about, copy.origin, copy.origin_seq, leaf)
    if chain_of(bytes.fromhex(copy.previous), journal_id, link).hex() != copy.chain:
        raise RecordError(RECORD, "chain", "other_chain", "is not that of its record")


WINDOW = 4
"""Batches that may wait for their receipts: the other side takes so many of one parcel, and a slow
line would carry again what it leaves out."""
LOOKED_BACK = 2 * WINDOW + 1
"""Newest envelopes among which those are that have to be sent again."""
LONGEST_BATCH, MOST_SEALED = 1024 * 1024, 250
"""Bytes of the bodies of one batch, and its records; a single longer record goes alone."""
GOVERNING = (
    *kinds_of("profile"),
    *kinds_of("watchlist"),
    *kinds_of("known_lawful"),
    *kinds_of("policy"),
    POLICY_DECLARED,
)
"""Kinds that two people of the centre decide for all posts."""
OF_MODELS = (MODEL_REGISTERED, MODEL_APPROVED, MODEL_IN_FORCE, MODEL_RETIRED)
"""Kinds by which the centre's models come into force and leave, where their bundles travel."""
OF_POST = (REVIEW, ROSTER)
"""Kinds that the centre records about one post."""
NEVER_COPIED = (LINK_SENT, LINK_RECEIVED, LINK_REFUSED, LINK_RECEIPTED)
"""Envelopes and receipts: what they carry is not carried again."""
_E, _J = ENVELOPES.c, JOURNAL.c
_SENT = and_(_E.direction == "sent", _E.kind == RECORD)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a journal was sent over a link."""

    number: int
    """The newest envelope of records, 0 without one."""
    last: int
    """The record up to which the journal was read for it."""
    waiting: int
    """Envelopes of records without a receipt."""


def read_cursor(connection: Connection, link: str) -> Cursor:
    """Return how far the journal was sent; erased envelopes are passed over, and sent again.

    What was sealed before two people resumed the link after a disk was restored is refused: its
    numbers are taken. It is sent again as another branch.
    """
    of_link = [_SENT, _E.link == link, _E.status != "replaced"]
    columns = _E.seq, _E.number, _E.status, _E.rule
    query = select(*columns).where(*of_link).order_by(_E.number.desc())
    waiting = [*of_link, _E.status == "waiting"]
    count = connection.scalar(select(func.count()).where(*waiting)) or 0
    rows = connection.execute(query.limit(LOOKED_BACK)).all()
    bodies = JournalReader(connection).bodies([row.seq for row in rows])
    sent = [(row, bodies[row.seq]["body"]) for row in rows if row.seq in bodies]
    if not sent:
        return Cursor(0, 0, count)
    branch = count_branches(connection, link)
    refused = [body for row, body in sent if row.rule == OTHER_HISTORY]
    again = [body["first"] for body in refused if body.get("branch", 0) < branch]
    newer = [body["first"] for _, body in sent if body.get("branch", 0) == branch]
    last = sent[0][1]["last"]
    if again and not any(first <= min(again) for first in newer):
        last = min(again) - 1
    return Cursor(sent[0][0].number, last, count)


def has_models(link: Link) -> bool:
    """Tell whether the centre of a link sends its models to the node."""
    centre = link.us if link.us.role == "centre" else link.them
    return link.agreement.rule(BUNDLE, centre) is not None


def _is_copied(link: Link) -> Any:
    """Return the condition on the journal for records that this side of a link sends.

    A node sends everything; its centre what takes effect at the node, of its own records alone.
    """
    if link.us.role == "node":
        return _J.kind.not_in(NEVER_COPIED)
    of_post = and_(_J.kind.in_(OF_POST), _J.post.in_(link.agreement.posts))
    governing = (*GOVERNING, *OF_MODELS) if has_models(link) else GOVERNING
    return and_(_J.origin_seq.is_(None), or_(_J.kind.in_(governing), of_post))


def read_tail(connection: Connection, link: Link, *, after: int) -> list[RecordCopy]:
    """Return the next records to send, in the journal's order, at most one batch of them."""
    before = JOURNAL.alias()
    query = (
        select(*JOURNAL.c, before.c.chain.label("previous"), BODIES.c.salt, BODIES.c.body)
        .select_from(
            JOURNAL.outerjoin(before, before.c.seq == _J.seq - 1).outerjoin(
                BODIES, BODIES.c.seq == _J.seq
            )
        )
        .where(_J.seq > after, _is_copied(link))
        .order_by(_J.seq)
        .limit(MOST_SEALED)
    )
    return list(_within(connection.execute(query), link))


def _within(rows: Any, link: Link) -> Iterator[RecordCopy]:
    size = 0
    for row in rows:
        copy = _to_copy(row, link)
        size += len(copy.body or "")
        if size > LONGEST_BATCH and size > len(copy.body or ""):
            return
        yield copy


def _to_copy(row: Any, link: Link) -> RecordCopy:
    """Return a record as it travels; of what came from the other side, without its body."""
    is_theirs = row.origin.startswith(f"{link.them.identity.fingerprint}:")
    has_body = row.body is not None and not is_theirs
    return RecordCopy(
        sequence=row.seq,
        known_at=row.known_at,
        kind=row.kind,
        subject=row.subject,
        post=row.post,
        origin=row.origin,
        origin_seq=row.origin_seq,
        leaf=row.leaf.hex(),
        previous=(GENESIS if row.seq == 1 else row.previous).hex(),
        chain=row.chain.hex(),
        salt=row.salt.hex() if has_body else None,
        body=bytes(row.body).decode() if has_body else None,
    )


def count_branches(connection: Connection, link: str) -> int:
    """Return how often this journal went on from an older state of its disk on a link."""
    approved = read_records(connection, (LINK_RESUMPTION_APPROVED,))
    of_link = [one.seq for one in approved if one.subject.startswith(f"{link}:")]
    # What a resumption changes is the record after its approval, in the same transaction.
    resumed = [read_record(connection, seq + 1) for seq in of_link]
    return sum(
        one is not None and one.kind == LINK_RESUMED and "after" in (one.body or {})
        for one in resumed
    )


def send_records(store: Store, journal: Journal, keys: LinkKeys, link: Link) -> int:
    """Record the next batches as envelopes of a link; return how many they are.

    A batch is packed before the writer's lock is taken, and dropped where another process was
    first.
    """
    sent = 0
    while packed := _pack_next(store, journal, link):
        cursor, batch = packed

        def find(
            connection: Connection, now: int, cursor: Cursor = cursor, batch: RecordBatch = batch
        ) -> Sequence[Draft]:
            if link.phase(now) != "in_force" or read_cursor(connection, link.name) != cursor:
                return []
            message = OutgoingMessage(batch)
            return draft_messages(connection, now, link, keys=keys, messages=[message])

        if not journal.append_found(find):
            break
        sent += 1
    return sent


def _pack_next(store: Store, journal: Journal, link: Link) -> tuple[Cursor, RecordBatch] | None:
    with store.read() as connection:
        cursor = read_cursor(connection, link.name)
        if cursor.waiting >= WINDOW:
            return None
        head = journal.head(connection)
        name = head.journal_id, link.name
        after = _find_mark(connection, name, since=cursor.last)
        copies = read_tail(connection, link, after=after)
        if not copies:
            _MARKS[name] = cursor.last, head.seq, head.chain
            return None
        branch = count_branches(connection, link.name)
    last = copies[-1].sequence
    return cursor, pack_records(copies, journal_id=name[0], branch=branch, last=last)


_MARKS: dict[tuple[str, str], tuple[int, int, bytes]] = {}
"""By journal and link: since a record, none was due up to another one, with its chain value. So a
centre with millions of copies and little to send does not look through them each time."""


def _find_mark(connection: Connection, name: tuple[str, str], *, since: int) -> int:
    """Return the record up to which none is due since one: that one, where nothing else holds."""
    first, seq, chain = _MARKS.get(name, (0, 0, GENESIS))
    found = connection.scalar(select(_J.chain).where(_J.seq == seq)) if first == since else None
    return seq if found is not None and bytes(found) == chain else since


@dataclass(frozen=True, slots=True)
class UnsentPart:
    """Records that the other side has not signed for yet."""

    records: int
    since: int
    """When the first one was recorded, 0 without one: UTC microseconds."""


def read_unsent(connection: Connection, link: Link) -> UnsentPart:
    """Return what the other side of a link has not signed for yet."""
    query = (
        select(_E.seq)
        .where(_SENT, _E.link == link.name, _E.status == "taken")
        .order_by(_E.number.desc())
        .limit(1)
    )
    seq = connection.scalar(query)
    body = None if seq is None else JournalReader(connection).bodies([seq]).get(seq)
    after = 0 if body is None else body["body"]["last"]
    waiting = select(func.count(), func.coalesce(func.min(_J.known_at), 0)).where(
        _J.seq > after, _is_copied(link)
    )
    return UnsentPart(*connection.execute(waiting).one())
