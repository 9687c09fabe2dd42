"""Memory over hours of requests: the service holds no more at the end than after warming up.

Every vehicle is new, so that caches keyed by name fill, or grow without a bound. Caches of a fixed
size fill first.
"""

import asyncio

from experiments.faults.senders import FaultTrials
from experiments.support.process_memory import Weight, find_growth, resident

_PAUSE_SECONDS = 0.05


async def memory(run: FaultTrials) -> None:
    """Request decisions, each on a new vehicle, and measure the process's memory."""
    service, weights = run.service, list[Weight]()
    with service:
        service.start()
        async with run.send():
            while (answered := len(run.book.acknowledged)) < run.trials:
                await asyncio.sleep(_PAUSE_SECONDS)
                run.report_progress(answered, run.trials)
                weights.append(Weight(answered, resident(service.pid)))
            weights.append(Weight(answered, resident(service.pid)))
    run.report_progress(run.trials, run.trials)
    for why in find_growth(weights, run.trials):
        run.book.broken[why] += 1
