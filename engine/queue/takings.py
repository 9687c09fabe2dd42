"""Officers who have taken a waiting vehicle, so that two never work on one without knowing.

A supervisor may give a vehicle to a named officer, who then has taken it, and may take it back. A
taking is a record with its own end: it holds until it is given back, taken over, the vehicle is
inspected or has left, or its time has passed. It reserves nothing: an act of another person counts
all the same, and says whose the vehicle was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field
from sqlalchemy import Column, Connection, Index, Select, String, exists, func, select

from engine.domain.field_types import Identifier
from engine.domain.records import Record
from engine.domain.time_units import DAY, MINUTE, moment, rfc3339
from engine.errors import ConflictError, NotFoundError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.kinds import (
    VEHICLE_GIVEN_BACK,
    VEHICLE_TAKEN,
    VehicleGivenBackBody,
    VehicleTakenBody,
)
from engine.queue.match_outcomes import ACTS
from engine.queue.queue import DECISIONS, QueuedDecision, last_of_crossing, waits
from engine.selection import Handling
from engine.storage.database import Int64, declare_columns, insert_rows, record_table

TAKINGS = record_table(
    "takings",
    *declare_columns(String, "crossing_id", "post"),
    Column("person", String),
    Column("team", String),
    Column("given_by", String),
    *declare_columns(Int64, "taken_at", "until"),
    Index("takings_crossing_ix", "crossing_id"),
    Index("takings_person_ix", "person", "until"),
    Index("takings_post_ix", "post", "until"),
)
"""Who took a vehicle, and who gave it back: a row without a person."""
_T, _D, _LATER = TAKINGS.c, DECISIONS.c, TAKINGS.alias("later")
_WAITING = exists().where(_D.crossing_id == _T.crossing_id, _D.post == _T.post, _D.waiting)


class TakingRequest(Record):
    """That its sender takes a waiting vehicle."""

    over: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None
    """The number of the record by which another person holds it, to take it over."""
    EXAMPLE: ClassVar = {"over": 1042}


class GivingRequest(TakingRequest):
    """That its sender gives a waiting vehicle to an officer, by the name of an account."""

    to: Identifier
    EXAMPLE: ClassVar = {"to": "officer-7"}


class TakingStep(Record):
    """What one request about a taking says, for its fingerprint: who, and from what state."""

    crossing_id: Identifier
    person: str
    team: str | None
    over: int | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class VehicleHolder:
    """Who has taken a vehicle."""

    seq: int
    crossing_id: str
    person: str
    team: str | None
    given_by: str | None
    """The supervisor who gave it to that person."""
    taken_at: int
    until: int

    @property
    def name(self) -> str:
        """Who it is for a reader: the team where a machine's key took it for one."""
        return self.team or self.person

    @property
    def since(self) -> datetime:
        """When it was taken."""
        return moment(self.taken_at)

    def is_same(self, by: Handling) -> bool:
        """Tell whether the holder acts: the same team, or the same person for no other team.

        >>> holder = VehicleHolder(7, "c-1", "gate-key", "t-1", None, 0, 1)
        >>> [holder.is_same(Handling("gate-key", team)) for team in ("t-1", "t-2", None)]
        [True, False, True]
        """
        if by.team is not None and self.team is not None:
            return by.team == self.team
        return by.person == self.person


