"""The overview of all posts over HTTP and as a page, with its pictures.

Pictures are coordinates that the page draws as SVG. Every picture has its table and its file, and
never says what the table does not. Positions are of our own making: a map is plane enough for a few
countries, and posts that would cover each other are moved apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Response

from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.network.answers import (
    NetworkHour,
    NetworkMinutes,
    NetworkOverview,
    NetworkPost,
    overview,
)
from api.web.page_route import PageRoute, TheVisit

MAP_WIDTH, MAP_HEIGHT = 640, 420
NARROW_WIDTH, NARROW_HEIGHT = 350, 520
"""The same map for a phone, where the wide one would have to be scrolled: posts are drawn smaller,
and north to south fills the height."""
_EDGE = 60
"""Room for names around the posts."""
SMALLEST, LARGEST = 14.0, 30.0
"""Radius of a post at which none waits, and of the one where most do."""
_NARROW = 12.5, 19.0
"""The same on a phone, where the smallest is still wide enough for a finger."""
_GAP = 6.0
_ROUNDS = 60
_LINE, _LETTER = 17.0, 10.0
"""Height of a name, and width of one of its letters."""
_NAMINGS = 3
"""How often a place is chosen for each name."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(slots=True)
class MapPost:
    """One post on the map."""

    row: NetworkPost
    x: float
    y: float
    radius: float
    label_x: float = 0.0
    label_y: float = 0.0
    anchor: str = "start"

    @property
    def diamond(self) -> str:
        """Corners of a diamond, as SVG takes them."""
        x, y, r = self.x, self.y, self.radius
        corners = ((x, y - r), (x + r, y), (x, y + r), (x - r, y))
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)


@dataclass(frozen=True, slots=True)
class NetworkMap:
    """Posts where their coordinates are, with lines between opposite ones."""

    posts: tuple[MapPost, ...]
    lines: tuple[tuple[MapPost, MapPost], ...]
    without: tuple[str, ...]
    """Posts without coordinates."""
    width: int
    height: int


def draw_map(rows: Sequence[NetworkPost], *, is_narrow: bool = False) -> NetworkMap:
    """Return the map of posts; size is the number of vehicles that wait."""
    sizes = (NARROW_WIDTH, NARROW_HEIGHT) if is_narrow else (MAP_WIDTH, MAP_HEIGHT)
    least, largest = _NARROW if is_narrow else (SMALLEST, LARGEST)
    placed = [row for row in rows if row.lat is not None]
    most = max((_count_waiting(row) for row in placed), default=0)
    degrees = [(row.lat or 0.0, row.lon or 0.0) for row in placed]
    points = _project(degrees, sizes, is_even=not is_narrow)
    posts = [
        MapPost(row, x, y, least + (largest - least) * math.sqrt(_count_waiting(row) / (most or 1)))
        for row, (x, y) in zip(placed, points, strict=True)
    ]
    _move_apart(posts, sizes)
    _place_names(posts, sizes)
    by_code = {one.row.post: one for one in posts}
    lines = tuple(
        (one, by_code[one.row.pair])
        for one in posts
        if one.row.pair in by_code and one.row.post < one.row.pair
    )
    without = tuple(row.post for row in rows if row.lat is None)
    return NetworkMap(tuple(posts), lines, without, *sizes)


def _count_waiting(row: NetworkPost) -> int:
    return row.waiting_red + row.waiting_yellow


