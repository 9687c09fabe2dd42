"""Preferences that a reader keeps in a browser: appearance, and the clock of pages of no post.

Each rests in a cookie, as the language does. A value that is not one of those offered counts as not
chosen.
"""

from functools import cache
from zoneinfo import available_timezones

from starlette.requests import HTTPConnection

APPEARANCE_COOKIE = "darvoza_appearance"
ZONE_COOKIE = "darvoza_time_zone"
APPEARANCES = ("", "light", "dark")
"""As the system has it, or one of the two whatever the system has."""


def appearance_of(request: HTTPConnection) -> str:
    """Return the appearance of a request's reader, empty where the system decides."""
    chosen = request.cookies.get(APPEARANCE_COOKIE, "")
    return chosen if chosen in APPEARANCES else ""


def zone_of(request: HTTPConnection) -> str:
    """Return the time zone that a request's reader chose, empty where none is."""
    chosen = request.cookies.get(ZONE_COOKIE, "")
    return chosen if chosen in time_zones() else ""


@cache
def time_zones() -> tuple[str, ...]:
    """Return the time zones that are offered: those of cities, and UTC, by name."""
    known = (one for one in available_timezones() if "/" in one and "Etc/" not in one)
    return ("UTC", *sorted(known))
