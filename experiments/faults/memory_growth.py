"""Memory over hours of requests: the service holds no more at the end than after warming up.

Every vehicle is new, so that caches keyed by name fill, or grow without a bound. Caches of a fixed
size fill first. Bounded are the growth of the whole run and, where the run is long enough, the
slope of its second half: a leak keeps growing; a cache that fills does not.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

from experiments.faults.senders import FaultTrials

WARM_SHARE = 0.2
"""Part of the requests after which the service counts as warm."""
MOST_BYTES = 24 << 20
"""What it may have grown by since."""
LATE_SHARE = 0.5
"""Part of the requests after which caches are to be full."""
MOST_BYTES_A_REQUEST = 256.0
"""What it may then still grow by with each request: 24 MB in a hundred thousand."""
TELLING = 10_000
"""Requests from which on a slope shows a leak: over fewer, one page would look like one."""
_PARTS = 12
"""Stretches of the second half, each with a slope of its own."""
_PAUSE_SECONDS = 0.05
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Weight:
    """What the process held after so many answers."""

    answered: int
    resident: int
    """Bytes."""


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


def find_growth(weights: Sequence[Weight], trials: int) -> Iterator[str]:
    """Yield each sign that memory grows, in words."""
    warm = next(one for one in weights if one.answered >= trials * WARM_SHARE)
    more = weights[-1].resident - warm.resident
    if more > MOST_BYTES:
        yield f"memory that grew by {more / (1 << 20):.1f} MB once warm"
    late = [one for one in weights if one.answered >= trials * LATE_SHARE]
    if late[-1].answered - late[0].answered < TELLING:
        return
    slope = steepness(late)
    if slope > MOST_BYTES_A_REQUEST:
        yield f"memory that grows by {slope:.0f} bytes with each request"


def steepness(weights: Sequence[Weight]) -> float:
    """Return the bytes that a request adds, the mean over stretches but the highest and the lowest.

    So one step, as of a connection that opens late, does not move it; growth that goes on does.
    """
    first, last = weights[0].answered, weights[-1].answered
    wanted = [first + (last - first) * part / _PARTS for part in range(_PARTS + 1)]
    ends = [min(weights, key=lambda one: abs(one.answered - at)) for at in wanted]
    slopes = [
        (later.resident - earlier.resident) / (later.answered - earlier.answered)
        for earlier, later in pairwise(ends)
    ]
    return mean(sorted(slopes)[1:-1])


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
