"""Copies of another installation's records: where each stands there, and what proves it.

A copy is a record of this journal. What the other journal says of it stands in its body under
``copied``; the rest of the body is the other's, key for key, so that leaf and chain value can be
computed again. Both times are true: when it was recorded there, and when it became known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Index, LargeBinary, String, select

from engine.journal.entries import Draft, Entry
from engine.journal.kinds import COPIED
from engine.storage.database import Int64, declare_columns, insert_rows, record_table

COPIES = record_table(
    "copied_records",
    *declare_columns(String, "origin"),
    *declare_columns(Int64, "number", "recorded_at", "known_at"),
    Column("chain", LargeBinary, nullable=False),
    Index("copied_records_number_ix", "origin", "number", unique=True),
)
"""``number`` and ``recorded_at`` are those of the journal it came from, ``known_at`` is when it
became known here. Times are UTC microseconds."""
_C = COPIES.c


def name_origin(fingerprint: str, journal_id: str, branch: int = 0) -> str:
    """Return the origin of copies of a journal, of the installation with this fingerprint."""
    return f"{fingerprint}:{journal_id}" + (f"~{branch}" if branch else "")


def project_copies(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which records are copies; runs before the projections that look them up."""
    rows = []
    for entry, draft in entries:
        if (copied := draft.body.get(COPIED)) is not None:
            place = entry.seq, draft.origin, draft.origin_seq, copied["known_at"]
            rows.append((*place, entry.known_at, bytes.fromhex(copied["chain"])))
    insert_rows(connection, COPIES, rows)


@dataclass(frozen=True, slots=True)
class NewestCopy:
    """The last record of another journal that is here."""

    number: int
    """In its own journal."""
    recorded_at: int
    """When it was recorded there: UTC microseconds."""
    known_at: int
    """When it arrived here."""


def find_newest(connection: Connection, fingerprint: str) -> NewestCopy | None:
    """Return the last record that is here of the newest journal of an installation."""
    query = (
        select(_C.number, _C.recorded_at, _C.known_at)
        .where(_C.origin >= f"{fingerprint}:", _C.origin < f"{fingerprint};")
        .order_by(_C.origin.desc(), _C.number.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else NewestCopy(*row)


def find_local_number(connection: Connection, draft: Draft, number: int) -> int:
    """Return the record here of a number that a body names; of a copy, that of the other journal.

    0 where that record did not arrive. Of one whose disk was restored since, it may be a record of
    an earlier branch: what came before the restored state is not sent again.
    """
    if (copied := draft.body.get(COPIED)) is None:
        return number
    about = draft.origin.partition(":")[0], copied["journal_id"]
    origins = [name_origin(*about, branch) for branch in range(copied["branch"] + 1)]
    query = select(_C.origin, _C.seq).where(_C.origin.in_(origins), _C.number == number)
    found = {row.origin: row.seq for row in connection.execute(query)}
    return next((found[one] for one in reversed(origins) if one in found), 0)


def find_origin(connection: Connection, seq: int) -> str:
    """Return the origin of a record that is a copy, empty of any other."""
    return connection.scalar(select(_C.origin).where(_C.seq == seq)) or ""


def find_copies(
    connection: Connection, origins: Sequence[str], *, first: int, last: int
) -> dict[tuple[str, int], bytes]:
    """Return the chain values of the copies with these numbers, by origin and number."""
    query = select(_C.origin, _C.number, _C.chain).where(
        _C.origin.in_(origins), _C.number.between(first, last)
    )
    return {(origin, number): bytes(chain) for origin, number, chain in connection.execute(query)}
