"""Duplicate requests: one request a hundred times at once, each over its own connection.

A gateway that timed out sends again while the first request is still in progress; two lanes read
one plate. All of them must receive the same answer, byte for byte.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from experiments.faults.senders import PATH, PAUSE_SECONDS, Book
from experiments.faults.service_process import Service
from experiments.support.arrivals import SentArrivals
from experiments.support.http_client import BROKEN, HttpConnection, get, post

COPIES = 100
PATIENCE_SECONDS = 120
_BROKEN = 0
"""Stands for a status where the connection broke."""


async def duplicate(
    service: Service,
    waiting: Iterator[SentArrivals],
    *,
    keys: Mapping[str, str],
    trials: int,
    report_progress: Callable[[int, int], None],
) -> Book:
    """Send ``trials`` requests a hundred times each; return what the senders received."""
    book, lines = Book(), [HttpConnection(service.port) for _ in range(COPIES)]
    with service:
        service.start()
        await _ready(lines[0])
        for trial in range(trials):
            sent = next(waiting)
            request = post(PATH, sent.body, key=keys[sent.post])
            answers = await asyncio.gather(*(_ask(line, request) for line in lines))
            for status, raw in answers:
                book.note(sent.crossing_id, status, raw)
            report_progress(trial + 1, trials)
        for line in lines:
            line.close()
    return book


async def _ask(line: HttpConnection, request: bytes) -> tuple[int, bytes]:
    try:
        return await line.ask(request)
    except BROKEN:
        return _BROKEN, b""


async def _ready(line: HttpConnection) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await _ask(line, get("/healthz")))[0] != 200:
            await asyncio.sleep(PAUSE_SECONDS)
