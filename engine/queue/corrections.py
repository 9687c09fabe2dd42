"""Corrections of inspection acts and seizures: records that compensate, and what holds since.

A correction restates one earlier record as a whole and says why. Both stay in the journal. What it
states is known from its own record on: features as of an earlier time stay what they were, and
everything that is read as of now (labels, reports, pages) has the last statement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Index, func, select

from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, JournalRecord, Kind
from engine.journal.journal import JournalReader
from engine.journal.kinds import INSPECTION_CORRECTED, SEIZURE_CORRECTED
from engine.ports import CorrectionEvent, FindEvent
from engine.storage.database import Int64, insert_rows, record_table

CORRECTIONS = record_table(
    "corrections",
    Column("of", Int64, nullable=False),
    Index("corrections_of_ix", "of"),
)
"""Records that correct another one, by its number."""
CORRECTED_KINDS: tuple[Kind[Any], ...] = (INSPECTION_CORRECTED, SEIZURE_CORRECTED)
_C = CORRECTIONS.c
Json = dict[str, Any]


class CorrectionProjection:
    """Keeps which record corrects which."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Add what these records correct."""
        found = [
            (entry.seq, find_local_number(connection, draft, draft.body["of"]))
            for entry, draft in entries
            if entry.kind in CORRECTED_KINDS
        ]
        insert_rows(connection, CORRECTIONS, [row for row in found if row[1]])


class Corrections:
    """What earlier acts and seizures say as of the snapshot, or as of a record's number."""

    def __init__(self, connection: Connection, *, upto: int | None = None) -> None:
        last = select(_C.of, func.max(_C.seq)).group_by(_C.of)
        if upto is not None:
            last = last.where(_C.seq <= upto)
        self._connection = connection
        self._last: dict[int, int] = {row[0]: row[1] for row in connection.execute(last)}

    def read(self, seq: int, body: Mapping[str, Any]) -> Json | None:
        """Return a record's body as it was last stated; None for a seizure that was withdrawn."""
        by = self._last.get(seq)
        if by is None:
            return dict(body)
        stated = JournalReader(self._connection).bodies([by]).get(by)
        if stated is None:  # erased with what it corrects
            return None
        name = "inspection" if "inspection" in stated else "seizure"
        if stated[name] is None:
            return None
        return dict(body) | {name: stated[name]}

    def bodies(self, bodies: Mapping[int, Mapping[str, Any]]) -> dict[int, Json]:
        """Return bodies of acts or seizures by number, as they were last stated."""
        found = {seq: self.read(seq, body) for seq, body in bodies.items()}
        return {seq: body for seq, body in found.items() if body is not None}


def read_stated(
    connection: Connection,
    *kinds: Kind[Any],
    where: Sequence[ColumnElement[bool]] = (),
    newest: int | None = None,
) -> Iterator[JournalRecord[Any]]:
    """Yield records of acts and seizures in the journal's order, as they were last stated."""
    known = Corrections(connection)
    for record in JournalReader(connection).records(*kinds, where=where, newest=newest):
        body = known.read(record.seq, record.body)
        if body is not None:
            yield replace(record, body=body)


def compensate_find(
    crossing_id: str, was: FindEvent | None, now: FindEvent | None
) -> CorrectionEvent:
    """Return the event by which a corrected find counts as it is stated now."""
    after, before = (
        (1, one.grams) if one is not None and one.is_elsewhere else (0, 0) for one in (now, was)
    )
    return CorrectionEvent(crossing_id, after[0] - before[0], after[1] - before[1])


def list_corrections(connection: Connection, seq: int) -> list[int]:
    """Return the numbers of the records that correct one, the oldest first."""
    return list(connection.scalars(select(_C.seq).where(_C.of == seq).order_by(_C.seq)))
