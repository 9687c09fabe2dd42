"""Texts with a seeded bug each, which every test of the SQL engines must catch."""

import re
from collections.abc import Callable

from engine.domain.time_units import DAY
from features.offline.sql.window_queries import Question, frames, write_carried

OVERLAP = 40 * DAY
Bug = Callable[[Question], str]


def leaky(question: Question) -> str:
    """``<=`` for ``<``: a crossing sees what became known with it."""
    return frames(question).replace("AND 1 PRECEDING", "AND CURRENT ROW")


def by_the_day(question: Question) -> str:
    """Windows are whole days."""

    def whole(found: re.Match[str]) -> str:
        return f"BETWEEN {-(-int(found[1]) // DAY) * DAY} PRECEDING"

    return re.sub(r"BETWEEN (\d+) PRECEDING", whole, frames(question))


def counted_twice(question: Question) -> str:
    """A bucket carries forward what it counts itself."""
    earlier = "ROWS BETWEEN UNBOUNDED PRECEDING AND "
    return write_carried(question).replace(f"{earlier}1 PRECEDING", f"{earlier}CURRENT ROW")


def overlap_buckets(question: Question, *, width: int = OVERLAP) -> str:
    """Hot entities split by overlap: each bucket also gets the events of the one before it."""
    bucket = f"moment - moment % {width}"
    doubled = (
        f"(SELECT line.*, {bucket} AS bucket FROM line UNION ALL "  # noqa: S608
        f"SELECT line.*, {bucket} + {width} FROM line WHERE asks IS NULL) AS line"
    )
    text = frames(question).replace("FROM line WHERE", f"FROM {doubled} WHERE")
    return text.replace("PARTITION BY entity", "PARTITION BY entity, bucket")
