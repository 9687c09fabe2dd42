"""The rosters that supervisors put: the inspection minutes of a shift, who is on it, what works.

A roster holds until the next one is put. Put within a shift, it is the shift's minutes altogether,
those already spent among them: a post that loses half its bays at noon puts half the minutes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, Connection, Float, String, Table, delete

from engine.decision.inspection_minutes import lessons_of, teach
from engine.domain.network import Count, Network
from engine.domain.records import Code, Identifier, Method, Record
from engine.errors import RecordError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import ROSTER
from engine.search_orders.equipment import NEEDED, is_working, join_equipment
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows, insert_rows

MOST_MINUTES = 100_000.0
MOST_TEAMS = 100
MOST_EQUIPMENT = 16

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("post", String, primary_key=True),
    Column("method", String, primary_key=True),
    *declare_columns(Float(53), "minutes"),
    *declare_columns(Int64, "seq"),
    *declare_columns(String, "teams", "equipment"),
)
_R = ROSTERS.c
_OF_POST = "SELECT method, minutes, teams, equipment FROM rosters WHERE post = ?"


def _once_each(teams: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(teams)) != len(teams):
        raise PydanticCustomError("duplicate_id", "a team is named twice")
    return teams


class Roster(Record):
    """The inspection minutes of a shift, and who inspects."""

    minutes: Annotated[
        dict[Method, Annotated[float, Field(ge=0, le=MOST_MINUTES, allow_inf_nan=False)]],
        Field(min_length=1),
    ]
    """By method; a method that is not named bounds nothing."""
    teams: Annotated[
        tuple[Identifier, ...], Field(max_length=MOST_TEAMS), AfterValidator(_once_each)
    ] = ()
    """Codes of the teams or officers on the shift; a referred vehicle is assigned one at random."""
    equipment: Annotated[dict[Code, Count], Field(max_length=MOST_EQUIPMENT)] = Field(
        default_factory=dict
    )
    """How many of each work in the shift, such as xray or canine; else as the network file says."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a post has to inspect with."""

    minutes: Mapping[str, float]
    """By method."""
    teams: tuple[str, ...] = ()
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work, by code; what is not named is not known."""


def require_known_equipment(roster: Roster, post: str, network: Network) -> None:
    """Refuse equipment that no method uses and that the network file does not give to the post.

    A misspelt scanner would else be one that the order never asks for. Raises ``RecordError``.
    """
    known = network.posts.get(post)
    codes = sorted({*NEEDED.values(), *({} if known is None else known.equipment)})
    if not roster.equipment.keys() <= set(codes):
        raise RecordError(
            "roster", "equipment", "unknown_equipment", f"known at this post: {', '.join(codes)}"
        )


def read_roster(connection: Connection, post: str, network: Network) -> Hands:
    """Return the roster of a post; what it does not say is as the network file states it."""
    known = network.posts.get(post)
    stated = {} if known is None else known.equipment
    rows = fetch_rows(connection, _OF_POST, [post])
    if not rows:
        return Hands({} if known is None else known.roster, (), join_equipment(stated, {}))
    minutes = {method: minutes for method, minutes, *_ in rows}
    _, _, teams, equipment = rows[0]
    return Hands(minutes, tuple(json.loads(teams)), join_equipment(stated, json.loads(equipment)))


def has_scanner(connection: Connection, post: str, network: Network) -> bool:
    """Tell whether a post can scan now; so, as far as nothing is known of its equipment."""
    return is_working("xray", read_roster(connection, post, network).equipment)


class RosterProjection:
    """Keeps rosters, and what acts teach about minutes."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say about minutes."""
        for entry, body in list_bodies(entries, ROSTER):
            connection.execute(delete(ROSTERS).where(_R.post == entry.post))
            teams, equipment = json.dumps(body["teams"]), json.dumps(body["equipment"])
            rows = [
                (entry.post, method, time, entry.seq, teams, equipment)
                for method, time in body["minutes"].items()
            ]
            insert_rows(connection, ROSTERS, rows)
        for entry, draft in entries:
            teach(connection, lessons_of(entry.kind, draft.body))
