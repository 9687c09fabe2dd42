"""Instants as integers: UTC microseconds since 1970; datetimes are used only at the edges."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
RECENT_DAYS = 28
"""Days of the recent past with which a shift, a score and a drift are compared."""
RECENT_WINDOW = RECENT_DAYS * DAY
NEVER = (1 << 63) - 1
"""Later than any instant: when what is not there became known, up to when nothing is left out."""


def micros(moment: datetime) -> int:
    """Return UTC microseconds of an aware datetime, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(instant: int) -> datetime:
    """Return the UTC datetime of an instant in microseconds."""
    return _EPOCH + timedelta(microseconds=instant)


def rfc3339(instant: int) -> str:
    """Return an instant as RFC 3339 text in UTC."""
    return _write_instant(instant)


@lru_cache  # the cut, the opening of a shift: many decisions name the same instant
def _write_instant(instant: int) -> str:
    return moment(instant).isoformat().replace("+00:00", "Z")


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return UTC microseconds."""
        return time.time_ns() // 1000
