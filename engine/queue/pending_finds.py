"""Finds that wait for the confirmation that they belong to a crossing of another post."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, String, bindparam, select, update

from engine.domain.records import Record
from engine.errors import NotFoundError
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE, ClaimBody, ConfirmationBody
from engine.journal.power_records import read_record
from engine.storage.database import (
    Int64,
    at_posts,
    declare_columns,
    execute_rows,
    insert_rows,
    record_table,
)

PENDING_FINDS = record_table(
    "pending_finds",
    *declare_columns(String, "post", "crossing_id"),
    *declare_columns(Int64, "known_at"),
    Column("confirmed_seq", Int64),
)
_P = PENDING_FINDS.c


class Confirmation(Record):
    """That a find belongs to the crossing it waits for; it says no more."""


@dataclass(frozen=True, slots=True)
class PendingFind:
    """A find that waits for its confirmation, as the seizure's record states it."""

    seq: int
    """The seizure's record."""
    post: str
    """Where the vehicle entered."""
    crossing_id: str
    known_at: int
    body: Mapping[str, Any]
    """The seizure's record, as the journal commits to it."""

    @property
    def agency(self) -> str | None:
        """The agency that took the goods; None where the record names none."""
        code: str | None = self.body["seizure"].get("agency")
        return code


def project_finds(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which finds wait, and which were confirmed."""
    waiting = [
        (entry.seq, body["pending_post"], body["pending_crossing_id"], entry.known_at, None)
        for entry, body in list_bodies(entries, SEIZURE)
        if "pending_crossing_id" in body
    ]
    insert_rows(connection, PENDING_FINDS, waiting)
    confirmed = [
        {
            "which": find_local_number(connection, draft, draft.body["of"]),
            "at_post": entry.post,
            "by": entry.seq,
        }
        for entry, draft in entries
        if entry.kind == FIND_CONFIRMED
    ]
    execute_rows(connection, _CONFIRMED, confirmed)


_CONFIRMED = (
    update(PENDING_FINDS)
    .where(_P.seq == bindparam("which"), _P.post == bindparam("at_post"))
    .values(confirmed_seq=bindparam("by"))
)


def pending_finds(
    connection: Connection, post: str | None, *, hidden: Collection[str] = (), most: int
) -> list[PendingFind]:
    """Return the finds that wait, the oldest first; ``post`` None means all but ``hidden`` ones."""
    query = select(_P.seq).where(_P.confirmed_seq.is_(None)).order_by(_P.seq).limit(most)
    query = query.where(*at_posts(_P.post, post, hidden))
    found = [_recorded(connection, seq) for seq in connection.scalars(query).all()]
    return [one for one in found if one and post in (None, one.post) and one.post not in hidden]


def pending_find(connection: Connection, seq: int, reaches: Callable[[str], bool]) -> PendingFind:
    """Return one find; raises ``NotFoundError``, also where its post is out of reach."""
    find = _recorded(connection, seq)
    if find is None or not reaches(find.post):
        raise NotFoundError("find", str(seq))
    return find


def _recorded(connection: Connection, seq: int) -> PendingFind | None:
    """Return what a record says of a find that waits: the table grants nothing."""
    record = read_record(connection, seq)
    if record is None or record.kind != SEIZURE or record.body is None:
        return None
    if not {"pending_post", "pending_crossing_id"} <= record.body.keys():
        return None
    post, crossing_id = record.body["pending_post"], record.body["pending_crossing_id"]
    return PendingFind(seq, post, crossing_id, record.known_at, record.body)


def confirmation_body(find: PendingFind, claim: ClaimBody, *, person: str) -> ConfirmationBody:
    """Return what the record of a confirmation says."""
    return {
        "claim": claim,
        "of": find.seq,
        "person": person,
        "seizure": find.body["seizure"],
        "linked_crossing_id": find.crossing_id,
    }
