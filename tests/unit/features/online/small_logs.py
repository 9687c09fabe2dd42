"""Sizes of the log of counters under which small histories meet every step of its merge."""

from collections.abc import Callable

from features.online import counter_log


def make_small(replace: Callable[[object, str, int], None] = setattr) -> None:
    """Freeze the log every few crossings, merge a few rows at once, take few events for a bulk."""
    for name, size in (("LONGEST", 150), ("LEAST", 8), ("AT_ONCE", 30)):
        replace(counter_log, name, size)


def write_at_once(replace: Callable[[object, str, int], None]) -> None:
    """Write all rows to the table at once: for bugs that are seeded in its look-ups."""
    replace(counter_log, "AT_ONCE", 0)
