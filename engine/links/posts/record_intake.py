"""Batches of records that arrive over a link of kind ``post``: each record once.

At the centre, what happened at the post is a record of the same kind, so that every projection has
it; everything else of the node's journal stands as ``post_record`` and has no effect: the node's
keys, people and approvals grant nothing at the centre. So does a record that names what is not of
the node (:mod:`engine.links.posts.copy_bounds`). ``UNIQUE (origin, origin_seq)`` in the journal
holds once, whatever was checked before.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from engine.domain.records import Record
from engine.errors import RecordError
from engine.journal.areas import list_rules
from engine.journal.copies import find_copies, name_origin
from engine.journal.entries import Draft, ProjectionInput
from engine.journal.hash_chain import canonical
from engine.journal.kinds import SEIZURE, SEIZURE_CORRECTED
from engine.journal.payloads import COPIED
from engine.links.area import POST_RECORD, PostRecordBody
from engine.links.inbox import ArrivedMessage, UnpackedMessage
from engine.links.messages import RecordBatch, RecordCopy, build_proof
from engine.links.posts.copy_bounds import NAMED, CopyBounds, Name, list_names
from engine.links.posts.record_batches import OTHER_HISTORY, RECORD, unpack_records
from engine.links.posts.record_outbox import GOVERNING, OF_MODELS, OF_POST, has_models
from engine.links.state import Link

HAPPENED = frozenset(kind for kind, rule in list_rules().items() if rule.is_of_post)
"""What happened at a post, which the centre keeps as records of the same kinds."""
WITHOUT_POST = frozenset({SEIZURE, SEIZURE_CORRECTED})
"""Kinds that may name no post: goods found inland."""
LEAST = 6 * 1024
"""Bytes that a record counts for at least: keeping a short one takes the writer as long."""
ToEvent = Callable[[Connection, str, Mapping[str, Any]], ProjectionInput | None]
"""What the counters need of a record, from its kind and its body."""


@dataclass(frozen=True, slots=True)
class ReadCopy:
    """A copy as far as it can be read without what is here already."""

    copy: RecordCopy
    body: dict[str, Any] | None
    names: tuple[Name, ...] = ()
    """What it names, where a copy of its kind may have an effect; else empty."""
    event: ProjectionInput | None = None


@dataclass(frozen=True, slots=True)
class RecordIntake:
    """Takes batches of records; an :class:`engine.links.inbox.LongMessageHandler`."""

    to_event: ToEvent

    def unpack(
        self, connection: Connection, link: Link, message: Record, *, most: int
    ) -> UnpackedMessage | None:
        """Read the records of a batch; None where they count for more than ``most`` bytes.

        Done before the writer's lock is taken. Raises ``RecordError``.
        """
        assert isinstance(message, RecordBatch)  # noqa: S101  # the handler of this kind
        found = unpack_records(message, most=most)
        size = 0 if found is None else max(found.size, LEAST * len(found.copies))
        if found is None or size > most:
            return None
        return UnpackedMessage([self._read(connection, link, one) for one in found.copies], size)

    def _read(self, connection: Connection, link: Link, copy: RecordCopy) -> ReadCopy:
        body = _read_body(copy)
        if body is None or not _has_effect(link, copy):
            return ReadCopy(copy, body)
        names = tuple(list_names(copy.kind, copy.subject, body))
        return ReadCopy(copy, body, names, self._event(connection, copy, body))

    def __call__(self, connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
        """Return the records of a batch that are not here yet; raises ``RecordError``."""
        link, message = arrived.link, arrived.message
        assert isinstance(message, RecordBatch)  # noqa: S101  # the handler of this kind
        read: Sequence[ReadCopy] = arrived.content
        fingerprint = link.them.identity.fingerprint
        about = fingerprint, message.journal_id
        origins = [name_origin(*about, branch) for branch in range(message.branch + 1)]
        known = find_copies(connection, origins, first=message.first, last=message.last)
        for draft in arrived.pending:
            if draft.origin in origins and draft.origin_seq is not None:
                known[draft.origin, draft.origin_seq] = bytes.fromhex(draft.body[COPIED]["chain"])
        new = [one for one in read if not _is_known(one.copy, known, origins)]
        made = [
            name
            for draft in arrived.pending
            if draft.kind in NAMED and COPIED in draft.body
            for name in list_names(draft.kind, draft.subject, draft.body)
        ]
        bounds, named = CopyBounds.of_link(link), [one.names for one in new]
        foreign = bounds.find_foreign(connection, named, made=made)
        draft_copy = partial(_draft, link, message, origin=origins[-1])
        return [draft_copy(one, foreign=name) for one, name in zip(new, foreign, strict=True)]

    def _event(
        self, connection: Connection, copy: RecordCopy, body: Mapping[str, Any]
    ) -> ProjectionInput | None:
        try:
            return self.to_event(connection, copy.kind, body)
        except (KeyError, TypeError, ValueError):  # a body that this version cannot read
            raise RecordError(RECORD, "body", "malformed", f"is no {copy.kind}") from None


def _draft(
    link: Link, batch: RecordBatch, read: ReadCopy, *, origin: str, foreign: Name | None
) -> Draft[Any]:
    """Return a copy with its effect, or kept alone: of its kind, or because of what it names."""
    copy, body = read.copy, read.body
    proof = build_proof(copy, journal_id=batch.journal_id, branch=batch.branch)
    if body is not None and read.names and foreign is None:
        content = {**body, COPIED: proof}
        place = origin, copy.sequence, read.event
        return Draft(copy.kind, copy.subject, copy.post, content, *place)
    wrapped: PostRecordBody = {
        "copied": proof,
        "kind": copy.kind,
        "subject": copy.subject,
        "post": copy.post,
    }
    if body is not None:
        wrapped["content"] = body
    if foreign is not None:
        wrapped["foreign"] = str(foreign)
    post = copy.post if copy.post in link.agreement.posts else ""
    return Draft(POST_RECORD, "", post, wrapped, origin, copy.sequence)


def _has_effect(link: Link, copy: RecordCopy) -> bool:
    """Tell whether a copy of its kind and post may stand here as a record of its own kind."""
    if copy.origin_seq is not None:
        return False
    is_of_post = copy.post in link.agreement.posts
    if link.us.role == "centre":
        is_inland = not copy.post and copy.kind in WITHOUT_POST
        return copy.kind in HAPPENED and (is_of_post or is_inland)
    if copy.kind in OF_POST:
        return is_of_post
    return copy.kind in GOVERNING or (copy.kind in OF_MODELS and has_models(link))


def _is_known(
    copy: RecordCopy, known: Mapping[tuple[str, int], bytes], origins: Sequence[str]
) -> bool:
    """Tell whether a record is here; raises ``RecordError`` where another one has its number.

    A journal that went on from an older state of its disk has other records under numbers that
    were taken: they are of another branch, and both stay.
    """
    chains = [known.get((origin, copy.sequence)) for origin in origins]
    if bytes.fromhex(copy.chain) in chains:
        return True
    if chains[-1] is not None:
        why = "its number is taken by another record of the same journal"
        raise RecordError(RECORD, "sequence", OTHER_HISTORY, why)
    return False


def _read_body(copy: RecordCopy) -> dict[str, Any] | None:
    """Return a body whose form can be made again; raises ``RecordError`` for another."""
    if copy.body is None:
        return None
    try:
        body = json.loads(copy.body)
    except (ValueError, RecursionError):
        body = None
    is_own = copy.origin_seq is None
    is_whole = isinstance(body, dict) and canonical(body).decode() == copy.body
    if not isinstance(body, dict) or not is_whole or (is_own and COPIED in body):
        raise RecordError(RECORD, "body", "malformed", "is not a canonical JSON object")
    return body
