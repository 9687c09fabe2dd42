"""The rosters that supervisors put: the inspection minutes of a shift, by method.

A roster holds until the next one is put. Put within a shift, it is the shift's minutes altogether,
those already spent among them: a post that loses half its bays at noon puts half the minutes.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field
from sqlalchemy import Column, Connection, Float, String, Table, delete, insert

from engine.journal import Draft, Entry
from engine.minutes import lesson, teach
from engine.queue import INSPECTION
from engine.records import Method, Record
from engine.store import METADATA, Int64, fetch

ROSTER = "roster"
"""Kind of the record that puts one."""
MOST_MINUTES = 100_000.0

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("post", String, primary_key=True),
    Column("method", String, primary_key=True),
    Column("minutes", Float(53), nullable=False),
    Column("seq", Int64, nullable=False),
)
_R = ROSTERS.c
_OF_POST = "SELECT method, minutes FROM rosters WHERE post = ?"


class Roster(Record):
    """The inspection minutes of a shift."""

    minutes: Annotated[
        dict[Method, Annotated[float, Field(ge=0, le=MOST_MINUTES, allow_inf_nan=False)]],
        Field(min_length=1),
    ]
    """By method; a method that is not named bounds nothing."""


def roster(
    connection: Connection, post: str, otherwise: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the roster of a post, or else what the network file says."""
    return dict(fetch(connection, _OF_POST, [post])) or otherwise


class RosterProjection:
    """Keeps rosters, and what acts teach about minutes."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say about minutes."""
        for entry, draft in entries:
            if entry.kind == ROSTER:
                connection.execute(delete(ROSTERS).where(_R.post == entry.post))
                rows = [
                    {"post": entry.post, "method": method, "minutes": minutes, "seq": entry.seq}
                    for method, minutes in draft.body["minutes"].items()
                ]
                connection.execute(insert(ROSTERS), rows)
            elif entry.kind == INSPECTION and (who := draft.body.get("vehicle_class")):
                act = draft.body["inspection"]
                teach(connection, lesson(who, act.get("methods", ()), act.get("minutes")))
