"""Refusal of arrivals that name two declarations or lie in the future.

Assumes that a checkpoint's clock agrees with this one within minutes. Any other oddity of an
arrival is a signal for the features, never a refusal.
"""

import time
from collections.abc import Callable

from engine.domain.records import Arrival
from engine.domain.time_units import MINUTE, SystemClock, micros
from engine.errors import RecordError

AHEAD = 5 * MINUTE
"""Largest lead of a checkpoint's clock that is accepted, microseconds."""
_CLOCK = SystemClock()


class MonotonicClock:
    """A clock that never runs backwards, even when the system clock is set back."""

    def __init__(
        self,
        *,
        now: Callable[[], int] = _CLOCK.now,
        passed: Callable[[], int] = time.monotonic_ns,
        head: int = 0,
    ) -> None:
        self._now = now
        self._passed = passed
        self._began, self._started = max(now(), head), passed()

    def now(self) -> int:
        """Return UTC microseconds: the later of system clock and start plus elapsed time."""
        return max(self._now(), self._began + (self._passed() - self._started) // 1000)


def check_plausible(arrival: Arrival, *, now: int) -> None:
    """Refuse an arrival that contradicts itself or lies in the future; raises ``RecordError``."""
    crossing, declaration = arrival.crossing, arrival.declaration
    if micros(crossing.arrived_at) > now + AHEAD:
        raise RecordError("crossing", "arrived_at", "in_the_future", "more than 5 minutes ahead")
    named = crossing.declaration_id
    if declaration is not None and named not in (None, declaration.declaration_id):
        raise RecordError(
            "declaration", "declaration_id", "contradiction", "the crossing names another one"
        )
