"""Notifications of one caller, read from the present state, so that what was settled is gone.

A caller is told of a record only if a route would show it to them, by the rules that bound the
bodies of webhooks, and of an approval only if they may give it and did not begin it themselves.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from sqlalchemy import Connection, select

from api.acts.confirmations import waiting_finds
from api.acts.documents_asked import open_questions
from api.areas import list_parts
from api.auth.callers import Caller
from api.criteria.register import sees_rule
from api.decisions.readers import list_agreeable
from api.http.answers import Answer, Time
from api.notifications.event_bodies import ALARMS, EventBodies
from api.proposals.desk import ProposalDesk
from api.proposals.matters import name_content
from api.service.runtime import Runtime
from engine.criteria.dual_control import read_approval_states
from engine.criteria.policy import read_policy
from engine.criteria.register import read_rules
from engine.decision.inspection_minutes import CHANNEL_STEP
from engine.domain.rights import Right, Role
from engine.domain.time_units import DAY, rfc3339
from engine.journal import kinds as record
from engine.journal.areas import EventType
from engine.journal.journal import JournalReader
from engine.journal.power_records import FREQUENT, read_records
from engine.queue.corrections import list_open_requests
from engine.queue.match_outcomes import MATCHES
from engine.queue.queue import DECISIONS, last_of_crossing, read_plates
from engine.queue.reviews import REVIEWS
from engine.queue.takings import list_given
from engine.selection import Channel, ChannelCode
from engine.shifts.handovers import list_open_handovers
from engine.storage.database import split_in_slices
from features.catalogue.catalogue import read_families

NotificationKind = Literal[
    "watchlist_hit",
    "riskier_arrival",
    "vehicle_given",
    "circular",
    "approval_waiting",
    "answer_waiting",
    "correction_asked",
    "documents_overdue",
    "review_due",
    "alarm",
    "job_ended",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationView(Answer):
    """One thing that waits for the caller, or that the caller should look at."""

    kind: NotificationKind
    about: str
    """Of an approval its matter, of an alarm what raised it, of a hit ``vehicle``."""
    id: str
    """Of the profile, entry, model, record, case, decision or shift."""
    name: str | None = None
    """What people call it: a plate, what an entry names, a policy's setting, what a case is about;
    None where nothing better than ``id`` is known."""
    post: str | None = None
    at: Time
    said: str | None = None
    """Who asks for a correction or sends a vehicle elsewhere, and why."""
    channel: ChannelCode | None = None
    """Of a verdict that waits for a second supervisor, where it sends the vehicle."""
    instead_of: str | None = None
    """Of a riskier arrival, the decision on the red vehicle whose minutes it could take."""
    instead_of_name: str | None = None
    """The plate of that vehicle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications(Answer):
    """Notifications, the newest first; one leaves when its matter is settled."""

    tables = ("notifications",)
    notifications: list[NotificationView]


ASKED_DAYS = 7
"""How long a supervisor is told that a correction was asked for."""
HANDOVER_DAYS = 2
"""How old a shift may be whose handover is waited for; it is begun within a day of its end."""
MOST_HITS = 50
"""Vehicles named by the watch list, the newest first."""
RISKIER = 2.0
"""By how much the risk of a yellow vehicle exceeds a red one's before anybody is disturbed."""
_QUEUE = ("GET", "/v1/posts/{post}/queue")
_REVIEW = ("POST", "/v1/decisions/{decision_id}/reviews")
_FIND = ("POST", "/v1/finds/{sequence}/confirmations")
_CORRECTION = ("POST", "/v1/inspections/{inspection_id}/corrections")
_HANDOVER = ("POST", "/v1/posts/{post}/handovers/{sequence}/signatures")
_QUESTIONS = ("GET", "/v1/documents-asked")
_RULE_REVIEW = ("POST", "/v1/register/reviews")
_ALARMS = tuple(kind for kind in ALARMS if kind not in FREQUENT)
"""Those that an index finds: a day of a national journal is not walked for the others."""


def list_notifications(service: Runtime, caller: Caller) -> list[NotificationView]:
    """Return what waits for a caller, the newest first."""
    with service.store.read() as connection:
        bodies = EventBodies(service, connection, caller)
        now = service.journal.now(connection)
        found = [
            *_list_hits(connection, bodies, since=now - DAY),
            *_list_riskier(connection, caller, since=now - DAY),
            *_list_given(connection, caller, now=now),
            *_list_handovers(service, connection, caller, now=now),
            *_list_approvals(bodies, ProposalDesk(service, caller)),
            *_list_verdicts(service, connection, caller),
            *_list_reviews(connection, caller, now=now),
            *_list_asked(connection, caller, since=now - ASKED_DAYS * DAY),
            *_list_alarms(connection, bodies, since=now - DAY),
        ]
    found += _list_finds(service, caller)
    found += _list_overdue(service, caller)
    for list_more in list_parts("notifications"):
        found += list_more(service, caller)
    return sorted(found, key=lambda one: one.at, reverse=True)


