"""Benchmark harness: turns interleaved in one process, medians of ratios.

Machines are noisy: what is compared takes turns, so that a slow moment hits all of them, and only
ratios of one run are claimed.
"""

import operator
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_OPERATORS = {">=": operator.ge, "<=": operator.le}


def row(name: str, unit: str, seen: float, must: str) -> Row:
    """Return one line of a benchmark; ``must`` is an operator, a space and a decimal."""
    sign, bound = must.split(" ")
    holds = bool(_OPERATORS[sign](seen, float(bound)))
    return {"name": name, "unit": unit, "seen": round(seen, 3), "must": must, "holds": holds}


def result(bench: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a benchmark's result as the command prints it."""
    machine = {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    return {
        "bench": bench,
        "machine": machine,
        "rows": list(rows),
        "holds": all(found["holds"] for found in rows),
    }


def peak_bytes() -> int:
    """Return the most memory that this process has held since its program was started."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there may be the memory of the parent process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def run_in_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Let each take its turn, some rounds over; return the seconds of every turn."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            started = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def times_faster(seconds: Mapping[str, Sequence[float]], ours: str, peer: str) -> float:
    """Return the median over rounds of a peer's time over ours."""
    rounds = zip(seconds[peer], seconds[ours], strict=True)
    return statistics.median(theirs / mine for theirs, mine in rounds)
