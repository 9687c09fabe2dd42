"""The queue of a post: its order, the minutes of its shift, and its page with a stream of changes.

The cut of the queue is after the last vehicle that is expected to fit into what the shift's acts
have left of the roster and the shift's end leaves of that.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy import Connection, func, select

from api.areas import find_part
from api.auth.callers import Caller
from api.auth.sessions import token_of
from api.decisions.answers import CheckpointView, SupervisorView
from api.decisions.questions import OpenQuestionView, read_waiting_questions
from api.decisions.readers import UNREAD, TheReading, list_agreeable, read_duties
from api.decisions.summary import Cargo, name_picks, read_cargo
from api.http.access import ReachedPost, visible_reasons
from api.http.answers import Answer, Time
from api.http.dependencies import TheService
from api.http.responses import answer, json_router
from api.service.runtime import Runtime
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from engine.criteria.policy import read_policy
from engine.decision.inspection_minutes import CHANNEL_STEP, Minutes
from engine.domain.field_types import PostCode
from engine.domain.records import VehicleClass
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import DAY, moment
from engine.errors import NotAuthenticatedError
from engine.journal.entries import JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, ReviewBody
from engine.queue.corrections import read_stated
from engine.queue.documents_asked import list_questions
from engine.queue.expected_duty import ExpectedDuty, UsualDuties
from engine.queue.queue import (
    DECISIONS,
    QueuedDecision,
    count_waiting,
    last_of_crossing,
    list_waiting,
)
from engine.queue.reviews import order_of_review
from engine.queue.takings import VehicleHolder, read_holders
from engine.search_orders.order import is_working
from engine.selection import Channel
from engine.shifts.period_counts import ChannelMinutes, read_minutes
from engine.shifts.workload import ROSTERS, ChannelCapacity


@dataclass(frozen=True, slots=True)
class Queue(Answer):
    """What waits at a post, in the order of the search; each with its rank as of now."""

    tables = ("waiting",)
    post: str
    as_of: Time
    waiting: list[SupervisorView | CheckpointView]


_D = DECISIONS.c
_J = JOURNAL.c


@dataclass(frozen=True, slots=True)
class WaitingVehicle:
    """One waiting vehicle."""

    position: int
    decision_id: str
    channel: str
    """Where it waits now."""
    is_sent: bool
    """A supervisor sent it here, against the engine."""
    crossing: Mapping[str, Any]
    cargo: Cargo
    waited: float
    """Minutes since its arrival."""
    minutes: float
    """Expected of its inspection."""
    place: str | None
    """Where to look first."""
    is_amended: bool
    why: "WhyWaiting | None"
    """None for a blind reader."""
    is_short: bool = False
    """It stands before a riskier one of its channel because it takes fewer minutes."""
    holder: VehicleHolder | None = None
    """Who has taken it."""
    question: OpenQuestionView | None = None
    """Documents that were asked for, the ones due first."""
    proposed: str | None = None
    """Where another supervisor sends it, if the reader may be the second who does."""
    fits: bool = True
    """It lies above the cut of its channel."""


@dataclass(frozen=True, slots=True)
class WhyWaiting:
    """What a supervisor sees of a waiting vehicle, and a checkpoint does not."""

    percentile: float | None
    """Share of the post's recent decisions with a lower risk; None where rules decided."""
    band: str
    picks: tuple[tuple[str, str, str], ...]
    """What picked it: the basis, a code (of a profile) and its title."""
    reasons: tuple[Mapping[str, Any], ...]
    """The first reason as its record holds it, a random check apart, which is among the picks; a
    second where the neighbour begins alike."""
    is_exchangeable: bool
    """The score alone picked it: neither chance nor a profile, the watch list or a person."""
    duty: ExpectedDuty | None = None
    """Of a yellow vehicle; None where it is not known."""


@dataclass(frozen=True, slots=True)
class MinutesMeter:
    """One channel's minutes in the shift."""

    channel: str
    minutes: ChannelMinutes
    side: ChannelCapacity | None
    """What is still expected; None without a roster."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """A post's queue as of a moment."""

    as_of: datetime
    closes_at: datetime
    vehicles: Sequence[WaitingVehicle]
    meters: Sequence[MinutesMeter]
    has_scanner: bool
    exchange: "tuple[WaitingVehicle, WaitingVehicle] | None"
    """A yellow vehicle riskier than a red one that the score picked, and that red one."""
    mark: str
    """Changes with whatever is shown here, but for the passing of time."""
    has_unread: bool
    """The reader has not read a circular to the post."""


