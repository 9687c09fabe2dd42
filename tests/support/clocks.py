"""Time of tests: clocks that jump or pass, waiting, and shifts that no test sees the end of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import time_machine

import engine.journal.clock


@contextmanager
def travel(to: datetime, *, tick: bool = True) -> Iterator[None]:
    """Let the block run at another time, as if the time until then had passed."""
    passed = int((to - datetime.now(UTC)).total_seconds() * 1_000_000)
    counted = engine.journal.clock.since_boot
    with (
        patch.object(engine.journal.clock, "since_boot", lambda: counted() + passed),
        time_machine.travel(to, tick=tick),
    ):
        yield


def wait_for(holds: Callable[[], bool], *, seconds: float, pause: float = 0.01) -> bool:
    """Ask every ``pause`` seconds until something holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
