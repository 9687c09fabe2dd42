"""Whether this was asked before, and what was answered then.

A sender that got no answer asks again. A claim names what is asked (an identifier, and the sender's
idempotency key where it gave one) and binds it to a fingerprint of the validated content; it is
part of the record, so the same transaction that records the answer takes the names. Assumes that
an identifier means one thing in the whole network.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, LargeBinary, String, Table

from engine.domain.records import Record
from engine.errors import ConflictError
from engine.journal.entries import Draft, Entry
from engine.storage.database import METADATA, Int64, fetch_rows_among, insert_rows

ANSWERS = Table(
    "answers",
    METADATA,
    Column("name", String, primary_key=True),
    Column("post", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("seq", Int64, nullable=False),
)


MESSAGE_IDENTIFIER_TAKEN = "the identifier is taken by other content"


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """The names one request takes, and the content they are bound to."""

    kind: str
    post: str
    names: tuple[str, ...]
    fingerprint: str
    """SHA-256 in hex."""

    @property
    def content(self) -> tuple[str, str]:
        """What has to be the same for two requests to be one."""
        return self.post, self.fingerprint

    def as_dict(self) -> dict[str, object]:
        """Return the claim as a record's body keeps it."""
        return {"names": list(self.names), "fingerprint": self.fingerprint}


@dataclass(frozen=True, slots=True)
class ClaimHolder:
    """What took a name."""

    name: str
    post: str
    kind: str
    fingerprint: bytes
    seq: int


def claim(
    kind: str, record: Record, *, post: str, name: str, key: str | None = None, about: str = ""
) -> IdempotencyClaim:
    """Return the claim of one request; ``key`` is the sender's idempotency key.

    ``about`` names what the request is about where the record itself does not: the same words about
    another thing are other content.
    """
    content = hashlib.sha256(kind.encode() + b"\0" + record.model_dump_json().encode())
    if about:
        content.update(b"\0" + about.encode())
    names = [name]
    if key is not None:  # hashed, because a header may hold anything and of any length
        scoped = "\0".join((post, kind, key)).encode()
        names.insert(0, f"key:{hashlib.sha256(scoped).hexdigest()}")
    return IdempotencyClaim(kind, post, tuple(names), content.hexdigest())


def crossing_name(crossing_id: str) -> str:
    """Return the name that a crossing takes, whichever way it is reported."""
    return f"crossing:{crossing_id}"


def inspection_name(inspection_id: str) -> str:
    """Return the name that an inspection act takes."""
    return f"inspection:{inspection_id}"


def seizure_name(seizure_id: str) -> str:
    """Return the name that a seizure takes."""
    return f"seizure:{seizure_id}"


def find_holders(connection: Connection, names: Iterable[str]) -> dict[str, ClaimHolder]:
    """Return what took these names, by name."""
    return {
        row[0]: ClaimHolder(*row) for row in fetch_rows_among(connection, _TAKEN, [*set(names)])
    }


_TAKEN = "SELECT name, post, kind, fingerprint, seq FROM answers WHERE name"


def find_answer(asked: IdempotencyClaim, known: Mapping[str, ClaimHolder]) -> int | None:
    """Return the journal's number of the answer given before, None for a new question.

    Raises ``ConflictError`` where a name was taken with other content, or at another post.
    """
    for name in asked.names:
        if (found := known.get(name)) is not None:
            if (found.post, found.fingerprint.hex()) != asked.content:
                raise ConflictError(asked.kind, name, MESSAGE_IDENTIFIER_TAKEN)
            return found.seq
    return None


class AnswerProjection:
    """Keeps what was claimed; a name taken twice breaks its record."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Take the names of these records."""
        rows = [
            (
                name,
                entry.post,
                entry.kind,
                bytes.fromhex(draft.body["claim"]["fingerprint"]),
                entry.seq,
            )
            for entry, draft in entries
            if "claim" in draft.body
            for name in draft.body["claim"]["names"]
        ]
        if rows:
            insert_rows(connection, ANSWERS, rows)
