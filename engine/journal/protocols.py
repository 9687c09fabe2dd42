"""What the journal asks of others: a clock, and projections of its records."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from engine.journal.entries import Draft, Entry


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return UTC microseconds."""
        ...


class Projection(Protocol):
    """Something derived from the journal, written in the same transaction as its records."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records change; an exception undoes the records too."""
        ...
