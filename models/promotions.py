"""Where the records about models can be read without walking the journal: a projection.

Assumes that such records are few: the state is computed anew from all of them at each look.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, String, Table, insert, select

from engine.journal import Draft, Entry
from engine.store import METADATA, Int64
from models.promotion import KINDS, Event, State, state

MEASURED = "drift_measured"
"""Kind of the record of one measurement of drift; its subject is the version it is about."""
KEPT = (*KINDS, MEASURED)
"""What is kept here: a measurement moves no model, and is found again by its number."""
MODEL_RECORDS = Table(
    "model_records",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("version", String, nullable=False),
    Column("person", String, nullable=False),
    Column("manifest", String, nullable=False),
    Column("evaluation", String, nullable=False),
    Column("card", String, nullable=False),
)


class PromotionProjection:
    """Keeps what the journal says about models."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write the records about models among these."""
        rows = [
            {
                "seq": entry.seq,
                "kind": entry.kind,
                "version": entry.subject,
                "person": draft.body["by"],
                "manifest": draft.body.get("manifest", ""),
                "evaluation": draft.body.get("evaluation", ""),
                "card": draft.body.get("card", ""),
            }
            for entry, draft in entries
            if entry.kind in KEPT
        ]
        if rows:
            connection.execute(insert(MODEL_RECORDS), rows)


def read_state(connection: Connection) -> State:
    """Return where every model stands."""
    columns = MODEL_RECORDS.c
    query = select(
        columns.kind,
        columns.version,
        columns.person,
        columns.manifest,
        columns.evaluation,
        columns.card,
    ).order_by(columns.seq)
    return state(Event(*row) for row in connection.execute(query))


def measurement(version: str, *, by: str, figures: Mapping[str, Any]) -> Draft:
    """Return the record of one measurement of drift."""
    return Draft(MEASURED, version, "", {"by": by, "figures": dict(figures)})


def last_measured(connection: Connection) -> int | None:
    """Return the journal's number of the last measurement of drift, None where there is none."""
    columns = MODEL_RECORDS.c
    query = select(columns.seq).where(columns.kind == MEASURED).order_by(columns.seq.desc())
    found: int | None = connection.scalar(query.limit(1))
    return found


def in_force(connection: Connection) -> str | None:
    """Return the version that decides, None where none does."""
    return read_state(connection).in_force
