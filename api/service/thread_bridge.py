"""Work of other threads, awaited on the event loop: one wake-up for all that is done together.

A batch is answered at once, and every wake-up of the loop is a system call and a change of threads:
what is done while a wake-up is under way rides on it. Work is shared by all who asked for it, so
a caller that stops waiting does not cancel it.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


class LoopBridge:
    """Wakes the loop in which it is asked to."""

    def __init__(self) -> None:
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._is_waking = False

    def wait(self, work: "Future[Result]") -> "asyncio.Future[Result]":
        """Return what will hold the result or the error of this work, on the running loop."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Result] = loop.create_future()

        def done(_: object) -> None:
            self._done.append((waiting, work))
            if not self._is_waking:
                self._is_waking = True
                with suppress(RuntimeError):  # the loop was closed: no caller waits any more
                    loop.call_soon_threadsafe(self._answer)

        work.add_done_callback(done)
        return waiting

    def _answer(self) -> None:
        self._is_waking = False  # before the look: what is done after it wakes the loop again
        while self._done:
            waiting, work = self._done.popleft()
            if waiting.done():  # the caller has gone
                continue
            error = work.exception()
            if error is None:
                waiting.set_result(work.result())
            else:
                waiting.set_exception(error)