def _project(
    points: Sequence[tuple[float, float]], sizes: tuple[int, int], *, is_even: bool
) -> list[tuple[float, float]]:
    """Return degrees north and east as places on the map.

    ``is_even`` scales both directions alike; else each fills the map.
    """
    if not points:
        return []
    middle = sum(lat for lat, _ in points) / len(points)
    flat = [(lon * math.cos(math.radians(middle)), -lat) for lat, lon in points]
    left, top = (min(one[axis] for one in flat) for axis in (0, 1))
    spans = [max(one[axis] for one in flat) - low for axis, low in ((0, left), (1, top))]
    room = [size - 2 * _EDGE for size in sizes]
    scales = [r / span if span > 0 else math.inf for r, span in zip(room, spans, strict=True)]
    if is_even:
        scales = [min(scales)] * 2
    across, down = (scale if math.isfinite(scale) else 0.0 for scale in scales)
    begin = [
        (size - scale * span) / 2
        for size, scale, span in zip(sizes, (across, down), spans, strict=True)
    ]
    return [(begin[0] + across * (x - left), begin[1] + down * (y - top)) for x, y in flat]


def _move_apart(posts: Sequence[MapPost], sizes: tuple[int, int]) -> None:
    """Move posts until none covers another, as far as there is room."""
    for _ in range(_ROUNDS):
        moved = False
        for number, one in enumerate(posts):
            for other in posts[number + 1 :]:
                moved |= _push(one, other, number, sizes)
        if not moved:
            return


def _push(one: MapPost, other: MapPost, number: int, sizes: tuple[int, int]) -> bool:
    apart = one.radius + other.radius + _GAP
    dx, dy = other.x - one.x, other.y - one.y
    length = math.hypot(dx, dy)
    if length >= apart:
        return False
    if length < 1e-6:  # at one place: any direction, the same in each drawing
        dx, dy, length = math.cos(number), math.sin(number), 1.0
        step = apart / 2
    else:
        step = (apart - length) / 2 + 0.1
    for post, sign in ((one, -1.0), (other, 1.0)):
        post.x = min(max(post.x + sign * step * dx / length, LARGEST), sizes[0] - LARGEST)
        post.y = min(max(post.y + sign * step * dy / length, LARGEST), sizes[1] - LARGEST)
    return True


def _place_names(posts: Sequence[MapPost], sizes: tuple[int, int]) -> None:
    """Put each name next to its post, where it covers the least.

    Each is chosen again once the others have their places: the first know nothing of the last.
    """
    marks = [
        (one.x - one.radius, one.y - one.radius, one.x + one.radius, one.y + one.radius)
        for one in posts
    ]
    named: dict[int, Box] = {}
    for number, one in [*enumerate(posts)] * _NAMINGS:
        taken = [*marks, *(box for at, box in named.items() if at != number)]
        choices = [(choice, _box_of(one, choice)) for choice in _choices(one)]
        best, named[number] = min(
            choices, key=lambda made: sum(_cover(made[1], box, sizes) for box in taken)
        )
        one.label_x, one.label_y, one.anchor = best


def _choices(one: MapPost) -> list[tuple[float, float, str]]:
    """Return where a name may stand around its post, and which end of it stands there."""
    far, aside = one.radius + 3, 0.75 * one.radius
    above, level, below = one.y - far, one.y + 5, one.y + far + _LINE - 5
    return [
        (one.x + far, level, "start"),
        (one.x - far, level, "end"),
        (one.x, above, "middle"),
        (one.x, below, "middle"),
        (one.x + aside, one.y - aside, "start"),
        (one.x - aside, one.y - aside, "end"),
        (one.x + aside, one.y + aside + _LINE - 5, "start"),
        (one.x - aside, one.y + aside + _LINE - 5, "end"),
    ]


def _box_of(one: MapPost, choice: tuple[float, float, str]) -> Box:
    """Return what a name would cover: left, top, right, bottom."""
    x, y, anchor = choice
    width = _LETTER * len(one.row.post)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, y - _LINE + 4, left + width, y + 4


def _cover(one: Box, other: Box, sizes: tuple[int, int]) -> float:
    """Return the area that two boxes share; one that leaves the map counts as covered."""
    outside = sum(max(-one[axis], 0.0) + max(one[axis + 2] - sizes[axis], 0.0) for axis in (0, 1))
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0.0) * max(down, 0.0) + 100 * outside


@dataclass(frozen=True, slots=True)
class HourCell:
    """Arrivals and finds of one hour of one day of the week."""

    arrivals: int
    hits: int
    shade: int
    """0 to 4, of the most that an hour has."""


