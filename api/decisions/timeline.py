"""The past of a vehicle and its parties on one line of time each, as a drawing of our own.

A lane is an entity: bars are its crossings by week, to a scale of its own, and above them stand
acts and finds by the week in which they became known. The right edge is the decision. The same
figures stand in a table next to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from api.decisions.link_graph import short

LEFT, RIGHT, LANE, TOP = 138, 626, 64, 4
"""Where lanes begin and end, how high one is, and where the first begins."""
BASE, TALL = 58, 17
"""Where in a lane its bars stand, and how high the highest is."""
ROWS: Final[Mapping[str, int]] = {
    "find": 9, "seizure": 9, "elsewhere": 21, "passed": 21, "clear": 33,
}  # fmt: skip
"""Where in a lane events of a kind stand: what was found above, what found nothing below."""
NAME_WIDTH = 50
"""Room that the name of a month needs before the right edge, on a phone as well."""
WEEK = timedelta(days=7)
SPANS: Final = (13, 26, 52)
"""Weeks that a line may show: as few as hold all that is known."""
SHAPES: Final[Mapping[str, str]] = {
    "clear": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "find": "m0-6l6 6-6 6-6-6z",
    "seizure": "m-5-5h10v10h-10z",
    "elsewhere": "m-6-5h12l-6 10z",
    "passed": "m-5 4h10l-5-9z",
}
"""How each kind of event looks: by shape, colour only helps."""
ORDER: Final = ("clear", "passed", "elsewhere", "find", "seizure")
"""What is drawn over what."""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """The events of one kind in one week."""

    kind: str
    x: float
    y: float
    count: int


@dataclass(frozen=True, slots=True)
class TimelineLane:
    """One entity."""

    whose: str
    short: str
    """As much of its name as is drawn."""
    top: int
    bars: str
    """One SVG path for all weeks."""
    signs: tuple[TimelineMark, ...]


@dataclass(frozen=True, slots=True)
class Month:
    """Where a month begins."""

    x: float
    begins: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes."""

    lanes: tuple[TimelineLane, ...]
    months: tuple[Month, ...]
    weeks: int
    """Of how many weeks it is."""
    width: int
    height: int
    left: int = LEFT
    right: int = RIGHT


def draw_timeline(entities: Sequence[Mapping[str, Any]], until: datetime) -> Timeline:
    """Return the drawing of the ``entities`` of the JSON answer; ``until`` is a local time."""
    span = max([_span(one, until) for one in entities], default=SPANS[0])
    lanes = tuple(
        _lane(one, until, TOP + LANE * place, weeks=span) for place, one in enumerate(entities)
    )
    bottom = TOP + LANE * len(lanes)
    return Timeline(lanes, tuple(_months(until, span)), span, RIGHT + 14, bottom + 20)


def _span(one: Mapping[str, Any], until: datetime) -> int:
    """Return how many weeks hold all that an entity's line would show."""
    weeks: Sequence[int] = one["crossings_by_week"]
    first = next((at for at, count in enumerate(weeks) if count), len(weeks))
    times = [datetime.fromisoformat(event["known_at"]) for event in one["events"]]
    longest = max([len(weeks) - first, *((until - at) // WEEK + 1 for at in times)])
    return next((span for span in SPANS if span >= longest), SPANS[-1])


def _lane(one: Mapping[str, Any], until: datetime, top: int, *, weeks: int) -> TimelineLane:
    counts: Sequence[int] = one["crossings_by_week"][-weeks:]
    most, step, foot = max([*counts, 1]), (RIGHT - LEFT) / weeks, top + BASE
    bars = "".join(
        f"M{LEFT + step * at:.1f} {foot}v-{TALL * count / most:.1f}h{step - 2:.1f}V{foot}z"
        for at, count in enumerate(counts)
        if count
    )
    found: dict[tuple[str, int], int] = {}
    for event in one["events"]:
        at = _week(datetime.fromisoformat(event["known_at"]), until, weeks)
        found[event["kind"], at] = found.get((event["kind"], at), 0) + event["count"]
    order = sorted(found, key=lambda each: (ORDER.index(each[0]), each[1]))
    signs = tuple(
        TimelineMark(kind, round(LEFT + step * (at + 0.5), 1), top + ROWS[kind], found[kind, at])
        for kind, at in order
    )
    return TimelineLane(one["whose"], short(one["name"] or "–"), top, bars, signs)


def _week(known_at: datetime, until: datetime, weeks: int) -> int:
    """Return the week of a time, the last one being that before ``until``."""
    back = (until - known_at) // WEEK
    return min(max(weeks - 1 - back, 0), weeks - 1)


def _months(until: datetime, weeks: int) -> Sequence[Month]:
    """Return where the line's months begin, every second one of a long line.

    A month that has just begun is left out: its name would run out of the drawing.
    """
    since, found = until - WEEK * weeks, list[Month]()
    at = until.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while at > since:
        share = (at - since) / (until - since)
        found.append(Month(round(LEFT + (RIGHT - LEFT) * share, 1), at))
        at = (at - timedelta(days=1)).replace(day=1)
    found = [one for one in found if one.x <= RIGHT - NAME_WIDTH]
    return found[:: 2 if weeks > SPANS[0] else 1][::-1]
