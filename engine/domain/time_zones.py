"""Time zones of border posts, from the tz database that the ``tzdata`` package carries.

The database of the machine is not read: two machines of one deployment would otherwise disagree
on the hour of an arrival, and features must be equal on all of them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic_core import PydanticCustomError

from engine.domain.time_units import DAY, micros, moment

Instants = NDArray[np.int64]

DEFAULT_TIME_ZONE = "Asia/Tashkent"
"""Zone of a post whose country the database does not name, and of posts in no network file."""

_CAPITALS: Mapping[str, str] = MappingProxyType(
    {
        "AU": "Australia/Sydney",
        "BR": "America/Sao_Paulo",
        "CA": "America/Toronto",
        "FM": "Pacific/Pohnpei",
        "PS": "Asia/Hebron",
        "RU": "Europe/Moscow",
        "UA": "Europe/Kyiv",
        "UZ": "Asia/Tashkent",
    }
)
"""Zones of capitals that are not the first row of their country in ``zone.tab``."""


def country_time_zone(country: str) -> str:
    """Return the zone of a country's capital, by its ISO 3166-1 alpha-2 code."""
    return _country_zones().get(country, DEFAULT_TIME_ZONE)


def check_time_zone(name: str) -> str:
    """Return the name of a zone of the database; raises a ``PydanticCustomError`` for others."""
    if name not in _zone_names():
        raise PydanticCustomError("unknown_time_zone", "no zone of the tz database")
    return name


@cache
def open_time_zone(name: str) -> ZoneInfo:
    """Return a zone with its transitions, past and future."""
    with (resources.files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def local_time(instant: datetime, zone: str) -> datetime:
    """Return what the clocks of a zone show at an instant.

    >>> local_time(datetime.fromisoformat("2026-03-01T16:30Z"), "Asia/Bishkek").hour
    22
    """
    return instant.astimezone(open_time_zone(zone))


def wall_time(instant: int, zone: str) -> int:
    """Return what the clocks of a zone show at an instant, as microseconds since 1970 there."""
    return micros(local_time(moment(instant), zone).replace(tzinfo=UTC))


def instant_of(wall: int, zone: str) -> int:
    """Return when the clocks of a zone show a time; both in microseconds.

    The earlier instant where they show it twice; where they leave it out, the clock is read as if
    it had not been moved yet.
    """
    return micros(moment(wall).replace(tzinfo=open_time_zone(zone)).astimezone(UTC))


def utc_offsets(instants: Instants, zone: str) -> Instants:
    """Return local time less UTC at many instants.

    Instants and offsets are int64 arrays of shape (n,), in microseconds. A zone changes its offset
    at most once within a day.
    """
    if not len(instants):
        return np.zeros(0, np.int64)
    first, last = int(instants.min()), int(instants.max())
    changes, offsets = [], [_offset(first, zone)]
    for day in range(first, last + DAY, DAY):
        if _offset(min(day + DAY, last), zone) != offsets[-1]:
            changes.append(_find_change(day, min(day + DAY, last), zone))
            offsets.append(_offset(changes[-1], zone))
    place = np.searchsorted(np.array(changes, np.int64), instants, side="right")
    return np.array(offsets, np.int64)[place]


def _offset(instant: int, zone: str) -> int:
    return wall_time(instant, zone) - instant


def _find_change(before: int, after: int, zone: str) -> int:
    """Return the first instant after ``before`` with the offset of ``after``, by bisection."""
    wanted = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(middle, zone) == wanted else (middle, after)
    return after


@cache
def _zone_names() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text("utf-8").split())


@cache
def _country_zones() -> Mapping[str, str]:
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    # The first row of a country is that of its most populous zone, in most cases the capital's.
    first = {row[0]: row[2] for row in reversed(rows)}
    return MappingProxyType({**first, **_CAPITALS})
