"""Duplicate requests: one request a hundred times at once, each over its own connection.

A gateway that timed out sends again while the first request is still in progress; two lanes read
one plate. All of them must receive the same answer, byte for byte.
"""

import asyncio

from experiments.faults.senders import PATH, FaultTrials, until
from experiments.support.http_client import BROKEN, HttpConnection, post

COPIES = 100
_BROKEN = 0
"""Stands for a status where the connection broke."""


async def duplicate(run: FaultTrials) -> None:
    """Send as many requests as are to be tried, a hundred times each."""
    lines = [HttpConnection(run.service.port) for _ in range(COPIES)]
    with run.service:
        run.service.start()
        await until(run.service.port, lambda now: now["mode"] != "")
        for trial in range(run.trials):
            sent = next(run.waiting)
            request = post(PATH, sent.body, key=run.keys[sent.post])
            answers = await asyncio.gather(*(_ask(line, request) for line in lines))
            for status, raw in answers:
                run.book.note(sent.crossing_id, status, raw)
            run.report_progress(trial + 1, run.trials)
        for line in lines:
            line.close()


async def _ask(line: HttpConnection, request: bytes) -> tuple[int, bytes]:
    try:
        return await line.ask(request)
    except BROKEN:
        return _BROKEN, b""