def read_queue(service: Runtime, post: str, caller: Caller, *, is_blind: bool) -> QueueView:
    """Return a post's queue; a blind reader gets no reasons."""
    with service.store.read() as snapshot:
        as_of = service.journal.now(snapshot)
        known = list_waiting(snapshot, post, as_of=as_of)
        holders = read_holders(snapshot, post, as_of=as_of)
        questions = read_waiting_questions(snapshot, caller, post, now=as_of)
        bodies = JournalReader(snapshot).bodies([one.seq for one in known])
        shift = read_policy(snapshot).plan_shifts(service.network).shift(post, as_of)
        running = service.workload.read_load(snapshot, shift, now=as_of)
        waiting = count_waiting(snapshot, as_of=as_of, post=post).get(post, {})
        minutes = read_minutes(snapshot, shift, service.network, waiting, now=as_of)
        found = () if is_blind else list_agreeable(service, snapshot, caller, _D.post == post)
        agreeable = {one.decision_id: review for one, review in found}
        shown = _mark(snapshot, post, known, agreeable, since=shift.opens_at, as_of=as_of)
        for one in known:
            if one.seq not in bodies:
                continue
            decision = bodies[one.seq]["decision"]
            decision["reasons"] = visible_reasons(caller, decision["reasons"])
            decision |= order_of_review(snapshot, one)
        tell_unread = find_part("unread_circulars")
        has_unread = tell_unread is not None and tell_unread(snapshot, caller, post, now=as_of)
        duties = None if is_blind else read_duties(snapshot, caller)
    sides = running.sides()
    vehicles = [
        replace(
            _vehicle(position, one, bodies[one.seq], as_of=as_of, duties=duties),
            holder=holders.get(one.crossing_id),
            question=questions.get(one.crossing_id),
            proposed=agreeable[one.decision_id].body["review"]["channel"]
            if one.decision_id in agreeable
            else None,
        )
        for position, one in enumerate(known, 1)
        if one.seq in bodies
    ]
    vehicles = _tell_neighbours_apart(vehicles)
    free: dict[str, float] = {channel.code: one.free for channel, one in minutes.items()}
    return QueueView(
        moment(as_of),
        moment(shift.closes_at),
        _cut(mark_short(vehicles), free),
        [MinutesMeter(code.code, one, sides.get(code)) for code, one in minutes.items()],
        has_scanner=is_working("xray", running.equipment),
        exchange=find_swap(vehicles),
        mark=shown,
        has_unread=has_unread,
    )


def mark(service: Runtime, post: str, caller: Caller) -> str:
    """Return what changes with a post's queue as a caller sees it."""
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        since = read_policy(snapshot).plan_shifts(service.network).shift(post, now).opens_at
        known = list_waiting(snapshot, post, as_of=now)
        found = list_agreeable(service, snapshot, caller, _D.post == post)
        agreeable = {one.decision_id: review for one, review in found}
        return _mark(snapshot, post, known, agreeable, since=since, as_of=now)


