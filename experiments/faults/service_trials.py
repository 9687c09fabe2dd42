"""Trials of one service under requests: kills, changes of model, duplicates, memory.

Kill -9 at random moments: one pool of senders lives through all trials. Most services die a moment
after their first answer, every second one right after an answer (what was answered before its
commit is then lost), some while they still start. What was sent and not answered is sent again to
the next one.

Change of model and restart of the process: no request is refused. Assumes that the listening socket
outlives the process, as a service manager or the parent of several workers keeps it
(:mod:`api.http.server`): a connection that comes between two processes waits for the next one.
Checkpoints do not try again here: a connection that breaks under a request, a request for patience
and any other answer than a decision count as failed, and so does a decision without the model.

Duplicate requests: one request a hundred times at once, each over its own connection. A gateway
that timed out sends again while the first request is still in progress; two lanes read one plate.
All of them must receive the same answer, byte for byte.

Memory over hours of requests: the service holds no more at the end than after warming up. Every
vehicle is new, so that caches keyed by name fill, or grow without a bound. Caches of a fixed size
fill first.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from experiments.faults.senders import FaultTrials, until, wait_next
from experiments.faults.service_process import Service
from experiments.support.deployment import PATH
from experiments.support.processes import (
    BROKEN,
    HttpConnection,
    MemorySample,
    encode_post,
    find_growth,
    measure_memory,
)
from experiments.support.throwaway_models import Analysts

LONGEST_LIFE_SECONDS = 0.4
"""The longest a service lives after its first answer."""
EARLY = 0.1
"""Share of the services that are killed before they answered."""


async def kill_service(run: FaultTrials) -> None:
    """Kill and start the service as often as is to be tried."""
    service, dice = run.service, random.Random(run.trials)
    with service:
        async with run.send():
            for trial in range(run.trials):
                service.start()
                is_early = dice.random() < EARLY
                if not is_early:
                    await wait_next(run.book.heard)
                await asyncio.sleep(dice.random() * LONGEST_LIFE_SECONDS)
                if trial % 2 == 1 and not is_early:
                    await wait_next(run.book.heard)
                service.kill()
                run.report_progress(trial + 1, run.trials)
            service.planted = ""  # the seeded bug has had its trials; answer the waiting requests
            service.start()
            await wait_next(run.book.heard)


LONGEST_PAUSE_SECONDS = 0.3
"""The longest between two changes."""
FEWEST_CHANGES = 4
"""Two models and both kinds of restart, however few requests are asked for."""


async def swap_models(run: FaultTrials, *, analysts: Analysts) -> None:
    """Change model and process in turn until as many requests as are to be tried are answered."""
    service, book, dice, changes = run.service, run.book, random.Random(run.trials), 0
    book.is_patient = False
    with service:
        service.start()
        async with run.send():
            while len(book.acknowledged) < run.trials or changes < FEWEST_CHANGES:
                await asyncio.sleep(dice.random() * LONGEST_PAUSE_SECONDS)
                version = await asyncio.to_thread(_change, service, analysts, changes)
                await until(service.port, partial(_serves, version))
                changes += 1
                run.report_progress(min(len(book.acknowledged), run.trials), run.trials)
    for raw in book.acknowledged.values():
        if json.loads(raw)["mode"] != "model":
            book.broken["decided without the model"] += 1


def _change(service: Service, analysts: Analysts, number: int) -> str | None:
    """Put another model into force, restart, put another into force, hand over; and so on.

    Returns the version that is to serve, None where it stays.
    """
    if number % 2 == 0:
        return analysts.promote(analysts.make())
    if number % 4 == 1:
        service.stop()
        service.start()
    else:
        service.relieve()
    return None


def _serves(wanted: str | None, now: Mapping[str, Any]) -> bool:
    return now["mode"] == "model" and wanted in (None, now["model_version"])


COPIES = 100
_BROKEN = 0
"""Stands for a status where the connection broke."""


async def duplicate_requests(run: FaultTrials) -> None:
    """Send as many requests as are to be tried, a hundred times each."""
    lines = [HttpConnection(run.service.port) for _ in range(COPIES)]
    with run.service:
        run.service.start()
        await until(run.service.port, lambda now: now["mode"] != "")
        for trial in range(run.trials):
            sent = next(run.waiting)
            request = encode_post(PATH, sent.body, key=run.keys[sent.post])
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


_PAUSE_SECONDS = 0.05


async def watch_memory(run: FaultTrials) -> None:
    """Request decisions, each on a new vehicle, and measure the process's memory."""
    service, weights = run.service, list[MemorySample]()
    with service:
        service.start()
        async with run.send():
            while (answered := len(run.book.acknowledged)) < run.trials:
                await asyncio.sleep(_PAUSE_SECONDS)
                run.report_progress(answered, run.trials)
                weights.append(MemorySample(answered, measure_memory(service.pid)))
            weights.append(MemorySample(answered, measure_memory(service.pid)))
    run.report_progress(run.trials, run.trials)
    for why in find_growth(weights, run.trials):
        run.book.broken[why] += 1
