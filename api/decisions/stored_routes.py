"""Routes of decisions that were made: read again, amended, reviewed."""

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from api.decisions.answers import (
    CheckpointView,
    Decisions,
    Explanation,
    FeatureValues,
    OpenedView,
    Recomputation,
    SupervisorView,
)
from api.decisions.readers import DecisionFilter, DecisionReader, TheReading, first_words
from api.decisions.routes import FORMATS, SentArrival
from api.decisions.vehicle_history import PastView
from api.http.access import check_arrival
from api.http.answers import Acknowledged, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, document_problems, json_router
from engine.domain.field_types import Identifier, PostCode, Time
from engine.domain.records import Arrival, Outcome
from engine.domain.time_units import NEVER, micros
from engine.journal.idempotency import claim
from engine.journal.kinds import DECISION, REVIEW
from engine.queue.reviews import Review, Reviewer
from engine.selection import ChannelCode

router = json_router("/v1/decisions", "decisions")

MOST_LISTED = 1000
DecisionId = Annotated[Identifier, Path()]


@router.post(
    "/{decision_id}/amendments",
    **FORMATS.document(creates(CheckpointView, 404, 409, 413, 429, body=Arrival)),
)
async def amend(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    decision_id: DecisionId,
    arrival: SentArrival,
) -> Response:
    """Decide again on an arrival whose declaration was changed: linked to the first, same draws."""
    check_arrival(service.network, caller, arrival, now=service.present.now())
    known = await asyncio.to_thread(DecisionReader(service, caller).locate, decision_id)
    asked = claim(DECISION, arrival, post=known.post, name="", key=key)
    names = (*asked.names[:-1], f"amendment:{known.crossing_id}:{asked.fingerprint}")
    asked = replace(asked, names=names)
    found = await service.bridge.wait(service.targeting.decide(arrival, asked, amended=known))
    service.metrics.count_decision(found)
    seen = service.answers.view_decision(found, is_blind=True)
    return FORMATS.answer(request, seen, arrival.declaration)


@router.post("/{decision_id}/reviews", **creates(Acknowledged, 404, 409, 413, body=Review))
def review(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    decision_id: DecisionId,
    review: Annotated[Review, Depends(body_of(Review))],
) -> Response:
    """Uphold a decision, or send the vehicle elsewhere; the decision stays as it was made."""
    found = DecisionReader(service, caller).locate(decision_id)
    name, own = f"{REVIEW}:{secrets.token_hex(12)}", caller.own(key)
    asked = claim(REVIEW, review, post=found.post, name=name, key=own, about=decision_id)
    by = Reviewer(caller.person, caller.is_person, caller.agency)
    may_second = first_words(service.accounts, caller)
    kept = service.recording.review(found, review, asked, by=by, may_second=may_second)
    return answer(acknowledge(service, kept, decision_id), 201)


@router.get("", response_model=Decisions)
def decisions(
    reading: TheReading,
    post: Annotated[PostCode | None, Query()] = None,
    channel: Annotated[ChannelCode | None, Query()] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    since: Annotated[Time | None, Query()] = None,
    until: Annotated[Time | None, Query()] = None,
    before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
) -> Response:
    """List decisions, the newest first; ``since`` and ``until`` are times with an offset.

    ``outcome`` is that of the act that answered the referral. ``before`` reads on: the
    ``next_before`` of the answer before.
    """
    wanted = DecisionFilter(
        post=post,
        channel=channel,
        outcome=outcome,
        since=0 if since is None else micros(since),
        until=NEVER if until is None else micros(until),
        before=before,
    )
    return answer(reading.list_decisions(wanted, most=limit))


@router.get(
    "/{decision_id}",
    response_model=SupervisorView | OpenedView | CheckpointView,
    responses=document_problems(404),
)
def decision(reading: TheReading, decision_id: DecisionId) -> Response:
    """Return one decision; a checkpoint reads what the reasons are about once its act is filed."""
    return answer(reading.decision(decision_id))


@router.get(
    "/{decision_id}/features", response_model=FeatureValues, responses=document_problems(404)
)
def features(reading: TheReading, decision_id: DecisionId) -> Response:
    """Return the features of a decision, read again as of its time."""
    return answer(reading.features(decision_id))


@router.get(
    "/{decision_id}/explanation", response_model=Explanation, responses=document_problems(404)
)
def explanation(reading: TheReading, decision_id: DecisionId) -> Response:
    """Return what speaks for and against, computed again for any channel."""
    return answer(reading.explanation(decision_id))


@router.get(
    "/{decision_id}/recomputation",
    response_model=Recomputation,
    responses=document_problems(404),
)
def recomputation(reading: TheReading, decision_id: DecisionId) -> Response:
    """Make a decision again from its record, and name what differs from it."""
    return answer(reading.recompute(decision_id))


@router.get("/{decision_id}/past", response_model=PastView, responses=document_problems(404))
def past(reading: TheReading, decision_id: DecisionId) -> Response:
    """Return what was known of the vehicle and its parties when it was decided on."""
    return answer(reading.past(decision_id))
