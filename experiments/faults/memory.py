"""Requests over hours: the service holds no more at the end than when it had warmed up.

Assumes that memory which grows with every request shows within these many: what each of them may
leave behind is bounded by the limit over their number. Caches of a fixed size fill up first.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from experiments.arrivals import Sent
from experiments.faults.kill import SENDERS
from experiments.faults.senders import Book, Sender
from experiments.faults.service import Service

WARM_SHARE = 0.2
"""Part of the requests after which the service counts as warm."""
MOST_BYTES = 24 << 20
"""What it may have grown by since."""
_PAUSE_SECONDS = 0.05
_PAGE = 4096


async def memory(
    service: Service,
    waiting: Iterator[Sent],
    *,
    keys: Mapping[str, str],
    trials: int,
    told: Callable[[int, int], None],
) -> Book:
    """Ask for ``trials`` decisions of one process, and weigh it."""
    book = Book()
    with service:
        service.start()
        async with asyncio.TaskGroup() as senders:
            for _ in range(SENDERS):
                senders.create_task(Sender(service.port, book, keys=keys).run(waiting))
            await _answered(book, int(trials * WARM_SHARE), told, trials)
            warm = resident(service.pid)
            await _answered(book, trials, told, trials)
            book.is_closing = True
            if resident(service.pid) - warm > MOST_BYTES:
                book.broken["memory that grows"] += 1
    return book


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


async def _answered(book: Book, number: int, told: Callable[[int, int], None], trials: int) -> None:
    while len(book.acknowledged) < number:
        await asyncio.sleep(_PAUSE_SECONDS)
        told(min(len(book.acknowledged), trials), trials)
