"""Clock and projection, as the journal uses them."""

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
    """Tables derived from the journal, written in the same transaction as its records."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write the changes of these records; an exception undoes the records too."""
        ...
