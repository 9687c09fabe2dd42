"""Structured log: one JSON line an event, names from a closed list, values that are ours.

A plate, a name or a reference must never reach a log. So a fault is logged by its type and where it
was raised, not by its message, which may quote what was sent; what a library says is logged by who
said it and how grave it is; and a name that is not on the list takes its value with it.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from engine.errors import StoreUnavailableError

ALLOWED = {
    "event": "what happened: fault, model, trial, power_refused, sign_on_refused, library,"
    " policy_ignored,"
    " format_added, format_refused, store_unavailable, store_damaged, clock_work_failed, or"
    " link_stopped, link_unreachable, links_waiting, copies_without_effect",
    "level": "how grave it is",
    "timestamp": "when, UTC",
    "kind": "the type of an error, what was refused, the name of the library that speaks, or a"
    " format of messages and its package",
    "where": "file and line of the innermost calls",
    "route": "the route as the document names it, without its values",
    "wanted": "the version of the model that was put into force, or on trial",
    "mode": "by what decisions are made now",
    "why": "a fixed sentence, or the type of an error",
}
"""Every name that a line may hold, and what it says."""
_FRAMES = 6
"""Innermost frames that are named."""


def filter_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let nothing through but the names of the list."""
    return {name: event[name] for name in ALLOWED if name in event}


OURS = "darvoza"
"""Logger of the rooms below the service: its messages are names of events."""


class LibraryHandler(logging.Handler):
    """Takes what libraries log, and passes on who spoke, how gravely and where; not the words."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one line; an address that cannot be listened on is said, because it is ours."""
        if record.name == OURS:
            _log_event(record)
            return
        why = record.msg.strerror if isinstance(record.msg, OSError) else None
        where = [f"{record.filename}:{record.lineno}"]
        more = {"why": why} if why else {}
        structlog.get_logger().log(record.levelno, "library", kind=record.name, where=where, **more)


def _log_event(record: logging.LogRecord) -> None:
    """Log an event of a room below the service: the error behind it by its type and its place."""
    error = record.exc_info[1] if record.exc_info else None
    more: dict[str, Any] = {}
    if error is not None:
        more = {"kind": type(error).__name__, "where": _frames(error)}
    if isinstance(error, StoreUnavailableError):
        more["why"] = error.why
    structlog.get_logger().log(record.levelno, record.msg, **more)


def configure(to: TextIO | None = None) -> None:
    """Send structured lines to standard error, or where else, and nothing but them."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            filter_event,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(to or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[LibraryHandler()], level=logging.WARNING, force=True)


def fault(error: BaseException, *, route: str) -> None:
    """Log a fault of ours: what kind, where in the code, on which route."""
    kind = type(error).__name__
    structlog.get_logger().error("fault", kind=kind, where=_frames(error), route=route)


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