def _mark(
    snapshot: Connection,
    post: str,
    known: Sequence[QueuedDecision],
    agreeable: Mapping[str, JournalRecord[ReviewBody]],
    *,
    since: int,
    as_of: int,
) -> str:
    decided = snapshot.execute(
        select(func.max(_D.known_at), func.count(_D.act_seq)).where(
            _D.post == post, _D.known_at >= since
        )
    ).one()
    roster = snapshot.scalar(select(func.max(ROSTERS.c.seq)).where(ROSTERS.c.post == post))
    # Not the places: they hold the risk, which could be found by trying where the rest is known.
    taken = sorted(one.seq for one in read_holders(snapshot, post, as_of=as_of).values())
    asked = [
        (one.seq, one.came_seq)
        for one in list_questions(snapshot, post, is_waiting=True, most=None)
    ]
    waiting = [(one.seq, int(one.channel)) for one in known]
    proposed = sorted(one.seq for one in agreeable.values())
    shown = repr((tuple(decided), roster, waiting, taken, asked, proposed))
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _vehicle(
    position: int,
    known: QueuedDecision,
    body: Mapping[str, Any],
    *,
    as_of: int,
    duties: UsualDuties | None,
) -> WaitingVehicle:
    """Return a waiting vehicle; without ``duties`` as a blind reader sees it."""
    decision, channel = body["decision"], Channel(known.place // CHANNEL_STEP)
    order = decision["search_order"]
    crossing = UNREAD | body["arrival"]["crossing"]
    arrived = datetime.fromisoformat(crossing["arrived_at"])
    return WaitingVehicle(
        position=position,
        decision_id=known.decision_id,
        channel=channel.code,
        is_sent=channel.code != decision["channel"],
        crossing=crossing,
        cargo=read_cargo(body["arrival"]),
        waited=max((moment(as_of) - arrived).total_seconds() / 60.0, 0.0),
        minutes=Minutes(**body["inputs"]["minutes"]).of(channel),
        place=next((step["place"] for step in order if step["place"] is not None), None),
        is_amended=body["inputs"]["amendment"] > 0,
        why=None if duties is None else _why(body, channel, duties),
    )


def _why(body: Mapping[str, Any], channel: Channel, duties: UsualDuties) -> WhyWaiting:
    """Return why a vehicle was sent to officers, from its record."""
    decision, picks = body["decision"], name_picks(body)
    messages = {one["message"] for one in decision["reasons"]}
    told = [one for one in decision["reasons"] if one["message"] not in _DRAWN]
    return WhyWaiting(
        percentile=decision["risk"]["percentile"],
        band=decision["risk"]["band"],
        picks=picks,
        reasons=() if messages & _BY_LOT_ALONE else tuple(told[:2]),
        duty=duties.expect(body["arrival"], decision["risk"]["p_discrepancy"])
        if channel is Channel.YELLOW
        else None,
        is_exchangeable=[basis for basis, _, _ in picks] == ["score"],
    )


_BY_LOT_ALONE = frozenset({"random_check", "random_papers_check"})
_DRAWN = _BY_LOT_ALONE | {"random_check_and_more"}
"""Reasons that say again what a pick says."""


def _tell_neighbours_apart(vehicles: Sequence[WaitingVehicle]) -> list[WaitingVehicle]:
    """Keep a second reason that raises the risk where the vehicle before begins with the same.

    A sentence on small signs names the largest itself, which is what the second one would state.
    """
    found, before = [], ""
    for one in vehicles:
        if one.why is not None:
            first, *second = one.why.reasons or ({"code": "", "contribution": 0.0},)
            is_telling = first["code"] == before and second and second[0]["contribution"] > 0.0
            shown = one.why.reasons if is_telling else one.why.reasons[:1]
            one = replace(one, why=replace(one.why, reasons=shown))
            before = "" if first["code"] == "small_signs" else first["code"]
        found.append(one)
    return found


def find_swap(
    vehicles: Sequence[WaitingVehicle],
) -> tuple[WaitingVehicle, WaitingVehicle] | None:
    """Return the riskiest yellow and the red that the score picked with the least risk.

    None where no yellow is riskier, and for a blind reader. A red that chance, a profile, the watch
    list or a supervisor sent is not given up for another's risk.
    """
    known = [
        (one.why.percentile, one)
        for one in vehicles
        if one.why is not None and one.why.percentile is not None
    ]
    yellow = [pair for pair in known if pair[1].channel == "yellow"]
    red = [
        (risk, one)
        for risk, one in known
        if one.channel == "red" and one.why and one.why.is_exchangeable and not one.is_sent
    ]
    if not yellow or not red:
        return None
    highest = max(yellow, key=lambda pair: pair[0])
    lowest = min(red, key=lambda pair: pair[0])
    return (highest[1], lowest[1]) if highest[0] > lowest[0] else None


SHORTER = 5.0
"""Minutes by which a check is shorter for all to see."""


def mark_short(vehicles: Sequence[WaitingVehicle]) -> list[WaitingVehicle]:
    """Mark each that stands before a riskier one of its channel, since it takes fewer minutes."""
    found: list[WaitingVehicle] = []
    riskiest: dict[str, tuple[float, float]] = {}
    for one in reversed(vehicles):
        is_ranked = one.why is not None and one.why.is_exchangeable
        level = (one.why and one.why.percentile) or -1.0
        risk, minutes = riskiest.get(one.channel, (-1.0, 0.0))
        is_short = is_ranked and level < risk and one.minutes < minutes - SHORTER
        found.append(replace(one, is_short=is_short))
        riskiest[one.channel] = max((risk, minutes), (level, one.minutes))
    return found[::-1]


def _cut(vehicles: Sequence[WaitingVehicle], free: Mapping[str, float]) -> list[WaitingVehicle]:
    """Tell which vehicles fit into the free minutes of their channel, in their order."""
    rest = dict(free)
    found = []
    for one in vehicles:
        rest[one.channel] = rest.get(one.channel, math.inf) - one.minutes
        found.append(replace(one, fits=rest[one.channel] >= 0.0))
    return found


MOST_LISTED = 50
"""Acts and releases that the page lists, the last of all."""


@dataclass(frozen=True, slots=True)
class QueueOutcome:
    """How one vehicle left the queue."""

    decision_id: str
    crossing: Mapping[str, Any]
    at: datetime
    by: str | None
    """Who recorded it; None in an act that a partner told of."""
    found: str | None
    """Outcome of its inspection act; None where it was released without one."""


def outcomes(service: Runtime, post: str, caller: Caller) -> Sequence[QueueOutcome]:
    """Return the acts and releases of a post in its running shift, the newest first."""
    found = []
    with service.store.read() as snapshot:
        shift = (
            read_policy(snapshot)
            .plan_shifts(service.network)
            .shift(post, service.journal.now(snapshot))
        )
        kinds: tuple[Kind[Any], ...] = (INSPECTION, RELEASE)
        left = [_J.post == post, _J.known_at >= shift.opens_at]
        for record in read_stated(snapshot, *kinds, where=left, newest=MOST_LISTED):
            body = record.body
            known = last_of_crossing(snapshot, body["crossing_id"])
            agency = body.get("inspection", {}).get("agency")
            if known is not None and caller.sees(Matter.ACTS, agency):
                crossing = _read_crossing(service, snapshot, known)
                act = body.get("inspection", {}).get("outcome")
                at, by = moment(record.known_at), body.get("by")
                found.append(QueueOutcome(known.decision_id, crossing, at, by, act))
    return found


def _read_crossing(service: Runtime, snapshot: Connection, known: QueuedDecision) -> dict[str, Any]:
    crossing = service.journal.body(snapshot, known.seq, of=DECISION)["arrival"]["crossing"]
    return UNREAD | crossing


router = json_router("/v1/posts", "queue", 404)


@router.get("/{post}/queue", response_model=Queue)
def queue(reading: TheReading, post: ReachedPost) -> Response:
    """Return the waiting vehicles in the order of the search."""
    return answer(reading.queue(post))


page_router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_SHOWN = 200
"""Vehicles on one page of the queue."""
Order = Literal["rank", "risk", "wait", "minutes"]
"""By the order of the search, the risk, the time since arrival, or the minutes that it takes."""
LOOK_SECONDS = 0.5
"""How often an open page's queue is looked at: a page follows within two seconds."""
LOOKS_A_PING = 30
"""Looks without news after which the line is kept alive."""
SESSION_SECONDS = 5.0
"""How long a session that was looked up is believed, however much there is to say meanwhile."""

_LINKED = (Matter.DECISIONS, Matter.REPORTS, Matter.INTEGRITY)
"""What the list of posts has pages of."""


@page_router.get("/posts/{post}/queue")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    channel: Annotated[Literal["red", "yellow", ""], Query()] = "",
    lane: Annotated[VehicleClass | Literal[""], Query()] = "",
    to: Annotated[PostCode | Literal[""], Query()] = "",
    order: Annotated[Order, Query()] = "rank",
    page: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """Show what waits, a page at a time; ``to`` goes on to another post's queue."""
    kept: dict[str, Any] = {"channel": channel, "lane": lane}
    kept |= {"order": order} if order != "rank" else {}
    if to not in ("", post):
        return RedirectResponse(f"/posts/{quote(to, safe='')}/queue?{urlencode(kept)}", 303)
    is_blind = visit.caller.role is Role.CHECKPOINT
    found = read_queue(service, post, visit.caller, is_blind=is_blind)
    with service.store.read() as snapshot:
        line = service.posts.read_lines(snapshot, now=service.journal.now(snapshot)).get(post)
    shown = [
        one
        for one in found.vehicles
        if channel in ("", one.channel) and lane in ("", one.crossing["vehicle_class"])
    ]
    pages = max(-(-len(shown) // MOST_SHOWN), 1)
    page = min(page, pages)
    begins = (page - 1) * MOST_SHOWN
    return visit.page(
        "queue.html",
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/queue",
        desk=found,
        line=line,
        has_scanner=found.has_scanner,
        number=len(shown),
        shown=sort_vehicles(shown, order)[begins : begins + MOST_SHOWN],
        page=page,
        pages=pages,
        kept=urlencode(kept),
        order=order,
        posts=[]
        if visit.caller.post
        else sorted({*service.network.posts, post} - visit.caller.hidden_posts),
        channel=channel,
        lane=lane,
        lanes=sorted({one.crossing["vehicle_class"] for one in found.vehicles} | ({lane} - {""})),
        is_blind=is_blind,
        left=outcomes(service, post, visit.caller),
        retell=MessageReader(visit.speech),
    )


def sort_vehicles(vehicles: Sequence[WaitingVehicle], order: Order) -> list[WaitingVehicle]:
    """Return vehicles in an order, the largest first; equal ones by the order of the search.

    A blind reader's have no risk and stay in the order of the search.
    """
    keys: dict[Order, Callable[[WaitingVehicle], float]] = {
        "rank": lambda one: one.position,
        "risk": lambda one: -((one.why and one.why.percentile) or 0.0),
        "wait": lambda one: -one.waited,
        "minutes": lambda one: -one.minutes,
    }
    return sorted(vehicles, key=keys[order])


@page_router.get("/posts/{post}/queue/events")
async def events(visit: TheVisit, service: TheService, post: VisitedPost) -> Response:
    """Say that the queue changed, for as long as the session lasts (server-sent events)."""
    return StreamingResponse(
        _changes(service, post, token_of(visit.request), visit.caller),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _changes(service: Runtime, post: str, cookie: str, caller: Caller) -> AsyncIterator[str]:
    """Yield what to say, until the session or its person's role or post is another."""
    yield "retry: 1000\n\n"
    text, quiet, believed = "", 0, time.monotonic() + SESSION_SECONDS
    while True:
        if time.monotonic() >= believed:
            if not await _still_is(service, cookie, caller):
                return
            believed = time.monotonic() + SESSION_SECONDS
        now = await asyncio.to_thread(mark, service, post, caller)
        quiet += 1
        if now != text:
            text, quiet = now, 0
            yield f"event: queue\ndata: {now}\n\n"
        elif quiet % LOOKS_A_PING == 0:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def _still_is(service: Runtime, cookie: str, caller: Caller) -> bool:
    try:
        look_up = partial(service.sessions.caller, is_used=False)
        return await service.executors.look_up(look_up, cookie) == caller
    except NotAuthenticatedError:
        return False


@page_router.get("/")
def first(visit: TheVisit, service: TheService) -> Response:
    """Show the posts; who is bound to one goes to its queue."""
    own = visit.caller.post
    if own is not None and visit.visitor.may("GET", "/v1/posts/{post}/queue"):
        return RedirectResponse(f"/posts/{own}/queue", 303)
    caller = visit.caller
    hidden = [caller.duties.hidden_posts(matter, Right.SEE) for matter in _LINKED]
    posts = [
        one if caller.sees_post(one["code"]) else one | {"waiting": None}
        for one in _posts(service)
        if caller.post in (None, one["code"]) and not all(one["code"] in each for each in hidden)
    ]
    return visit.page("posts.html", posts=posts)


def _posts(service: Runtime) -> list[dict[str, Any]]:
    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        waiting = _count_waiting(snapshot, since=as_of - DAY)
    known = service.network.posts
    codes = sorted({*known, *waiting})
    return [
        {
            "code": code,
            "name": known[code].name if code in known else "",
            "pair": known[code].pair if code in known else None,
            "waiting": waiting.get(code, {}),
        }
        for code in codes
    ]


def _count_waiting(snapshot: Connection, *, since: int) -> dict[str, dict[str, int]]:
    """Return how many vehicles wait at each post, by channel."""
    column = DECISIONS.c
    query = (
        select(column.post, column.channel, func.count())
        .where(column.waiting, column.known_at >= since)
        .group_by(column.post, column.channel)
    )
    found: dict[str, dict[str, int]] = {}
    for post, channel, number in snapshot.execute(query):
        found.setdefault(post, {})[Channel(channel).code] = number
    return found
