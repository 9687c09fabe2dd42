"""Acts over HTTP: inspections, seizures, releases, takings, and crossings without a decision."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from api.acts.corrections import correct_act, correct_seizure, request_correction
from api.auth.callers import check_officer
from api.http.access import check_arrival, fill_agency, post_of
from api.http.answers import (
    Acknowledged,
    AcknowledgedAct,
    AcknowledgedTakenAct,
    acknowledge,
    acknowledge_act,
)
from api.http.dependencies import IdempotencyKey, Team, TheCaller, TheService
from api.http.request_bodies import (
    ReportedAct,
    body_of,
    find_formats,
    reported_act,
    reported_arrival,
)
from api.http.responses import answer, creates, json_router
from engine.domain.field_types import Identifier
from engine.domain.records import Arrival, ReportedSeizure
from engine.errors import RecordError
from engine.journal.idempotency import claim, crossing_name, inspection_name, seizure_name
from engine.journal.kinds import CROSSING, INSPECTION, RELEASE, SEIZURE
from engine.queue.corrections import ActCorrection, CorrectionRequest, SeizureCorrection
from engine.queue.documents_asked import DocumentsAsked
from engine.queue.takings import GivingRequest, TakingRequest
from engine.selection import Handling
from engine.targeting.report_writer import ReleaseReason

FORMATS = find_formats()
router = json_router("/v1", "acts", 404, 409, 413)


@router.post(
    "/inspections",
    **creates(AcknowledgedTakenAct | AcknowledgedAct, body=ReportedAct, other=DocumentsAsked),
)
def inspect(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    act: Annotated[ReportedAct | DocumentsAsked, Depends(reported_act)],
    team: Team = None,
) -> Response:
    """File an inspection act; why it took place is the engine's to say where it referred.

    With the outcome ``documents_asked`` it is no act: the next act on the vehicle answers it.
    """
    post = post_of(service.recording, caller, act.crossing_id)
    asked = claim(INSPECTION, act, post=post, name=inspection_name(act.inspection_id), key=key)
    if isinstance(act, DocumentsAsked):
        act = fill_agency(caller, act)
        done = service.recording.ask_for_documents(act, asked, person=caller.person)
        return answer(acknowledge_act(service, done), 201)
    act, by = fill_agency(caller, act), Handling(caller.person, team, caller.agency)
    found = service.recording.inspection(act, asked, said=act.basis, by=by)
    return answer(acknowledge_act(service, found), 201)


@router.post("/seizures", **creates(Acknowledged, body=ReportedSeizure))
def seize(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    seizure: Annotated[ReportedSeizure, Depends(body_of(ReportedSeizure))],
) -> Response:
    """Record goods taken; a plate alone is linked to its last entry within 30 days before.

    Where that entry is at another post than the sender's, the find waits to be confirmed.
    """
    post = caller.post or ""
    if seizure.crossing_id is not None:
        post = post_of(service.recording, caller, seizure.crossing_id)
    asked = claim(SEIZURE, seizure, post=post, name=seizure_name(seizure.seizure_id), key=key)
    seizure, person = fill_agency(caller, seizure), caller.person
    found = service.recording.seizure(
        seizure, asked, person=person, within=caller.post, hidden=caller.hidden_posts
    )
    return answer(acknowledge(service, found, seizure.seizure_id), 201)


# an identifier may hold a slash, which comes as one from %2F
@router.post(
    "/inspections/{inspection_id:path}/corrections",
    **creates(AcknowledgedAct, body=ActCorrection),
)
def restate_act(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    inspection_id: Annotated[Identifier, Path()],
    correction: Annotated[ActCorrection, Depends(body_of(ActCorrection))],
) -> Response:
    """State an inspection act again, and why; both statements stay in the journal.

    A milder outcome takes a supervisor who is another person than the one who filed the act.
    """
    found = correct_act(service, caller, inspection_id, correction, key)
    return answer(acknowledge_act(service, found), 201)


@router.post(
    "/inspections/{inspection_id:path}/correction-requests",
    **creates(Acknowledged, body=CorrectionRequest),
)
def ask_for_correction(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    inspection_id: Annotated[Identifier, Path()],
    request: Annotated[CorrectionRequest, Depends(body_of(CorrectionRequest))],
) -> Response:
    """Ask a supervisor to record a correction; they are notified until one is, for seven days."""
    found = request_correction(service, caller, inspection_id, request, key)
    return answer(acknowledge(service, found, found.entry.subject), 201)


@router.post(
    "/seizures/{seizure_id:path}/corrections", **creates(Acknowledged, body=SeizureCorrection)
)
def restate_seizure(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    seizure_id: Annotated[Identifier, Path()],
    correction: Annotated[SeizureCorrection, Depends(body_of(SeizureCorrection))],
) -> Response:
    """State a seizure again, or withdraw it, and why.

    Less, or nothing, seized takes a supervisor who is another person than the one who reported it.
    """
    found = correct_seizure(service, caller, seizure_id, correction, key)
    return answer(acknowledge(service, found, seizure_id), 201)


crossings_router = json_router("/v1/crossings", "crossings")


@crossings_router.post("", **FORMATS.document(creates(Acknowledged, 409, 413, body=Arrival)))
def record(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    arrival: Annotated[Arrival, Depends(FORMATS.arrival_body(reported_arrival))],
) -> Response:
    """Record a crossing, bare or with its declaration: an exit, the paired post's, a late one."""
    check_arrival(service.network, caller, arrival, now=service.present.now())
    crossing = arrival.crossing
    name = crossing_name(crossing.crossing_id)
    asked = claim(CROSSING, arrival, post=crossing.post, name=name, key=key)
    found = service.recording.crossing(arrival, asked)
    service.late_records.judge()
    seen = acknowledge(service, found, crossing.crossing_id)
    return FORMATS.answer(request, seen, arrival.declaration)


