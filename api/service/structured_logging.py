"""Structured log: one JSON line an event, names from a closed list, values that are ours.

A plate, a name or a reference must never reach a log. So a fault is logged by its type and where it
was raised, not by its message, which may quote what was sent; what a library says is logged by who
said it and how grave it is; and a name that is not on the list takes its value with it.
"""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from engine.domain.time_units import rfc3339
from engine.errors import StoreUnavailableError

ALLOWED = {
    "event": "what happened: fault, model, trial, power_refused, sign_on_refused, library,"
    " policy_ignored,"
    " format_added, format_refused, store_unavailable, store_damaged, clock_work_failed,"
    " late_record_not_judged, or of links: link_stopped, link_unreachable, links_waiting,"
    " link_not_announced, lists_not_compared, file_part_refused, bundle_not_sent, bundle_not_kept,"
    " copies_without_effect",
    "level": "how grave it is",
    "timestamp": "when, UTC",
    "kind": "the type of an error, what was refused, the name of the library that speaks, or a"
    " format of messages and its package",
    "where": "file and line of the innermost calls",
    "route": "the route as the document names it, without its values",
    "wanted": "the version of the model that was put into force, on trial, or sent over a link",
    "mode": "by what decisions are made now",
    "why": "a fixed sentence, the type of an error, or what is wrong with a bundle",
}
"""Every name that a line may hold, and what it says."""
_FRAMES = 6
"""Innermost frames that are named."""


OURS = "darvoza"
"""Logger of our own events: its messages are their names."""


def log_event(event: str, level: int = logging.WARNING, **values: object) -> None:
    """Log an event of ours and what belongs to it, by names of the list."""
    logging.getLogger(OURS).log(level, event, extra={"values": values})


class LibraryHandler(logging.Handler):
    """Writes a line an event; of what libraries log, who spoke, how gravely and where."""

    def __init__(self, to: TextIO | None = None) -> None:
        super().__init__()
        self._to = to or sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, with nothing in it but the names of the list."""
        is_ours = record.name == OURS
        line = {
            "event": record.msg if is_ours else "library",
            "level": record.levelname.lower(),
            "timestamp": rfc3339(round(record.created * 1_000_000)),
            **(_describe_event(record) if is_ours else _describe_library(record)),
        }
        said = {name: line[name] for name in ALLOWED if name in line}
        print(json.dumps(said), file=self._to, flush=True)


def _describe_library(record: logging.LogRecord) -> Mapping[str, Any]:
    """Name a library and the place; an address that cannot be listened on is said: it is ours."""
    why = record.msg.strerror if isinstance(record.msg, OSError) else None
    said = {"kind": record.name, "where": [f"{record.filename}:{record.lineno}"]}
    return said | ({"why": why} if why else {})


def _describe_event(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return what belongs to an event; the error behind it by its type and its place."""
    said: dict[str, Any] = dict(getattr(record, "values", {}))
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        said |= {"kind": type(error).__name__, "where": _frames(error)}
    if isinstance(error, StoreUnavailableError):
        said["why"] = error.why
    return said


def configure(to: TextIO | None = None) -> None:
    """Send structured lines to standard error, or where else, and nothing but them."""
    logging.basicConfig(handlers=[LibraryHandler(to)], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(logging.INFO)


def fault(error: BaseException, *, route: str) -> None:
    """Log a fault of ours: what kind, where in the code, on which route."""
    kind = type(error).__name__
    log_event("fault", logging.ERROR, kind=kind, where=_frames(error), route=route)


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