SHADES = 4


def draw_hours(rows: Sequence[NetworkHour]) -> list[list[HourCell]]:
    """Return seven days of 24 hours, Monday first: what arrived at all posts, and finds of it."""
    arrivals, hits = ([[0] * 24 for _ in range(7)] for _ in range(2))
    for row in rows:
        arrivals[row.weekday - 1][row.hour] += row.arrivals
        hits[row.weekday - 1][row.hour] += row.hits
    most = max(max(day) for day in arrivals) or 1
    return [
        [
            HourCell(number, found, math.ceil(SHADES * number / most))
            for number, found in zip(day, finds, strict=True)
        ]
        for day, finds in zip(arrivals, hits, strict=True)
    ]


MOST_BEHIND = 5
"""Posts that the first sentence names."""


@dataclass(frozen=True, slots=True)
class PostLine:
    """One post of the list, with what it needs."""

    row: NetworkPost
    wait: float | None
    """Minutes since the first vehicle that waits was decided on; None where none waits."""
    tightest: NetworkMinutes | None
    """The channel whose waiting vehicles need the largest share of its free minutes; None without a
    roster. The free minutes of one channel are no help to another."""

    @property
    def needed(self) -> float | None:
        """The share of that channel's free minutes that its waiting vehicles need."""
        return None if self.tightest is None else share_needed(self.tightest)

    @property
    def is_behind(self) -> bool:
        """Tell whether the minutes do not suffice, or the line is silent."""
        return self.row.state in ("full", "cut_off") or (self.needed or 0.0) > 1.0


def share_needed(row: NetworkMinutes) -> float:
    """Return the share of a channel's free minutes that its waiting vehicles need."""
    free = row.needed + (row.left or 0.0)
    return row.needed / free if free > 0.0 else math.inf if row.needed else 0.0


def rank_posts(found: NetworkOverview) -> list[PostLine]:
    """Return the posts, those that are behind first, and of these the worst first."""
    now = datetime.fromisoformat(found.as_of)
    lines = []
    for row in found.posts:
        since = row.waiting_since
        wait = None if since is None else (now - datetime.fromisoformat(since)).total_seconds() / 60
        channels = [one for one in found.minutes if one.post == row.post and one.roster is not None]
        lines.append(PostLine(row, wait, max(channels, key=share_needed, default=None)))
    return sorted(
        lines,
        key=lambda one: (
            not one.is_behind, -(one.needed or 0.0), -(one.wait or 0.0), one.row.post,
        ),
    )  # fmt: skip


router = json_router("/v1/network", "network")


@router.get("", response_model=NetworkOverview)
def network(caller: TheCaller, service: TheService) -> Response:
    """Return where all posts stand, and what eight weeks decided and found there."""
    return answer(overview(service, caller))


page_router = APIRouter(route_class=PageRoute, include_in_schema=False)
STATES = ("open", "full", "cut_off", "no_data")


@page_router.get("/network")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show all posts: where they stand, and what the last weeks found."""
    found = overview(service, visit.caller)
    days = visit.speech.locale.days["stand-alone"]["abbreviated"]
    ranked = rank_posts(found)
    behind = [one for one in ranked if one.is_behind]
    return visit.page(
        "network.html",
        json_address="/v1/network",
        overview=found,
        posts=ranked,
        behind=behind[:MOST_BEHIND],
        more=len(behind[MOST_BEHIND:]),
        longest=max(ranked, key=lambda one: one.wait or 0.0, default=None),
        map=draw_map(found.posts),
        narrow_map=draw_map(found.posts, is_narrow=True),
        states=STATES,
        weeks=[row for row in found.weeks if row.post is None and row.inspected],
        total=next((row for row in found.funnel if row.post is None), None),
        hours=draw_hours(found.hours),
        days=[days[number] for number in range(7)],
        places=[row for row in found.places if row.seizures],
    )