# an identifier may hold a slash, which comes as one from %2F
@crossings_router.post(
    "/{crossing_id:path}/release",
    **creates(Acknowledged, 404, 409, 413, body=ReleaseReason, is_owed=False),
)
def release(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    crossing_id: Annotated[Identifier, Path()],
    reason: Annotated[ReleaseReason, Depends(body_of(ReleaseReason, is_owed=False))],
    team: Team = None,
) -> Response:
    """Record that a vehicle has left the queue; the body says why, where the sender knows."""
    post = post_of(service.recording, caller, crossing_id)
    content = reason.about(crossing_id)
    asked = claim(RELEASE, content, post=post, name=f"{RELEASE}:{crossing_id}", key=key)
    found = service.recording.release(
        content, asked, by=Handling(caller.person, team, caller.agency)
    )
    return answer(acknowledge(service, found, crossing_id), 201)


@crossings_router.post(
    "/{crossing_id:path}/takings",
    **creates(Acknowledged, 404, 409, 413, body=TakingRequest, is_owed=False),
)
def take(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    crossing_id: Annotated[Identifier, Path()],
    taking: Annotated[TakingRequest, Depends(body_of(TakingRequest, is_owed=False))],
    team: Team = None,
) -> Response:
    """Take a waiting vehicle, so that no other officer begins it without knowing.

    One that another holds answers 409 and says who; ``over`` with the number of that taking takes
    it over. A machine's key names the team.
    """
    post = post_of(service.recording, caller, crossing_id)
    if team is None and not caller.is_person:
        why = "a machine's key names the team that takes the vehicle"
        raise RecordError("taking", "team", "missing_key", why)
    by, minutes = Handling(caller.person, team, caller.agency), service.settings.taken_minutes
    found = service.recording.hold(taking, crossing_id, post=post, by=by, minutes=minutes, key=key)
    return answer(acknowledge(service, found, crossing_id), 201)


@crossings_router.post(
    "/{crossing_id:path}/assignments",
    **creates(Acknowledged, 404, 409, 413, body=GivingRequest),
)
def give(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    crossing_id: Annotated[Identifier, Path()],
    giving: Annotated[GivingRequest, Depends(body_of(GivingRequest))],
) -> Response:
    """Give a waiting vehicle to an officer of the post, who is notified.

    One that another holds answers 409, as a taking does. The sender may take it back.
    """
    post = post_of(service.recording, caller, crossing_id)
    check_officer(service.accounts.look(), giving.to, post)
    by, minutes = Handling(caller.person, None, caller.agency), service.settings.taken_minutes
    found = service.recording.hold(giving, crossing_id, post=post, by=by, minutes=minutes, key=key)
    return answer(acknowledge(service, found, crossing_id), 201)


@crossings_router.post("/{crossing_id:path}/returns", **creates(Acknowledged, 404, 409))
def give_back(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    crossing_id: Annotated[Identifier, Path()],
    team: Team = None,
) -> Response:
    """Give back a vehicle that the sender has taken, or take back one that they gave."""
    post = post_of(service.recording, caller, crossing_id)
    by = Handling(caller.person, team, caller.agency)
    found = service.recording.hold(None, crossing_id, post=post, by=by, minutes=0, key=key)
    return answer(acknowledge(service, found, crossing_id), 201)
