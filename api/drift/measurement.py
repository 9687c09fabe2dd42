"""Drift measured for a caller: in a process of its own, and recorded once for each request."""

import secrets
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.records import Record
from engine.journal.idempotency import claim
from models.lifecycle.projection import MEASURED, measurement


class DriftAsked(Record):
    """A new measurement."""

    days: Annotated[int, Field(ge=1, le=366)] = 28
    """How far features and scores look back; searches count since the model came into force."""


def measure(runtime: Runtime, caller: Caller, asked: DriftAsked, *, key: str | None = None) -> None:
    """Measure drift and record it, unless the same request did; raises as the measurement does."""
    name = f"{MEASURED}:{secrets.token_hex(12)}"
    wanted = claim(MEASURED, asked, post="", name=name, key=caller.own(key))
    if runtime.recording.before(wanted) is not None:
        return
    figures = runtime.measurements.run(days=asked.days)
    made = measurement(figures["version"], by=caller.person, figures=figures)
    draft = replace(made, body={"claim": wanted.as_dict(), **made.body})
    runtime.recording.once(wanted, lambda _: draft)
