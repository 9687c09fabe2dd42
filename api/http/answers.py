"""Base of the types of answers, and answers that several slices share.

An answer is one frozen dataclass: a reader builds it from a row, a page shows it, ``answer`` writes
it as JSON, and the OpenAPI document describes it. Its schema is built when the document is asked
for, so a start does not wait for it. Each route names one type, not a list or a choice.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, WithJsonSchema

from api.service.runtime import Runtime
from engine.criteria.dual_control import State
from engine.decision.decision import Mode
from engine.journal.batch_worker import StoredRecord
from engine.journal.receipts import Receipt

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time of an answer, as RFC 3339 text in UTC."""
Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
"""A day of an answer, as RFC 3339 text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Base of every answer, which is a frozen dataclass with slots."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(defer_build=True)
    tables: ClassVar[tuple[str, ...]] = ()
    """Lists in it that a route also answers as CSV, by their paths; the first is the default."""


@cache
def reader(kind: Any) -> TypeAdapter[Any]:
    """Return what reads JSON as a type of answer."""
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Answer):
    """A record that stands in the journal."""

    recorded_at: Time
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Recorded):
    """A report or a step that stands in the journal, and nothing else to be said of it."""

    kind: str
    """Kind of the record."""
    id: str
    """What it is about, as the route names it: a crossing, a seizure, a post, a job, a key."""


def acknowledge(service: Runtime, found: StoredRecord, identifier: str) -> Acknowledged:
    """Return the acknowledgement of a report or a step."""
    return Acknowledged(kind=found.entry.kind, id=identifier, **service.answers.receipt(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedStep(Recorded):
    """A step of two people that stands in the journal."""

    kind: str
    id: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedAccount(AcknowledgedStep):
    """A step about a person's account."""

    code: str | None
    """The code of the invitation that this administrator hands over; None without one."""


def describe_step(service: Runtime, found: StoredRecord) -> dict[str, Any]:
    """Return the fields of the acknowledgement of a step of two people."""
    about = {"id": found.entry.subject, "state": found.body.get("state", "proposed")}
    return {"kind": found.entry.kind} | about | service.answers.receipt(found)


def acknowledge_step(service: Runtime, found: StoredRecord) -> AcknowledgedStep:
    """Return the acknowledgement of a step that nothing else is said of."""
    return AcknowledgedStep(**describe_step(service, found))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedAct(Recorded):
    """An inspection act that stands in the journal; never the basis of the referral."""

    inspection_id: str
    crossing_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedTakenAct(AcknowledgedAct):
    """The same, on a vehicle that another person than the one who filed the act had taken."""

    taken_by: str


def acknowledge_act(service: Runtime, found: StoredRecord) -> AcknowledgedAct:
    """Return the acknowledgement of an inspection act."""
    act = found.body["inspection"]
    known = {name: act[name] for name in ("inspection_id", "crossing_id")}
    known |= service.answers.receipt(found)
    if "taken_by" in found.body:
        return AcknowledgedTakenAct(**known, taken_by=found.body["taken_by"])
    return AcknowledgedAct(**known)


@dataclass(frozen=True, slots=True)
class Alive(Answer):
    """The process answers."""

    alive: Literal[True] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Answer):
    """Whether decisions can be recorded, by which model they are made, and why not otherwise."""

    ready: bool
    store: str
    """``ok``, or what keeps the store from taking a record."""
    mode: Mode
    model_version: str | None
    why: str
    """Empty where the model that was put into force last decides."""
    challenger: str | None
    """The model on trial, which leads some of the arrivals."""
    trial_why: str
    """Empty where the model that was put on trial leads some of the arrivals."""
    synthetic: bool
    """The network is synthetic."""
    clock: Literal["ok", "held", "unknown"]
    """``held`` where the wall clock is not followed until a person accepts it; ``unknown`` where
    the store cannot be read."""
    clock_ahead_seconds: float
    """How far the wall clock is ahead of the journal's time while it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault(Answer):
    """Where a body breaks which rule."""

    at: str
    rule: str
    why: str = ""
    position: int | None = None
    """Of what an expression is refused for, counted from 1."""
    message: str | None = None
    """Stable identifier of ``why`` where it has one; ``parameters`` are its values."""
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Answer):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    fields: list[FieldFault] | None = None
