"""State of every model, read from the journal's records about models.

Assumes that such records are few: the state is computed again from all of them at each look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection

from engine.journal.entries import Draft
from engine.journal.kinds import DRIFT_MEASURED, MODEL_RETIRED, TRIAL_MEASURED
from engine.journal.payloads import TrialBody
from engine.journal.power_records import PowerRecord, find_last_sequence, read_records
from models.lifecycle.states import KINDS, ModelEvent, ModelStates, state

EVEN = 0.5
"""Share of a challenger that nothing was found about yet."""


def read_state(connection: Connection) -> ModelStates:
    """Return where every model stands."""
    return state(_events(connection))


def came_into_force(connection: Connection, version: str) -> int | None:
    """Return the number of the record that put a version into force; None where it does not decide.

    Where it left and came back, that is the record by which it came back.
    """
    events = _events(connection)
    if state(events).in_force != version:
        return None
    while state(events[:-1]).in_force == version:
        events.pop()
    return events[-1].seq


def _events(connection: Connection) -> list[ModelEvent]:
    return [_event(record) for record in read_records(connection, KINDS) if _counts(record)]


def _counts(record: PowerRecord) -> bool:
    """Tell whether a record moves a model: one that is not proven only takes a model away."""
    return record.body is not None or record.kind == MODEL_RETIRED


def _event(record: PowerRecord) -> ModelEvent:
    body = record.body or {}
    return ModelEvent(
        kind=record.kind,
        version=record.subject,
        by=str(body.get("by", "")),
        manifest=body.get("manifest", ""),
        evaluation=body.get("evaluation", ""),
        card=body.get("card", ""),
        seq=record.seq,
        dismissed=tuple(body.get("dismissed", ())),
    )


def measurement(version: str, *, by: str, figures: Mapping[str, Any]) -> Draft:
    """Return the record of one measurement of drift."""
    return DRIFT_MEASURED.draft(version, {"by": by, "figures": dict(figures)})


def last_measured(connection: Connection) -> int | None:
    """Return the journal's number of the last measurement of drift, None where there is none."""
    return find_last_sequence(connection, DRIFT_MEASURED)


def in_force(connection: Connection) -> str | None:
    """Return the version that decides, None where none does."""
    return read_state(connection).in_force


@dataclass(frozen=True, slots=True)
class OnTrial:
    """Two models that share what the score may pick."""

    champion: str
    """The version in force."""
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival."""


def on_trial(connection: Connection) -> OnTrial | None:
    """Return the trial that runs, with its share as measured last; None where none does."""
    now = read_state(connection)
    challenger = now.challenger
    if now.in_force is None or challenger is None or challenger.trial is None:
        return None
    measured = last_of_trial(connection, challenger.trial)
    share = EVEN if measured is None else measured[1]["share"]
    return OnTrial(now.in_force, challenger.version, challenger.trial, share)


def last_of_trial(connection: Connection, sequence: int) -> tuple[int, TrialBody] | None:
    """Return the last measurement of the trial that this record began: its number and its body."""
    for record in reversed(read_records(connection, (TRIAL_MEASURED,), after=sequence)):
        body = record.body
        # One that was under way as the trial before it ended is of that one.
        if body is not None and body["trial"] == sequence:
            return record.seq, cast("TrialBody", body)
    return None
