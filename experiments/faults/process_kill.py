"""Kill -9 at random moments, while checkpoints send.

One pool of senders lives through all trials. Most services die a moment after their first answer,
every second one right after an answer (what was answered before its commit is then lost), some
while they still start. What was sent and not answered is sent again to the next one.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping

from experiments.faults.senders import Book, Sender
from experiments.faults.service_process import Service
from experiments.support.arrivals import SentArrivals

SENDERS = 8
LONGEST_SECONDS = 0.4
"""The longest a service lives after its first answer."""
EARLY = 0.1
"""Share of the services that are killed before they answered."""
PATIENCE_SECONDS = 120
"""A service that does not answer for so long has failed."""


async def kill(
    service: Service,
    waiting: Iterator[SentArrivals],
    *,
    keys: Mapping[str, str],
    trials: int,
    report_progress: Callable[[int, int], None],
) -> Book:
    """Kill and start the service ``trials`` times; return what the senders received.

    ``report_progress`` is called with the number of trials done and of all.
    """
    book, dice = Book(), random.Random(trials)
    with service:
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(Sender(service.port, book, keys=keys).run(waiting))
            for trial in range(trials):
                service.start()
                is_early = dice.random() < EARLY
                if not is_early:
                    await _answer(book)
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                if trial % 2 == 1 and not is_early:
                    await _answer(book)
                service.kill()
                report_progress(trial + 1, trials)
            service.planted = ""  # the seeded bug has had its trials; answer the waiting requests
            service.start()
            await _answer(book)
            book.is_closing = True
    return book


async def _answer(book: Book) -> None:
    """Wait until the service that runs now has answered a request."""
    book.heard.clear()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await book.heard.wait()
