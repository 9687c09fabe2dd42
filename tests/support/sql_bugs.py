"""Texts with a seeded bug each, which every test of the SQL engines must catch."""

import re
from collections.abc import Callable

from engine.domain.time_units import DAY
from features.offline.window_queries import Question, write_query

Bug = Callable[[Question], str]


def leaky(question: Question) -> str:
    """``<=`` for ``<``: a crossing sees what became known with it."""
    frame = r"(RANGE BETWEEN \S+ PRECEDING) AND 1 PRECEDING"
    return re.sub(frame, r"\1 AND CURRENT ROW", write_query(question))


def by_the_day(question: Question) -> str:
    """Windows are whole days."""

    def whole(found: re.Match[str]) -> str:
        return f"{found[1]} {-(-int(found[2]) // DAY) * DAY}"

    return re.sub(r"(as_of -|BETWEEN) (\d+)", whole, write_query(question))


def counted_twice(question: Question) -> str:
    """A bucket carries forward what it counts itself."""
    earlier = "ROWS BETWEEN UNBOUNDED PRECEDING AND "
    return write_query(question).replace(f"{earlier}1 PRECEDING", f"{earlier}CURRENT ROW")


def forgetful(question: Question) -> str:
    """A bucket carries forward the one before it alone, as windows split by overlap would."""
    return write_query(question, bucket=10 * DAY).replace(
        "ROWS BETWEEN UNBOUNDED PRECEDING", "ROWS BETWEEN 1 PRECEDING"
    )
