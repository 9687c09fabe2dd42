"""Repeated requests and their recorded answers.

A sender that got no answer repeats its request. A claim names the request (an identifier, and the
sender's idempotency key where it gave one) and binds the names to a fingerprint of the validated
content; it is part of the record, so the transaction that records the answer takes the names.
Assumes that an identifier is unique in the whole network.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, LargeBinary, String, Table

from engine.domain.records import Record
from engine.errors import ConflictError
from engine.journal.areas import list_rules
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import (
    COPIED,
    CROSSING,
    DECISION,
    ClaimBody,
)
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows_among, insert_rows

ANSWERS = Table(
    "answers",
    METADATA,
    Column("name", String, primary_key=True),
    *declare_columns(String, "post", "kind"),
    *declare_columns(LargeBinary, "fingerprint"),
    *declare_columns(Int64, "seq"),
)


MESSAGE_IDENTIFIER_TAKEN = "the identifier is taken by other content"
_HOLDERS = {
    "crossing": "crossing.crossing_id",
    "inspection": "inspection_id",
    "seizure": "seizure_id",
    "key": "Idempotency-Key",
}
"""The field or the header of a request that holds a name, by the prefix of the name."""


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
        """The parts in which two requests must agree to be the same request."""
        return self.post, self.fingerprint

    def as_dict(self) -> ClaimBody:
        """Return the claim as a record's body keeps it."""
        return {"names": list(self.names), "fingerprint": self.fingerprint}


@dataclass(frozen=True, slots=True)
class ClaimHolder:
    """The record that took a name."""

    name: str
    post: str
    kind: str
    fingerprint: bytes
    seq: int


def claim(
    kind: str, record: Record, *, post: str, name: str, key: str | None = None, about: str = ""
) -> IdempotencyClaim:
    """Return the claim of one request; ``key`` is the sender's idempotency key.

    ``about`` names the object of the request where the record does not: the same record about
    another object is other content. Fields with their default are left out: a request that is sent
    again after an optional field joined still is the same.
    """
    text = record.model_dump_json(exclude_defaults=True)
    content = hashlib.sha256(kind.encode() + b"\0" + text.encode())
    if about:
        content.update(b"\0" + about.encode())
    names = [name]
    if key is not None:  # hashed, because a header may hold anything and of any length
        scoped = "\0".join((post, kind, key)).encode()
        names.insert(0, f"key:{hashlib.sha256(scoped).hexdigest()}")
    return IdempotencyClaim(kind, post, tuple(names), content.hexdigest())


def crossing_name(crossing_id: str) -> str:
    """Return the name that a crossing takes, for every kind of report of it."""
    return f"crossing:{crossing_id}"


def inspection_name(inspection_id: str) -> str:
    """Return the name that an inspection act takes."""
    return f"inspection:{inspection_id}"


def seizure_name(seizure_id: str) -> str:
    """Return the name that a seizure takes."""
    return f"seizure:{seizure_id}"


def find_holders(connection: Connection, names: Iterable[str]) -> dict[str, ClaimHolder]:
    """Return the holders of these names, by name."""
    return {
        row[0]: ClaimHolder(*row) for row in fetch_rows_among(connection, _TAKEN, [*set(names)])
    }


_TAKEN = "SELECT name, post, kind, fingerprint, seq FROM answers WHERE name"


def find_answer(asked: IdempotencyClaim, known: Mapping[str, ClaimHolder]) -> int | None:
    """Return the sequence number of the recorded answer, None for a new request.

    Raises ``ConflictError`` where a name was taken with other content, or at another post.
    """
    for name in asked.names:
        if (found := known.get(name)) is not None:
            if (found.post, found.fingerprint.hex()) != asked.content:
                raise refuse_taken_name(asked.kind, name)
            return found.seq
    return None


def refuse_taken_name(kind: str, name: str) -> ConflictError:
    """Return the refusal of a request whose name is taken; whose it is stays unsaid."""
    at = _HOLDERS.get(name.partition(":")[0], "")
    return ConflictError(kind, name, MESSAGE_IDENTIFIER_TAKEN, at)


def project_answers(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the claimed names of these records; a record that takes a name twice fails."""
    rows = [
        (name, entry.post, entry.kind, bytes.fromhex(claim["fingerprint"]), entry.seq)
        for entry, draft in entries
        if COPIED not in draft.body and (claim := draft.body.get("claim")) is not None
        for name in claim["names"]
    ]
    insert_rows(connection, ANSWERS, rows)
    insert_rows(connection, ANSWERS, _list_free(connection, entries))


def _list_free(
    connection: Connection, entries: Sequence[tuple[Entry, Draft]]
) -> Sequence[tuple[object, ...]]:
    """Return the rows of names that copies take: of what each of them is about, where it is free.

    The names of its claim are the sender's word, and some hold numbers of its journal.
    """
    rows = {
        name: (name, entry.post, entry.kind, bytes.fromhex(claim["fingerprint"]), entry.seq)
        for entry, draft in reversed(entries)
        if COPIED in draft.body
        and (claim := draft.body.get("claim")) is not None
        and (name := _name_copy(entry, draft)) in claim["names"]
    }
    taken = find_holders(connection, rows) if rows else {}
    return [row for name, row in rows.items() if name not in taken]


def _name_copy(entry: Entry, draft: Draft) -> str:
    """Return the name that a copy takes, empty where it takes none."""
    rule = list_rules().get(entry.kind)
    if rule is None or rule.claimed is None:
        return ""
    found: object = draft.body if rule.claimed else entry.subject
    for name in rule.claimed:
        found = found.get(name) if isinstance(found, dict) else None
    return f"{CROSSING if entry.kind == DECISION else entry.kind}:{found}"
