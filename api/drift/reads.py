"""The last measurement of drift, and a new one: in a process of its own, once a request."""

import secrets
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.records import Record
from engine.domain.time_units import RECENT_DAYS, rfc3339
from engine.journal.batch_worker import read_record
from engine.journal.idempotency import claim
from engine.journal.kinds import DRIFT_MEASURED
from models.lifecycle.projection import last_measured, measurement, read_state


class DriftAsked(Record):
    """A new measurement."""

    days: Annotated[int, Field(ge=1, le=366)] = RECENT_DAYS
    """How far features and scores look back; searches count since the model came into force."""


def read_drift(service: Runtime) -> dict[str, Any]:
    """Return the last measurement of drift, who requested it and when; and the model in force."""
    with service.store.read() as connection:
        seq = last_measured(connection)
        in_force = read_state(connection).in_force
        if seq is None:
            return {"in_force": in_force, "measured": None}
        found = read_record(connection, service.journal, seq)
    about = {"at": rfc3339(found.entry.known_at), "by": found.body["by"]}
    return {"in_force": in_force, "measured": about | found.body["figures"]}


def measure(service: Runtime, caller: Caller, asked: DriftAsked, *, key: str | None = None) -> None:
    """Measure drift and record it, unless the same request did; raises as the measurement does."""
    name = f"{DRIFT_MEASURED}:{secrets.token_hex(12)}"
    wanted = claim(DRIFT_MEASURED, asked, post="", name=name, key=caller.own(key))
    if service.recording.before(wanted) is not None:
        return
    figures = service.measurements.run(days=asked.days)
    made = measurement(figures["version"], by=caller.person, figures=figures)
    draft = replace(made, body={"claim": wanted.as_dict(), **made.body})
    service.recording.once(wanted, lambda _: draft)