def _list_hits(
    connection: Connection, bodies: EventBodies, *, since: int
) -> Iterator[NotificationView]:
    """Yield the vehicles in the queues that an entry in force named, whatever picked them."""
    states = read_approval_states(connection, "watchlist").values()
    entries = {one.subject for one in states if one.state == "in_force"}
    column = DECISIONS.c
    query = (
        select(column.seq, column.known_at, column.plate, MATCHES.c.code)
        .join(MATCHES, MATCHES.c.seq == column.seq)
        .where(column.waiting, column.known_at >= since)
        .order_by(column.seq.desc())
    )
    rows = connection.execute(query).all()
    named = {row.seq: row for row in rows if row.code in entries}
    for row in islice(named.values(), MOST_HITS):
        body = _see(bodies, row.seq, "watchlist.hit")
        if body is not None:
            yield NotificationView(
                kind="watchlist_hit",
                about="vehicle",
                id=body["decision_id"],
                name=row.plate or None,
                post=body["post"],
                at=rfc3339(row.known_at),
            )


def _list_riskier(
    connection: Connection, caller: Caller, *, since: int
) -> Iterator[NotificationView]:
    """Yield, for each post, the riskiest yellow vehicle that came after a red of half its risk.

    A red counts where the score alone picked it and no supervisor sent it, as on the queue's page:
    two verdicts could let the later vehicle have its minutes. A yellow vehicle on which a verdict
    stands is left out: a supervisor has decided. For who may give verdicts.
    """
    if not caller.may(*_REVIEW) or not caller.may(*_QUEUE):
        return
    entered, column = caller.enter(*_QUEUE), DECISIONS.c
    query = select(
        column.post,
        column.decision_id,
        column.known_at,
        column.p_seizure,
        column.basis,
        column.channel,
        column.place,
        column.plate,
    ).where(column.waiting, column.known_at >= since, column.p_seizure.is_not(None))
    waiting: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        if entered.reaches(row.post) and entered.sees_post(row.post):
            waiting[row.post].append(row)
    named = [row.decision_id for rows in waiting.values() for row in rows]
    reviewed = {
        decision_id
        for some in split_in_slices(named, 500)
        for decision_id in connection.scalars(
            select(REVIEWS.c.decision_id).where(REVIEWS.c.decision_id.in_(some))
        )
    }
    for post, rows in waiting.items():
        reds = [row for row in rows if _is_swappable(row)]
        if not reds:
            continue
        least = min(reds, key=lambda row: row.p_seizure)
        later = [
            row
            for row in rows
            if row.place // CHANNEL_STEP == Channel.YELLOW
            and row.p_seizure >= RISKIER * least.p_seizure
            and row.known_at > least.known_at
            and row.decision_id not in reviewed
        ]
        if later:
            one = max(later, key=lambda row: row.p_seizure)
            yield NotificationView(
                kind="riskier_arrival",
                about="vehicle",
                id=one.decision_id,
                name=one.plate or None,
                post=post,
                at=rfc3339(one.known_at),
                instead_of=least.decision_id,
                instead_of_name=least.plate or None,
            )


def _list_given(connection: Connection, caller: Caller, *, now: int) -> Iterator[NotificationView]:
    """Yield the waiting vehicles that a supervisor gave to the caller."""
    for one in list_given(connection, caller.person, as_of=now):
        known = last_of_crossing(connection, one.crossing_id)
        if known is not None:
            yield NotificationView(
                kind="vehicle_given",
                about="vehicle",
                id=known.decision_id,
                name=read_plates(connection, [known.decision_id]).get(known.decision_id),
                post=known.post,
                at=rfc3339(one.taken_at),
            )


def _is_swappable(row: Any) -> bool:
    is_red = row.place // CHANNEL_STEP == Channel.RED == row.channel
    return bool(is_red and row.basis == "score")


def _list_approvals(bodies: EventBodies, desk: ProposalDesk) -> Iterator[NotificationView]:
    """Yield what the caller may approve, and neither began nor approved.

    What is approved by command is told to everybody who sees it.
    """
    for one in desk.list_in(bodies.connection):
        matter, state = one.matter, one.state
        gave = (one.begun_by, *state.approvals) if state.leaving is None else (one.begun_by,)
        if not one.waits or desk.caller.person in gave:
            continue
        is_stated = matter.read is not None or _see(bodies, state.pending or 0, "approval.waiting")
        is_told = matter.is_by_command or desk.caller.permits(matter.rule(Right.APPROVE))
        if is_stated and is_told:
            yield NotificationView(
                kind="approval_waiting",
                about=matter.name,
                id=state.subject,
                name=one.name,
                at=rfc3339(state.since),
            )


