"""Declaration of a benchmark, turns of its contestants, and the figures that the command prints.

Machines are noisy: contestants take turns, so that a slow moment hits all of them, and the figures
that are claimed are medians of ratios within one run.
"""

import importlib
import operator
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Row = dict[str, Any]
_OPERATORS = {">=": operator.ge, "<=": operator.le}

BENCHES: Mapping[str, str] = MappingProxyType(
    {
        "features": "features",
        "lookup": "lookup",
        "serving": "serving",
        "explain": "explain",
        "messages": "messages",
        "scale": "scale",
        "quality": "quality.run",
        "soak": "soak",
    }
)
"""Benchmarks by name, each with its module; the module declares it as ``BENCH``."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark: its name, what measures it, and which options of the command it takes."""

    name: str
    measure: Callable[..., Iterable[Row]]
    """Takes the options that were given, by name, and returns the rows."""
    options: frozenset[str] = frozenset()

    def run(self, **given: Any) -> dict[str, Any]:
        """Return the rows, the machine that they were measured on, and whether all bounds hold."""
        rows = list(self.measure(**given))
        machine = {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "system": platform.system(),
        }
        holds = all(found["holds"] for found in rows)
        return {"bench": self.name, "machine": machine, "rows": rows, "holds": holds}


def find_bench(name: str) -> Bench:
    """Return the benchmark of a name of ``BENCHES``; its module is imported now."""
    module = importlib.import_module(f"experiments.benchmarks.{BENCHES[name]}")
    found: Bench = module.BENCH
    return found


def row(
    name: str,
    unit: str,
    seen: float,
    must: str = ">= 0",
    *,
    between: tuple[float, float] | None = None,
) -> Row:
    """Return one figure; ``must`` is an operator, a space and a decimal.

    ``between`` are the ends of its 95 % interval, which nothing is demanded of.
    """
    sign, bound = must.split(" ")
    holds = bool(_OPERATORS[sign](seen, float(bound)))
    made = {"name": name, "unit": unit, "seen": round(seen, 3), "must": must, "holds": holds}
    ends = {} if between is None else {"between": [round(float(end), 3) for end in between]}
    return made | ends


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds of each contestant, one figure a round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return the median seconds of a contestant's turn."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, over: str) -> float:
        """Return the median over rounds of one contestant's seconds over another's."""
        rounds = zip(self.seconds[name], self.seconds[over], strict=True)
        return statistics.median(one / other for one, other in rounds)


def take_turns(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warming: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Turns:
    """Let each contestant take its turn, round by round; the first ``warming`` are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warming + rounds):
        for name, contestant in contestants.items():
            began = clock()
            contestant()
            seconds[name] += [clock() - began] if number >= warming else []
    return Turns(seconds)
