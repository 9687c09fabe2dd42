"""Processes that are killed -9 at a random moment.

A process is forked from this one, which has one thread and has closed the store in question; it
opens that store like any other. What it reported before its end is what a sender received.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

BEGUN = b"begun"
Report = Callable[[str], None]
"""Tells the other process a line."""


def run_killed(work: Callable[[Report], None], *, after_seconds: float) -> list[str]:
    """Run ``work`` in a process that is killed so long after it has begun; return its reports."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with suppress(Exception):  # its end is the point
                os.write(writer, BEGUN + b"\n")
                work(lambda line: _report(writer, line))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as reports:
        reports.readline()
        time.sleep(after_seconds)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [line.decode().rstrip("\n") for line in reports if line.endswith(b"\n")]


def _report(writer: int, line: str) -> None:
    os.write(writer, line.encode() + b"\n")