def project_takings(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep who took which vehicle."""
    rows: list[tuple[Any, ...]] = []
    for entry, body in list_bodies(entries, VEHICLE_TAKEN):
        about = (entry.seq, body["crossing_id"], entry.post)
        given = body.get("to")
        who = (body["by"], body["team"], None) if given is None else (given, None, body["by"])
        rows.append((*about, *who, entry.known_at, body["until"]))
    for entry, left in list_bodies(entries, VEHICLE_GIVEN_BACK):
        about = (entry.seq, left["crossing_id"], entry.post)
        rows.append((*about, None, None, None, entry.known_at, entry.known_at))
    insert_rows(connection, TAKINGS, rows)


def _select_holders(as_of: int) -> Select[Any]:
    """Return the query of takings that hold; that the vehicle waits is not part of it.

    Only the post that decided on a vehicle takes it, whatever a copied record says.
    """
    columns = (_T.seq, _T.crossing_id, _T.person, _T.team, _T.given_by, _T.taken_at, _T.until)
    return select(*columns).where(
        _T.until > as_of,
        _T.person.is_not(None),
        exists().where(_D.crossing_id == _T.crossing_id, _D.post == _T.post),
        ~exists().where(
            _LATER.c.crossing_id == _T.crossing_id, _LATER.c.post == _T.post, _LATER.c.seq > _T.seq
        ),
        ~exists().where(ACTS.c.crossing_id == _T.crossing_id, ACTS.c.seq > _T.seq),
    )


def read_holders(connection: Connection, post: str, *, as_of: int) -> dict[str, VehicleHolder]:
    """Return who has taken vehicles of a post, by crossing."""
    rows = connection.execute(_select_holders(as_of).where(_T.post == post))
    return {row[1]: VehicleHolder(*row) for row in rows}


def list_given(connection: Connection, person: str, *, as_of: int) -> list[VehicleHolder]:
    """Return the vehicles that a person was given and that wait, with who gave them."""
    query = _select_holders(as_of).where(_T.person == person, _T.given_by.is_not(None), _WAITING)
    return [VehicleHolder(*row) for row in connection.execute(query)]


def read_holder(connection: Connection, crossing_id: str, *, as_of: int) -> VehicleHolder | None:
    """Return who has taken a vehicle, None where it is free."""
    query = _select_holders(as_of).where(_T.crossing_id == crossing_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else VehicleHolder(*row)


def last_step(connection: Connection, crossing_id: str) -> int:
    """Return the number of the last record of a vehicle's takings, 0 before the first.

    A request takes a name with this number: of two that saw the same state one is recorded.
    """
    query = select(func.max(_T.seq)).where(_T.crossing_id == crossing_id)
    return connection.scalar(query) or 0


def draft_taking(
    connection: Connection,
    step: TakingStep,
    *,
    by: Handling,
    claim: IdempotencyClaim,
    as_of: int,
    minutes: float,
) -> Draft:
    """Return the record by which a person takes a vehicle, takes it over, or gives it to another.

    Raises ``NotFoundError`` where there is no decision on it, ``ConflictError`` where it does not
    wait or another person holds it by another record than ``step.over``.
    """
    _require_waiting(connection, step.crossing_id, as_of=as_of)
    holder = read_holder(connection, step.crossing_id, as_of=as_of)
    is_free = holder is None or holder.is_same(by) or holder.person == step.to
    other = None if is_free else holder
    if other is not None and step.over != other.seq:
        why = f"taken by {other.name} since {rfc3339(other.taken_at)}; over: {other.seq} takes over"
        raise ConflictError(VEHICLE_TAKEN, step.crossing_id, why)
    body: VehicleTakenBody = {
        "claim": claim.as_dict(),
        "by": by.person,
        "team": by.team,
        "crossing_id": step.crossing_id,
        "until": as_of + round(minutes * MINUTE),
        "over": None if other is None else other.seq,
    }
    if step.to is not None:
        body["to"] = step.to
    if by.agency is not None:
        body["agency"] = by.agency
    return VEHICLE_TAKEN.draft(step.crossing_id, body, post=claim.post)


def draft_return(
    connection: Connection, step: TakingStep, *, by: Handling, claim: IdempotencyClaim, as_of: int
) -> Draft:
    """Return the record by which a vehicle is free again; raises ``ConflictError``.

    Who holds it gives it back, or who gave it to them takes it back.
    """
    holder = read_holder(connection, step.crossing_id, as_of=as_of)
    if holder is None or not (holder.is_same(by) or holder.given_by == by.person):
        why = "its sender does not hold the vehicle"
        raise ConflictError(VEHICLE_GIVEN_BACK, step.crossing_id, why)
    body: VehicleGivenBackBody = {
        "claim": claim.as_dict(),
        "by": by.person,
        "team": by.team,
        "crossing_id": step.crossing_id,
        "of": holder.seq,
    }
    if by.agency is not None:
        body["agency"] = by.agency
    return VEHICLE_GIVEN_BACK.draft(step.crossing_id, body, post=claim.post)


def _require_waiting(connection: Connection, crossing_id: str, *, as_of: int) -> QueuedDecision:
    known = last_of_crossing(connection, crossing_id)
    if known is None:
        raise NotFoundError("decision", crossing_id)
    if known.known_at < as_of - DAY or not waits(connection, known.decision_id):
        why = "the vehicle does not wait for inspection"
        raise ConflictError(VEHICLE_TAKEN, crossing_id, why)
    return known
