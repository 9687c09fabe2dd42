"""One tap on a reason of a decision, *helped* or *wrong*, and what was said of each reason."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Response

from api.auth.callers import Caller
from api.decisions.answers import name_family
from api.decisions.readers import DecisionReader
from api.http.answers import Acknowledged, Answer, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from engine.domain.field_types import Identifier
from engine.errors import NotFoundError
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim
from engine.journal.kinds import REASON_JUDGED, ReasonJudgedBody
from engine.queue.reviews import ReasonVerdict, count_verdicts

router = json_router("/v1", "decisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount(Answer):
    """What officers said of the reasons of one code."""

    code: str
    """Of a feature or a rule; of who saw words alone, what the reason is about."""
    family: str
    helped: int
    wrong: int
    decisions: int
    """How many decisions they spoke of."""


@dataclass(frozen=True, slots=True)
class ReasonCounts(Answer):
    """Reasons of which officers said something, the most disputed first."""

    tables = ("reasons",)
    reasons: list[ReasonCount]


def describe_verdicts(service: Runtime, caller: Caller) -> ReasonCounts:
    """Return what was said of each reason at the posts that a caller sees."""
    with service.store.read() as connection:
        found = list(count_verdicts(connection, post=caller.post, hidden=caller.hidden_posts))
    return ReasonCounts(
        [
            ReasonCount(
                code=one.code,
                family=name_family(one.code),
                helped=one.helped,
                wrong=one.wrong,
                decisions=one.decisions,
            )
            for one in found
        ]
    )


def judge_reason(
    service: Runtime,
    caller: Caller,
    decision_id: str,
    verdict: ReasonVerdict,
    key: str | None = None,
) -> StoredRecord:
    """Record a verdict on a reason that its sender sees.

    Raises ``NotFoundError``, also for a reason that the decision does not show.
    """
    reader = DecisionReader(service, caller)
    known = reader.locate(decision_id)
    shown = {
        one["code"] if isinstance(one, dict) else one.code
        for one in reader.decision(decision_id).get("reasons", ())
    }
    if verdict.code not in shown:
        raise NotFoundError("reason", verdict.code)
    name = f"{REASON_JUDGED}:{secrets.token_hex(12)}"
    asked = claim(
        REASON_JUDGED,
        verdict,
        post=known.post,
        name=name,
        key=caller.own(key),
        about=decision_id,
    )
    body: ReasonJudgedBody = {
        "claim": asked.as_dict(),
        "by": caller.person,
        "decision_id": decision_id,
        "crossing_id": known.crossing_id,
        "code": verdict.code,
        "verdict": verdict.verdict,
    }
    return service.recording.once(
        asked, lambda _: REASON_JUDGED.draft(decision_id, body, post=known.post)
    )


@router.get("/reasons", response_model=ReasonCounts)
def reasons(caller: TheCaller, service: TheService) -> Response:
    """List what officers said of the reasons, by code."""
    return answer(describe_verdicts(service, caller))


@router.post(
    "/decisions/{decision_id}/reason-verdicts",
    **creates(Acknowledged, 404, 409, 413, body=ReasonVerdict),
)
def judge(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    decision_id: Annotated[Identifier, Path()],
    verdict: Annotated[ReasonVerdict, Depends(body_of(ReasonVerdict))],
) -> Response:
    """Say that a reason helped, or that it was wrong; the last word of a person counts."""
    done = judge_reason(service, caller, decision_id, verdict, key)
    return answer(acknowledge(service, done, decision_id), 201)
