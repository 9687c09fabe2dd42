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

from engine.errors import RecordError
from engine.journal.areas import list_rules
from engine.journal.copies import find_copies, name_origin
from engine.journal.entries import Draft, ProjectionInput
from engine.journal.hash_chain import canonical
from engine.journal.kinds import SEIZURE, SEIZURE_CORRECTED
from engine.journal.payloads import COPIED
from engine.links.area import POST_RECORD, PostRecordBody
from engine.links.inbox import ArrivedMessage
from engine.links.messages import RecordBatch, RecordCopy, build_proof
from engine.links.posts.copy_bounds import NAMED, CopyBounds, Name, list_names
from engine.links.posts.record_batches import OTHER_HISTORY, RECORD, unpack_records
from engine.links.posts.record_outbox import GOVERNING, OF_MODELS, OF_POST, has_models
from engine.links.state import Link

HAPPENED = frozenset(kind for kind, rule in list_rules().items() if rule.is_of_post)
"""What happened at a post, which the centre keeps as records of the same kinds."""
WITHOUT_POST = frozenset({SEIZURE, SEIZURE_CORRECTED})
"""Kinds that may name no post: goods found inland."""
ToEvent = Callable[[Connection, str, Mapping[str, Any]], ProjectionInput | None]
"""What the counters need of a record, from its kind and its body."""


@dataclass(frozen=True, slots=True)
class RecordIntake:
    """Takes batches of records; a :data:`engine.links.inbox.MessageHandler`."""

    to_event: ToEvent

    def __call__(self, connection: Connection, arrived: ArrivedMessage) -> Sequence[Draft[Any]]:
        """Return the records of a batch that are not here yet; raises ``RecordError``."""
        link, message = arrived.link, arrived.message
        assert isinstance(message, RecordBatch)  # noqa: S101  # the handler of this kind
        copies = unpack_records(message)
        fingerprint = link.them.identity.fingerprint
        about = fingerprint, message.journal_id
        origins = [name_origin(*about, branch) for branch in range(message.branch + 1)]
        known = find_copies(connection, origins, first=message.first, last=message.last)
        for draft in arrived.pending:
            if draft.origin in origins and draft.origin_seq is not None:
                known[draft.origin, draft.origin_seq] = bytes.fromhex(draft.body[COPIED]["chain"])
        new = [copy for copy in copies if not _is_known(copy, known, origins)]
        bodies = [_read_body(copy) for copy in new]
        made = [
            name
            for draft in arrived.pending
            if draft.kind in NAMED and COPIED in draft.body
            for name in list_names(draft.kind, draft.subject, draft.body)
        ]
        named = [
            list(list_names(copy.kind, copy.subject, body))
            if body is not None and _has_effect(link, copy)
            else []
            for copy, body in zip(new, bodies, strict=True)
        ]
        foreign = CopyBounds.of_link(link).find_foreign(connection, named, made=made)
        draft_copy = partial(self._draft, connection, link, message, origin=origins[-1])
        return [
            draft_copy(copy, body, is_kept=not names, foreign=other)
            for copy, body, names, other in zip(new, bodies, named, foreign, strict=True)
        ]

    def _draft(
        self,
        connection: Connection,
        link: Link,
        batch: RecordBatch,
        copy: RecordCopy,
        body: dict[str, Any] | None,
        *,
        origin: str,
        is_kept: bool,
        foreign: Name | None,
    ) -> Draft[Any]:
        """Return a copy, ``is_kept`` alone or with its effect."""
        proof = build_proof(copy, journal_id=batch.journal_id, branch=batch.branch)
        if body is not None and not is_kept and foreign is None:
            extra = self._event(connection, copy, body)
            content = {**body, COPIED: proof}
            place = origin, copy.sequence, extra
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

    def _event(
        self, connection: Connection, copy: RecordCopy, body: Mapping[str, Any]
    ) -> ProjectionInput | None:
        try:
            return self.to_event(connection, copy.kind, body)
        except (KeyError, TypeError, ValueError):  # a body that this version cannot read
            raise RecordError(RECORD, "body", "malformed", f"is no {copy.kind}") from None


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
