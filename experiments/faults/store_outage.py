"""Outages of the store while checkpoints send.

Assumes that the service itself lives on: it must answer all the while, ask for patience as long as
it cannot record, and record again by itself once it can. Each outage begins right after an answer:
one that left before its record was durable is then lost.
"""

import asyncio
import random
import signal
import time

from experiments.faults.full_disk import BoundFiles, FilledDisk
from experiments.faults.senders import Book, FaultTrials, wait_next
from experiments.faults.service_process import Service
from experiments.support.postgres import Cluster

BACK_SECONDS = 5.0
"""The longest between the store's return and the first decision recorded."""
BITES_SECONDS = 10.0
"""The longest that a service may go on as if its store were there: a full disk has some slack."""
LONGEST_SECONDS = 0.3
"""The longest that a store is there before it is taken, and away before it comes back."""


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


async def outages(run: FaultTrials, *, outage: StoppedServer | FilledDisk | BoundFiles) -> None:
    """Take the store away as often as is to be tried."""
    service, book, dice = run.service, run.book, random.Random(run.trials)
    with service:
        service.start()
        async with run.send():
            await wait_next(book.heard)
            for trial in range(run.trials):
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await wait_next(book.heard)
                await asyncio.to_thread(outage.begin, service)
                await _bites(book)
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await asyncio.to_thread(outage.end, service)
                await _back(book)
                run.report_progress(trial + 1, run.trials)


async def _bites(book: Book) -> None:
    """Wait until a sender receives a 503; an outage without one does not count."""
    try:
        await wait_next(book.turned_away, seconds=BITES_SECONDS)
    except TimeoutError:
        book.broken["no sender received a 503 in the outage"] += 1


async def _back(book: Book) -> None:
    """Wait for a decision, and note where it took too long."""
    returned = time.monotonic()
    await wait_next(book.heard)
    if time.monotonic() - returned > BACK_SECONDS:
        book.broken["not back in time"] += 1