def _list_verdicts(
    service: Runtime, connection: Connection, caller: Caller
) -> Iterator[NotificationView]:
    """Yield the vehicles that another supervisor lets go, if the caller may be the second."""
    for known, review in list_agreeable(service, connection, caller):
        said = review.body["review"]
        yield NotificationView(
            kind="approval_waiting",
            about="review",
            id=known.decision_id,
            name=read_plates(connection, [known.decision_id]).get(known.decision_id),
            post=known.post,
            at=rfc3339(review.known_at),
            said=f"{review.body['person']}: {said['reason']}",
            channel=said["channel"],
        )


def _list_reviews(
    connection: Connection, caller: Caller, *, now: int
) -> Iterator[NotificationView]:
    """Yield the rules whose day of review is past; for those who may review them."""
    if not caller.may(*_RULE_REVIEW):
        return
    entered = caller.enter(*_RULE_REVIEW)
    for one in read_rules(connection, families=read_families(), as_of=now):
        is_near = one.post is None or entered.reaches(one.post)
        if one.review_by is not None and one.is_overdue(now) and is_near and sees_rule(caller, one):
            about = "profile" if one.kind == "fact" else one.kind
            at = rfc3339(one.review_by)
            yield NotificationView(
                kind="review_due", about=about, id=one.code, post=one.post, at=at
            )


def _list_asked(
    connection: Connection, caller: Caller, *, since: int
) -> Iterator[NotificationView]:
    """Yield the corrections of acts that other people ask a supervisor for."""
    if caller.role is not Role.SUPERVISOR or not caller.may(*_CORRECTION):
        return
    entered = caller.enter(*_CORRECTION)
    for one in list_open_requests(connection, since=since):
        body = one.body
        known = last_of_crossing(connection, body["crossing_id"])
        if known is None or known.act_seq is None or known.post != one.post:
            continue
        act = JournalReader(connection).bodies([known.act_seq]).get(known.act_seq)
        if act is None or body["by"] == caller.person or not entered.reaches(known.post):
            continue
        if entered.covers(act["inspection"].get("agency")):
            plates = read_plates(connection, [known.decision_id])
            yield NotificationView(
                kind="correction_asked",
                about="act",
                id=known.decision_id,
                name=plates.get(known.decision_id),
                post=known.post,
                at=rfc3339(one.known_at),
                said=f"{body['by']}: {body['reason']}",
            )


def _list_handovers(
    service: Runtime, connection: Connection, caller: Caller, *, now: int
) -> Iterator[NotificationView]:
    """Yield the shifts of the last days that another supervisor signed and no one took over."""
    if not caller.may(*_HANDOVER):
        return
    entered = caller.enter(*_HANDOVER)
    plan = read_policy(connection).plan_shifts(service.network)
    shifts = []
    for post in filter(entered.reaches, service.network.posts):
        at = now
        while at >= now - HANDOVER_DAYS * DAY:
            shifts.append(plan.shift(post, at))
            at = shifts[-1].opens_at - 1
    for one in list_open_handovers(connection, shifts):
        if one.left.by != caller.person:
            yield NotificationView(
                kind="approval_waiting",
                about="handover",
                id=one.shift,
                post=one.post,
                at=rfc3339(one.left.known_at),
            )


def _list_finds(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    if caller.may(*_FIND):
        for one in waiting_finds(service, caller.enter(*_FIND)):
            if one.reported_by != caller.person:
                yield NotificationView(
                    kind="approval_waiting",
                    about="find",
                    id=str(one.sequence),
                    name=one.plate,
                    post=one.post,
                    at=one.recorded_at,
                )


def _list_overdue(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    """Yield the documents that did not come in time."""
    if caller.may(*_QUESTIONS):
        entered = caller.enter(*_QUESTIONS)
        for one in open_questions(service, entered, None, is_overdue=True):
            yield NotificationView(
                kind="documents_overdue",
                about="documents_asked",
                id=one.crossing_id,
                name=one.plate,
                post=one.post,
                at=one.due_at,
            )


def _list_alarms(
    connection: Connection, bodies: EventBodies, *, since: int
) -> Iterator[NotificationView]:
    """Yield the last day's alarms; of drift the last measurement alone counts."""
    last = {one.kind: one.seq for one in read_records(connection, [record.DRIFT_MEASURED])}
    for one in read_records(connection, _ALARMS):
        is_past = one.known_at < since or last.get(one.kind, one.seq) != one.seq
        is_lawful = one.kind == record.KNOWN_LAWFUL_SUSPENDED
        event_type: EventType = "known_lawful.suspended" if is_lawful else "alarm.raised"
        body = None if is_past else _see(bodies, one.seq, event_type)
        if body is not None:
            states = read_approval_states(connection, "known_lawful") if is_lawful else {}
            state = states.get(body["id"])
            yield NotificationView(
                kind="alarm",
                about=body["alarm"],
                id=body["id"],
                name=None if state is None else name_content(state.content),
                at=rfc3339(one.known_at),
            )


def _see(bodies: EventBodies, seq: int, event_type: EventType) -> Mapping[str, Any] | None:
    """Return what the caller may know of a record that is such an event, None for any other."""
    return bodies.show(seq, event_type) if bodies.is_stated(seq, event_type) else None
