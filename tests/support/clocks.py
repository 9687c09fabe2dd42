"""Time that passes in a test: on the wall clock and since boot alike, as it does on a real machine.

``time_machine`` alone moves the wall clock and nothing else: that is a clock that jumps.
"""

from collections.abc import Iterator
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
