"""What the service logs: one JSON line an event, names from a closed list, values that are ours.

A plate, a name or a reference must never reach a log. So a fault is logged by its type and where it
was raised, not by its message, which may quote what was sent.
"""

import sys
import traceback

import structlog

_FRAMES = 6
"""Innermost frames that are named."""


def configure() -> None:
    """Send structured lines to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def fault(error: BaseException, *, route: str) -> None:
    """Log a fault of ours: what kind, where in the code, on which route."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    structlog.get_logger().error("fault", kind=type(error).__name__, where=where, route=route)
