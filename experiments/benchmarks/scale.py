"""Growth of a home with its history: load, counters, training and decisions at several sizes.

Synthetic networks of a year, one size after the other. Load, features and training are the
commands, each in a process of its own: processor time of it and of the processes that it waited
for, the most memory that it held, and bytes on disk afterwards. Decisions are sent over one
connection to the services of the smallest and the largest home in turns, so that a slow moment hits
both.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.domain.time_units import DAY, SystemClock, moment
from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks.serving.comparison import free_port
from experiments.support.arrivals import SentArrivals, endless
from experiments.support.benchmark_harness import Row, row
from experiments.support.held_out_shift import cut, opening
from experiments.support.http_client import HttpConnection, get, post
from experiments.support.processes import Server
from experiments.synthetic.records.writer import write

SIZES = (60_000, 1_000_000)
ENTRIES, ROUNDS, EACH = 500, 10, 100
"""Distinct entries that are sent; rounds of decisions, and how many in each."""


@dataclass(frozen=True, slots=True)
class CommandCost:
    """What a command took: processor seconds, and the most bytes of memory that it held."""

    seconds: float
    peak: int
    printed: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SizedHome:
    """A home of one size, with what it took to make it."""

    crossings: int
    folder: Path
    home: Path
    keys: Mapping[str, str]
    bodies: Sequence[Mapping[str, Any]]
    load: CommandCost
    features: CommandCost
    train: CommandCost | None
    """None where the network holds too few finds to learn from."""
    input_bytes: int
    disk_bytes: int


def run(data: Path | None, *, crossings: Sequence[int] = SIZES) -> list[Row]:
    """Return the rows of ``bench scale``; synthetic networks of its own, ``data`` is unused."""
    del data
    with TemporaryDirectory(prefix="bench-scale-") as name:
        homes = [_make_home(Path(name) / str(size), size) for size in sorted(set(crossings))]
        rows = [line for home in homes for line in _describe(home)]
        if len(homes) > 1:
            rows += _compare_decisions(homes[0], homes[-1])
        return rows


def _make_home(scratch: Path, size: int) -> SizedHome:
    now, home, network = SystemClock().now(), scratch / "home", scratch / "network"
    scratch.mkdir(parents=True)
    write(network, crossings=size, seed=1, end=moment(now), days=365)
    opens_at = opening(network, latest=now - DAY, entries=ENTRIES)
    shift = cut(network, scratch / "history", opens_at=opens_at)
    load = _run(home, "load", str(shift.history))
    disk = _count_bytes(home)
    features = _run(home, "features", str(home), "--out", str(scratch / "features.parquet"))
    train = _train(home)
    entries = [one for one in shift.arrivals if one["crossing"]["direction"] == "entry"]
    where = sorted({one["crossing"]["post"] for one in entries})[:4]
    keys = {
        code: _run(home, "keys", "create", "--role", "checkpoint", "--post", code).printed["key"]
        for code in where
    }
    bodies = [one for one in entries if one["crossing"]["post"] in keys]
    given = _count_bytes(shift.history)
    return SizedHome(size, network, home, keys, bodies, load, features, train, given, disk)


def _train(home: Path) -> CommandCost | None:
    """Train and put into force, so that decisions are scored; None where finds are too few."""
    try:
        train = _run(home, "train")
    except subprocess.CalledProcessError:
        return None
    for person in ("one", "two"):
        made = _run(home, "users", "create", person, "--role", "supervisor").printed
        version = train.printed["version"]
        _run(home, "promote", version, "--as", person, password=made["password"])
    return train


def _run(home: Path, *words: str, password: str = "") -> CommandCost:
    """Run a command to its end; raises ``CalledProcessError`` where it fails."""
    line = [sys.executable, "-m", "api", *words, "--home", str(home), "--json"]
    kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
    kept["DARVOZA_PASSWORD"] = password
    process = subprocess.Popen(line, env=kept, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if code:
        raise subprocess.CalledProcessError(code, line)
    seconds = used.ru_utime + used.ru_stime
    return CommandCost(seconds, used.ru_maxrss * 1024, json.loads(printed))


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _describe(home: SizedHome) -> list[Row]:
    of, load = f"{home.crossings:,} crossings", home.load
    rows = [
        row(f"{of}: load", "crossings/s of one core", home.crossings / load.seconds, ">= 15000"),
        row(f"{of}: disk", "kB a crossing", home.disk_bytes / home.crossings / 1000, "<= 1.0"),
        row(
            f"{of}: load, peak {load.peak >> 20:,} MB over input {home.input_bytes >> 20:,} MB",
            "times as much",
            load.peak / home.input_bytes,
            "<= 1.5",
        ),
    ]
    if home.train is not None:
        taken = home.train.seconds / home.features.seconds
        peak = home.train.peak / 2**30
        rows += [
            row(f"{of}: train, over one pass of features", "times as long", taken, "<= 6"),
            row(f"{of}: train, {home.train.seconds:,.0f} s, peak", "GB", peak, "<= 8"),
        ]
    return rows


def _compare_decisions(small: SizedHome, large: SizedHome) -> list[Row]:
    """Send decisions to both in turns; return the large one's times over the small one's."""
    first, second = asyncio.run(_time_decisions((small, large)))
    rows = []
    for share, bound in ((50, "<= 1.2"), (99, "<= 1.5")):
        few, many = (_percentile(seconds, share) for seconds in (first, second))
        name = (
            f"decision, p{share}: {small.crossings:,} crossings {1000 * few:.2f} ms, "
            f"{large.crossings:,} {1000 * many:.2f} ms"
        )
        rows.append(row(name, "times as long", many / few, bound))
    return rows


async def _time_decisions(homes: Sequence[SizedHome]) -> list[list[float]]:
    """Return the seconds of each decision, by home."""
    seconds: list[list[float]] = [[] for _ in homes]
    lines = []
    with ExitStack() as stack:
        for home in homes:
            port = free_port()
            environment = {**os.environ, "DARVOZA_HOME": str(home.home), "OMP_NUM_THREADS": "1"}
            environment.pop(DATABASE_VARIABLE, None)
            serve = [sys.executable, "-m", "api", "serve", "--port", str(port)]
            log = home.home.parent / "serve.log"
            server = Server(serve, port, environment=environment, log=log)
            stack.enter_context(server)
            await server.first_answer(get("/readyz"))
            lines.append((HttpConnection(port), endless(home.bodies, prefix="scale"), home.keys))
        for number in range(ROUNDS + 1):
            for place, (line, asked, keys) in enumerate(lines):
                line.close()  # the service ends a connection that was idle
                taken = [await _decide(line, next(asked), keys) for _ in range(EACH + 1)]
                seconds[place] += taken[1:] if number else []  # the first round warms up
    return seconds


async def _decide(line: HttpConnection, arrival: SentArrivals, keys: Mapping[str, str]) -> float:
    request = post("/v1/decisions", arrival.body, key=keys[arrival.post])
    started = time.perf_counter()
    status, body = await line.ask(request)
    taken = time.perf_counter() - started
    if status != 201:
        raise RuntimeError(f"answered {status}: {body[:200]!r}")
    return taken


def _percentile(seconds: Sequence[float], share: int) -> float:
    return statistics.quantiles(seconds, n=100)[share - 1]
