"""Periods as a query names them: days by the clocks of a post, or times."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import PlainValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError

from engine.domain.field_types import PostCode, Time
from engine.domain.network import open_time_zone
from engine.domain.time_units import DAY, micros, moment
from engine.errors import RecordError

LONGEST = 3_660
"""Days of the longest period."""
_FIRST, _LAST = date(1971, 1, 1), date(2999, 12, 31)
_DAY = len("2026-01-31")
_TIME = TypeAdapter[Any](Time)


def read_day(text: str) -> date | None:
    """Return a day, or a time with an offset; None for an empty text."""
    if text == "":
        return None
    if len(text) != _DAY:
        found: date = _TIME.validate_python(text)
        return found
    try:
        return date.fromisoformat(text)
    except ValueError:
        why = "a day such as 2026-01-31, or a time with an offset"
        raise PydanticCustomError("bad_time", why) from None


DayOrTime = Annotated[
    date | None, PlainValidator(read_day), WithJsonSchema({"type": "string", "maxLength": 40})
]


@dataclass(frozen=True, slots=True)
class PeriodAsked:
    """A period as it is asked for: days, the last one included, or instants, the end not."""

    begin: date | None = None
    """By default the first day of the month of the end."""
    end: date | None = None
    """By default now."""

    def place(self, zone: str, *, now: int) -> tuple[int, int, int]:
        """Return when the period before began, when the period begins, and when it ends.

        Instants in UTC microseconds, by the clocks of a zone. Raises ``RecordError``.
        """
        today = moment(now).astimezone(open_time_zone(zone)).date()
        end = today if self.end is None else self.end
        begin = _day_of(end, zone).replace(day=1) if self.begin is None else self.begin
        for name, at in (("from", begin), ("to", end)):
            if not _FIRST <= _day_of(at, zone) <= _LAST:
                raise RecordError("period", name, "out_of_range", "is no day that can be counted")
        since, until = _start(begin, zone), _start(end, zone)
        if not isinstance(end, datetime):
            until = _start(end + timedelta(days=1), zone)
        if not since < until:
            raise RecordError("period", "from", "not_before", "lies after the end of the period")
        if until - since > LONGEST * DAY:
            raise RecordError("period", "to", "too_long", f"is more than {LONGEST} days later")
        if isinstance(begin, datetime) or isinstance(end, datetime):
            return 2 * since - until, since, until
        return _start(_step_back(begin, end + timedelta(days=1)), zone), since, until


def _day_of(at: date, zone: str) -> date:
    return at.astimezone(open_time_zone(zone)).date() if isinstance(at, datetime) else at


def _start(at: date, zone: str) -> int:
    """Return an instant in UTC microseconds; of a day, when it begins in a zone."""
    if isinstance(at, datetime):
        return micros(at)
    return micros(datetime.combine(at, time(), open_time_zone(zone)))


def _step_back(begin: date, after: date) -> date:
    """Return when the period before one of whole days began.

    >>> str(_step_back(date(2026, 3, 1), date(2026, 4, 1)))
    '2026-02-01'
    >>> str(_step_back(date(2026, 3, 2), date(2026, 3, 9)))
    '2026-02-23'
    """
    if begin.day != 1 or after.day != 1:
        return begin - (after - begin)
    months = 12 * (after.year - begin.year) + after.month - begin.month
    first = 12 * begin.year + begin.month - 1 - months
    return date(first // 12, first % 12 + 1, 1)


def asked_period(
    begin: Annotated[DayOrTime, Query(alias="from")] = None,
    end: Annotated[DayOrTime, Query(alias="to")] = None,
) -> PeriodAsked:
    """Return the period that a query names."""
    return PeriodAsked(begin, end)


Asked = Annotated[PeriodAsked, Depends(asked_period)]
AskedPost = Annotated[PostCode | Literal[""], Query()]


def name_days(asked: PeriodAsked, post: str) -> dict[str, str]:
    """Return the query by which a period was asked for."""
    days = {"from": asked.begin, "to": asked.end}
    return {name: "" if at is None else at.isoformat() for name, at in days.items()} | {
        "post": post
    }
