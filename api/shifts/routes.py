"""The inspection minutes of a shift: put by a supervisor, read with what is left of them.

What a shift found, and how sure one may be of it.
"""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from api.http.access import ReachedPost
from api.http.answers import Acknowledged, acknowledge
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.service.runtime import Runtime
from api.shifts import steps
from api.shifts.answers import ShiftReport, ShiftRoster, SignedHandover
from api.shifts.readers import read_now, read_shift_report, read_shift_roster
from api.shifts.steps import leave_shift, take_shift
from engine.domain.field_types import Time
from engine.domain.rights import Role
from engine.domain.time_units import micros
from engine.journal.batch_worker import StoredRecord
from engine.journal.kinds import HANDOVER_TAKEN
from engine.shifts.handovers import HandoverNote, TakeoverNote
from engine.shifts.workload import Roster

router = json_router("/v1/posts", "roster", 404)


@router.put("/{post}/roster", **creates(Acknowledged, 409, 413, body=Roster))
def put_roster(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    post: ReachedPost,
    roster: Annotated[Roster, Depends(body_of(Roster))],
) -> Response:
    """Put the minutes of the shift, altogether; they hold until others are put."""
    found = steps.put_roster(service.recording, caller, post, roster, key)
    return answer(acknowledge(service, found, post), 201)


@router.get("/{post}/roster", response_model=ShiftRoster)
def read_roster(caller: TheCaller, service: TheService, post: ReachedPost) -> Response:
    """Return where the shift stands: its minutes, what they went to, and what is expected."""
    return answer(read_shift_roster(service, post, is_blind=caller.role is Role.CHECKPOINT))


handover_router = json_router("/v1/posts", "shift", 404)


@handover_router.post(
    "/{post}/handovers", **creates(SignedHandover, 409, 413, body=HandoverNote, is_owed=False)
)
def leave(
    caller: TheCaller,
    service: TheService,
    post: ReachedPost,
    note: Annotated[HandoverNote, Depends(body_of(HandoverNote, is_owed=False))],
) -> Response:
    """Sign the handover of a shift as the one who leaves; the engine states what is open."""
    done = leave_shift(service, caller, post, note)
    return answer(_acknowledge(service, done, done.entry.seq), 201)


@handover_router.post(
    "/{post}/handovers/{sequence}/signatures",
    **creates(SignedHandover, 409, 413, body=TakeoverNote, is_owed=False),
)
def take(
    caller: TheCaller,
    service: TheService,
    post: ReachedPost,
    sequence: Annotated[int, Path(ge=1, lt=1 << 63)],
    note: Annotated[TakeoverNote, Depends(body_of(TakeoverNote, is_owed=False))],
) -> Response:
    """Sign a handover as the one who takes over; never by the person who leaves."""
    done = take_shift(service, caller, post, sequence, note)
    return answer(_acknowledge(service, done, sequence), 201)


def _acknowledge(service: Runtime, done: StoredRecord, sequence: int) -> SignedHandover:
    return SignedHandover(
        sequence=sequence,
        shift=done.entry.subject,
        complete=done.entry.kind == HANDOVER_TAKEN,
        **service.answers.receipt(done),
    )


report_router = json_router("/v1/posts", "shift", 404)


@report_router.get("/{post}/shift", response_model=ShiftReport)
def shift(
    caller: TheCaller,
    service: TheService,
    post: ReachedPost,
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Return the report of the shift that a time falls into, by default the running one."""
    asked = read_now(service) if at is None else micros(at)
    return answer(read_shift_report(service, post, asked, caller))
