"""Kill -9 at random moments, while checkpoints send.

One pool of senders lives through all trials. Most services die a moment after their first answer,
every second one right after an answer (what was answered before its commit is then lost), some
while they still start. What was sent and not answered is sent again to the next one.
"""

import asyncio
import random

from experiments.faults.senders import FaultTrials, wait_next

LONGEST_SECONDS = 0.4
"""The longest a service lives after its first answer."""
EARLY = 0.1
"""Share of the services that are killed before they answered."""


async def kill(run: FaultTrials) -> None:
    """Kill and start the service as often as is to be tried."""
    service, dice = run.service, random.Random(run.trials)
    with service:
        async with run.send():
            for trial in range(run.trials):
                service.start()
                is_early = dice.random() < EARLY
                if not is_early:
                    await wait_next(run.book.heard)
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                if trial % 2 == 1 and not is_early:
                    await wait_next(run.book.heard)
                service.kill()
                run.report_progress(trial + 1, run.trials)
            service.planted = ""  # the seeded bug has had its trials; answer the waiting requests
            service.start()
            await wait_next(run.book.heard)
