"""What a store's connections say to PostgreSQL, counted from the trace of the driver's library."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from engine.storage.database import Store

_MESSAGE = re.compile(r"^[-0-9]+ [:.0-9]+\t[FB]\t\d+\t(\w+)(.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said since the last look."""

    waits: int
    """Times that the server was waited for: round trips."""
    parsed: int
    """Statements that were given to the server as text, to be parsed and planned."""
    rollbacks: int
    executed: int
    """Statements that were executed with parameters; a COPY has none."""


@contextmanager
def listen(store: Store, file: Path) -> Iterator[Callable[[], Talk]]:
    """Trace the connections of a store into a file; hand out a look at what was said since."""
    with file.open("a") as trace, file.open() as log:

        def begin(raw: Any, record: ConnectionPoolEntry, _: object) -> None:
            if not record.info.get("is_traced"):
                record.info["is_traced"] = True
                raw.pgconn.trace(trace.fileno())

        def look() -> Talk:
            found = _MESSAGE.findall(log.read())
            return Talk(
                waits=sum(kind == "ReadyForQuery" for kind, _ in found),
                parsed=sum(kind == "Parse" and "BEGIN" not in text for kind, text in found),
                executed=sum(kind == "Bind" for kind, _ in found),
                rollbacks=sum(kind == "Query" and "ROLLBACK" in text for kind, text in found),
            )

        event.listen(store.engine, "checkout", begin)
        yield look
        event.remove(store.engine, "checkout", begin)
