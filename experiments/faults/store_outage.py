"""Outages of the store while checkpoints send.

Assumes that the service itself lives on: it must answer all the while, ask for patience as long as
it cannot record, and record again by itself once it can. Each outage begins right after an answer:
one that left before its record was durable is then lost.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from experiments.faults.process_kill import PATIENCE_SECONDS, SENDERS
from experiments.faults.senders import Book, Sender
from experiments.faults.service_process import Service
from experiments.support.arrivals import SentArrivals
from experiments.support.postgres import Cluster

BACK_SECONDS = 5.0
"""The longest between the store's return and the first decision recorded."""
BITES_SECONDS = 10.0
"""The longest that a service may go on as if its store were there: a full disk has some slack."""
LONGEST_SECONDS = 0.3
"""The longest that a store is there before it is taken, and away before it comes back."""


class Outage(Protocol):
    """Fault that makes a store unavailable for a time."""

    def begin(self, service: Service) -> None:
        """Take the store away from a running service."""
        ...

    def end(self, service: Service) -> None:
        """Give it back; ends when it could be used again."""
        ...


class StoppedServer:
    """Database server that stops as if its machine lost power, and replays its log at start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def begin(self, service: Service) -> None:
        """Stop the server at once: connections break, no transaction ends."""
        self._cluster.stop(signal.SIGQUIT)

    def end(self, service: Service) -> None:
        """Start the server and wait until it accepts connections."""
        self._cluster.start()


async def outages(
    service: Service,
    waiting: Iterator[SentArrivals],
    *,
    keys: Mapping[str, str],
    trials: int,
    report_progress: Callable[[int, int], None],
    outage: Outage,
) -> Book:
    """Take the store away ``trials`` times; return what the senders received."""
    book, dice = Book(), random.Random(trials)
    with service:
        service.start()
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(Sender(service.port, book, keys=keys).run(waiting))
            await _next(book.heard)
            for trial in range(trials):
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await _next(book.heard)
                await asyncio.to_thread(outage.begin, service)
                await _bites(book)
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await asyncio.to_thread(outage.end, service)
                await _back(book)
                report_progress(trial + 1, trials)
            book.is_closing = True
    return book


async def _bites(book: Book) -> None:
    """Wait until a sender receives a 503; an outage without one does not count."""
    try:
        await _next(book.turned_away, seconds=BITES_SECONDS)
    except TimeoutError:
        book.broken["no sender received a 503 in the outage"] += 1


async def _back(book: Book) -> None:
    """Wait for a decision, and note where it took too long."""
    returned = time.monotonic()
    await _next(book.heard)
    if time.monotonic() - returned > BACK_SECONDS:
        book.broken["not back in time"] += 1


async def _next(event: asyncio.Event, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until this happens again."""
    event.clear()
    async with asyncio.timeout(seconds):
        await event.wait()
