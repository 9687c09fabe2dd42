"""The queue of a post: a page, and a stream that says when it is out of date."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api.auth.callers import Caller
from api.auth.permissions import Role
from api.auth.sessions import token_of
from api.http.dependencies import RunningService
from api.http.guards import check_path
from api.queue.outcomes_page import outcomes
from api.queue.page_data import desk, mark
from api.service.runtime import Runtime
from api.web.page_route import PageRoute
from api.web.templates_env import page, speech_of
from api.web.translation import Translator
from api.web.visitor import TheVisitor
from engine.domain.records import PostCode, VehicleClass
from engine.errors import NotAuthenticatedError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_SHOWN = 200
"""Vehicles on one page; those behind them are far below any cut."""
LOOK_SECONDS = 0.5
"""How often an open page's queue is looked at: a page follows within two seconds."""
LOOKS_A_PING = 30
"""Looks without news after which the line is kept alive."""
SESSION_SECONDS = 5.0
"""How long a session that was looked up is believed, however much there is to say meanwhile."""


@router.get("/posts/{post}/queue")
async def show(
    request: Request,
    runtime: RunningService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
    channel: Annotated[Literal["red", "yellow", ""], Query()] = "",
    lane: Annotated[VehicleClass | Literal[""], Query()] = "",
    to: Annotated[PostCode | Literal[""], Query()] = "",
) -> Response:
    """Show what waits, in the order of the search; ``to`` goes on to another post's queue."""
    if to not in ("", post):
        kept = urlencode({"channel": channel, "lane": lane})
        return RedirectResponse(f"/posts/{quote(to, safe='')}/queue?{kept}", 303)
    check_path(runtime, visitor.caller, post)
    is_blind = visitor.caller.role is Role.CHECKPOINT
    found = await asyncio.to_thread(desk, runtime, post, is_blind=is_blind)
    shown = [
        one
        for one in found.vehicles
        if channel in ("", one.channel) and lane in ("", one.crossing["vehicle_class"])
    ]
    return page(
        request,
        "queue.html",
        visitor=visitor,
        post=post,
        name=runtime.network.posts[post].name if post in runtime.network.posts else "",
        twin=f"/v1/posts/{post}/queue",
        desk=found,
        shown=shown[:MOST_SHOWN],
        more=max(len(shown) - MOST_SHOWN, 0),
        posts=[] if visitor.caller.post else sorted({*runtime.network.posts, post}),
        channel=channel,
        lane=lane,
        lanes=sorted({one.crossing["vehicle_class"] for one in found.vehicles} | ({lane} - {""})),
        is_blind=is_blind,
        left=await asyncio.to_thread(outcomes, runtime, post),
        retell=Translator(speech_of(request)),
    )


@router.get("/posts/{post}/queue/events")
async def events(
    request: Request,
    runtime: RunningService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
) -> Response:
    """Say that the queue changed, for as long as the session lasts (server-sent events)."""
    check_path(runtime, visitor.caller, post)
    return StreamingResponse(
        _changes(runtime, post, token_of(request), visitor.caller),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _changes(runtime: Runtime, post: str, cookie: str, caller: Caller) -> AsyncIterator[str]:
    """Yield what to say, until the session or its person's role or post is another."""
    yield "retry: 1000\n\n"
    text, quiet, believed = "", 0, time.monotonic() + SESSION_SECONDS
    while True:
        if time.monotonic() >= believed:
            if not await _still_is(runtime, cookie, caller):
                return
            believed = time.monotonic() + SESSION_SECONDS
        now = await asyncio.to_thread(mark, runtime, post)
        quiet += 1
        if now != text:
            text, quiet = now, 0
            yield f"event: queue\ndata: {now}\n\n"
        elif quiet % LOOKS_A_PING == 0:
            yield ": still here\n\n"
        await asyncio.sleep(LOOK_SECONDS)


async def _still_is(runtime: Runtime, cookie: str, caller: Caller) -> bool:
    try:
        return await runtime.executors.look_up(runtime.sessions.caller, cookie) == caller
    except NotAuthenticatedError:
        return False
