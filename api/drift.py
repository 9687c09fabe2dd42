"""Drift of the traffic and of the model in force, as last measured, over HTTP and as a page.

A new measurement runs in a process of its own and is recorded once for each request.
"""

import secrets
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from api.auth.callers import Caller
from api.http.answers import Answer, Time, reader
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.web import charts
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm
from engine.domain.records import Record
from engine.domain.time_units import RECENT_DAYS, rfc3339
from engine.errors import BusyError, NotEnoughDataError
from engine.journal.batch_worker import read_stored
from engine.journal.idempotency import claim
from engine.journal.kinds import DRIFT_MEASURED
from models.lifecycle.states import find_last_measurement, measurement, read_state
from models.statistics.intervals import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFamily(Answer):
    """How far the farthest feature of a family has moved."""

    family: str
    features: int
    moved: int
    """How many of them moved beyond chance and 0.1."""
    farthest: str
    psi: float
    """Population stability index: 0 where nothing moved."""
    noise: float
    """What samples of these sizes hardly ever exceed when nothing moved."""
    is_moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedScore(Answer):
    """How far scores have moved, and what that does to the load."""

    psi: float
    noise: float
    moved: bool
    above_cut: Estimate
    """Share now above the cut that once kept ``expected``."""
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched(Answer):
    """Searches against what was stated, week by week since the model came into force."""

    weeks: int
    evidence: float
    """Alarms at the threshold; about 1 where nothing changed."""
    threshold: float
    alarmed: bool
    """An alarm stays said until the model leaves."""
    stated: float | None
    """Mean chance of a discrepancy as stated before the searches."""
    found: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPart(Answer):
    """Drift at one post, or at all."""

    rows: int
    knowable: bool
    """Whether that many rows can tell anything."""
    families: list[MovedFamily]
    moved: int | None
    of: int
    score: MovedScore | None
    picked: Watched
    random: Watched


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestParty(Answer):
    """How much of what the score sent to a channel falls on one party, which is not named."""

    picks: int
    """The last ones of the period."""
    kind: str | None
    """What the party is to its vehicles; null where none is known."""
    share: float | None
    """Of the picks."""
    shifts: int
    """Shifts with picks enough to compare."""
    beyond: int
    """Those in which one party has more than half of the picks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Answer):
    """One measurement."""

    at: Time
    by: str
    version: str
    synthetic: bool
    since: Time
    until: Time
    in_force_since: Time | None
    """From when on searches count; null where the model does not decide."""
    decisions: int
    sampled: int
    left_out: int
    """Decisions whose features can no longer be read as they were."""
    span_days: float
    reference_rows: int
    largest_party: dict[str, LargestParty]
    """By channel."""
    all: DriftPart
    posts: dict[str, DriftPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAnswer(Answer):
    """The last measurement, and which model decides now."""

    tables = ("measured.all.families", "measured.posts")
    in_force: str | None
    measured: Drift | None


class DriftAsked(Record):
    """A new measurement."""

    days: Annotated[int, Field(ge=1, le=366)] = RECENT_DAYS
    """How far features and scores look back; searches count since the model came into force."""
    EXAMPLE: ClassVar = {"days": 28}


def read_drift(service: Runtime) -> DriftAnswer:
    """Return the last measurement of drift, who requested it and when; and the model in force."""
    with service.store.read() as connection:
        seq = find_last_measurement(connection)
        in_force = read_state(connection).in_force
        if seq is None:
            return DriftAnswer(in_force=in_force, measured=None)
        found = read_stored(connection, service.journal, seq)
    about = {"at": rfc3339(found.entry.known_at), "by": found.body["by"]}
    measured = reader(Drift).validate_python(about | found.body["figures"])
    return DriftAnswer(in_force=in_force, measured=measured)


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


router = json_router("/v1/drift", "models")


@router.get("", response_model=DriftAnswer)
def drift(_caller: TheCaller, service: TheService) -> Response:
    """Return the last measurement."""
    return answer(read_drift(service))


@router.post("", **creates(DriftAnswer, 409, 413, body=DriftAsked, is_owed=False))
def measure_anew(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    asked: Annotated[DriftAsked, Depends(body_of(DriftAsked, is_owed=False))],
) -> Response:
    """Measure again, in a process of its own, record it, and return it."""
    measure(service, caller, asked, key=key)
    return answer(read_drift(service), 201)


page_router = APIRouter(prefix="/drift", route_class=PageRoute, include_in_schema=False)


@page_router.get("")
def show(
    visit: TheVisit, service: TheService, at: Annotated[str, Query(max_length=16)] = ""
) -> Response:
    """Show the last measurement, over all posts or at one."""
    found = read_drift(service)
    measured = found.measured
    posts = {} if measured is None else measured.posts
    return visit.page(
        "drift.html",
        json_address="/v1/drift",
        found=found,
        measurement=measured,
        at=at if at in posts else "",
        part=posts.get(at, measured and measured.all),
        reach=charts.reach,
        side=charts.SIDE,
    )


@page_router.post("")
def measure_again(visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Measure again."""
    try:
        measure(service, visit.caller, DriftAsked())
    except (BusyError, NotEnoughDataError):
        return RedirectResponse("/drift?done=busy", 303)
    return RedirectResponse("/drift?done=measured", 303)
