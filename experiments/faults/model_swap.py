"""Change of model and restart of the process while checkpoints send: no request is refused.

Assumes that the listening socket outlives the process, as a service manager or the parent of
several workers keeps it (:mod:`api.http.server`): a connection that comes between two processes
waits for the next one. Checkpoints do not try again here: a connection that breaks under a request,
a request for patience and any other answer than a decision count as failed, and so does a decision
without the model.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from experiments.faults.senders import FaultTrials, until
from experiments.faults.service_process import Service
from experiments.support.throwaway_models import Analysts

LONGEST_SECONDS = 0.3
"""The longest between two changes."""
FEWEST_CHANGES = 4
"""Two models and both kinds of restart, however few requests are asked for."""


async def swap(run: FaultTrials, *, analysts: Analysts) -> None:
    """Change model and process in turn until as many requests as are to be tried are answered."""
    service, book, dice, changes = run.service, run.book, random.Random(run.trials), 0
    book.is_patient = False
    with service:
        service.start()
        async with run.send():
            while len(book.acknowledged) < run.trials or changes < FEWEST_CHANGES:
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
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
