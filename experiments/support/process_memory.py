"""Memory of a process over many requests: what has grown, and what goes on growing.

Bounded are the growth of the whole run and, where the run is long enough, the slope of its second
half: a leak keeps growing; a cache that fills does not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

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
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Weight:
    """What the process held after so many answers."""

    answered: int
    resident: int
    """Bytes."""


def find_growth(weights: Sequence[Weight], trials: int) -> Iterator[str]:
    """Yield each sign that memory grows, in words."""
    if (more := measure_growth(weights, trials)) > MOST_BYTES:
        yield f"memory that grew by {more / (1 << 20):.1f} MB once warm"
    late = _late(weights, trials)
    if late[-1].answered - late[0].answered < TELLING:
        return
    if (slope := steepness(late)) > MOST_BYTES_A_REQUEST:
        yield f"memory that grows by {slope:.0f} bytes with each request"


def measure_growth(weights: Sequence[Weight], trials: int) -> int:
    """Return the bytes that were added since the service was warm."""
    warm = next(one for one in weights if one.answered >= trials * WARM_SHARE)
    return weights[-1].resident - warm.resident


def measure_slope(weights: Sequence[Weight], trials: int) -> float:
    """Return the bytes that each request of the second half adds (``steepness``)."""
    return steepness(_late(weights, trials))


def _late(weights: Sequence[Weight], trials: int) -> list[Weight]:
    return [one for one in weights if one.answered >= trials * LATE_SHARE]


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
