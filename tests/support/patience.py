"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], bool], *, seconds: float, pause: float = 0.01) -> bool:
    """Ask every ``pause`` seconds until something holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
