"""Which posts there are, and what waits at each."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, func, select

from api.http.dependencies import RunningService
from api.service.runtime import Runtime
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheVisitor
from engine.domain.time_units import DAY
from engine.queue.queue import DECISIONS
from engine.selection.policy import Channel

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def first(request: Request, runtime: RunningService, visitor: TheVisitor) -> Response:
    """Show the posts; who is bound to one goes to its queue."""
    if visitor.caller.post is not None and visitor.may("GET", "/v1/posts/{post}/queue"):
        return RedirectResponse(f"/posts/{visitor.caller.post}/queue", 303)
    found = await asyncio.to_thread(_posts, runtime)
    posts = [one for one in found if visitor.caller.reaches(one["code"])]
    return page(request, "posts.html", visitor=visitor, posts=posts)


def _posts(runtime: Runtime) -> list[dict[str, Any]]:
    with runtime.store.read() as snapshot:
        as_of = runtime.journal.head(snapshot).as_of
        waiting = _count_waiting(snapshot, since=as_of - DAY)
    known = runtime.network.posts
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
