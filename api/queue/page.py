"""The queue of a post: a page, and a stream that says when it is out of date."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy import Connection, func, select

from api.auth.callers import Caller
from api.auth.sessions import token_of
from api.http.dependencies import TheService
from api.queue.reads import WaitingVehicle, desk, mark, outcomes
from api.service.runtime import Runtime
from api.web.messages import MessageReader
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from engine.domain.records import PostCode, VehicleClass
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import DAY
from engine.errors import NotAuthenticatedError
from engine.queue.queue import DECISIONS
from engine.selection.policy import Channel

router = APIRouter(route_class=PageRoute, include_in_schema=False)

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


@router.get("/posts/{post}/queue")
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
    found = desk(service, post, visit.caller, is_blind=is_blind)
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


@router.get("/posts/{post}/queue/events")
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
        now = await asyncio.to_thread(mark, service, post)
        quiet += 1
        if now != text:
            text, quiet = now, 0
            yield f"event: queue\ndata: {now}\n\n"
        elif quiet % LOOKS_A_PING == 0:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def _still_is(service: Runtime, cookie: str, caller: Caller) -> bool:
    try:
        return await service.executors.look_up(service.sessions.caller, cookie) == caller
    except NotAuthenticatedError:
        return False


@router.get("/")
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
