"""Time zones of border posts, from the tz database that the ``tzdata`` package carries.

The database of the machine is not read: two machines of one deployment would otherwise disagree
on the hour of an arrival, and features must be equal on all of them.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

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
