"""Four servers on one machine, in turns: ours, two peers on the same model, one that does nothing.

Each is a process of its own, driven from this one over kept connections. What is claimed are
ratios, each the median over turns of one run; a slow moment of the machine hits all of them.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from experiments.benchmarks.serving.deployment import BATCH, Deployment, nothings
from experiments.benchmarks.serving.peer_models import PLAIN, command, environment
from experiments.support.benchmark_harness import Row, row
from experiments.support.processes import (
    HttpConnection,
    Server,
    encode_get,
    encode_post,
    find_free_port,
)

CONNECTIONS = 16
_ALONE = f"{CONNECTIONS} connections"
TURN_SECONDS = 1.5
TURNS = 7
STARTS = 3
FLUSHES, FLUSHED = 100, 60_000
"""Flushes that are timed, and bytes in each: the pages of SQLite's log that one decision writes."""
_UNCOMPILED = "PYTHONDONTWRITEBYTECODE"
OURS, MLFLOW, PLAINLY, NOTHING = "ours", "mlflow models serve", "a plain service", "nothing"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did in one turn."""

    rate: float
    """Rows answered a second."""
    cpu: float
    """Seconds of processor time a row."""
    p50: float
    p99: float
    """Seconds until an answer."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of a process, alone."""

    answered: float
    """Until it says that it is up."""
    decided: float
    """Until it answered the first request for a decision, sent once it was up."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the servers are asked: over how many lines, for how many rows at once."""

    name: str
    connections: int
    rows: int
    asked: Mapping[str, Iterator[bytes]]


def settings(made: Deployment) -> list[Setting]:
    """Return the requests for each server."""
    many = f"batches of {BATCH}"
    single = {
        OURS: made.decisions("one"),
        MLFLOW: made.invocations(1),
        PLAINLY: made.predictions(1),
        NOTHING: nothings(),
    }
    batches = {
        OURS: made.batches(),
        MLFLOW: made.invocations(BATCH),
        PLAINLY: made.predictions(BATCH),
    }
    return [
        Setting(_ALONE, CONNECTIONS, 1, single),
        Setting("1 connection", 1, 1, single),
        Setting(many, 1, BATCH, batches),
    ]


class Contest:
    """The servers, started when asked for."""

    def __init__(self, made: Deployment) -> None:
        self._made = made

    def server(self, name: str) -> tuple[Server, bytes]:
        """Return a server that was not started yet, and what it answers once it is up."""
        port, scratch = find_free_port(), self._made.scratch
        python = [sys.executable, "-m"]
        env, ask = environment(), encode_get("/ping")
        if name == OURS:
            line = [*python, "api", "serve", "--port", str(port)]
            env, ask = self._made.environment, encode_get("/readyz")
        elif name == MLFLOW:
            line = command(self._made.peer, port=port)
        else:
            model = str(self._made.peer / PLAIN)
            line, ask = (
                [*python, "experiments.benchmarks.serving.plain_service", model, str(port)],
                encode_post("/nothing", b""),
            )
        env = {name: value for name, value in env.items() if name != _UNCOMPILED}
        log = scratch / f"{name.replace(' ', '-')}.log"
        return Server(line, port, environment=env, log=log), ask

    async def starts(self) -> dict[str, Start]:
        """Return the medians of starts of each process, alone.

        A first start is not counted: it compiles what an installation runs compiled.
        """
        asked = {
            OURS: self._made.decisions("start"),
            MLFLOW: self._made.invocations(1),
            PLAINLY: self._made.predictions(1),
        }
        starts: dict[str, list[Start]] = {name: [] for name in asked}
        for number in range(STARTS + 1):
            for name, found in starts.items():
                server, ask = self.server(name)
                with server:
                    answered = await server.first_answer(ask)
                    decided = await server.first_answer(next(asked[name]))
                found += [Start(answered, decided)] if number else []
        return {
            name: Start(
                statistics.median(one.answered for one in found),
                statistics.median(one.decided for one in found),
            )
            for name, found in starts.items()
        }

    async def rows(self) -> list[Row]:
        """Return the figures of all servers."""
        starts = await self.starts()
        with ExitStack() as stack:
            servers = {}
            for name in starts:
                server, ask = self.server(name)
                servers[name] = stack.enter_context(server)
                await server.first_answer(ask)
            servers[NOTHING] = servers[PLAINLY]
            found = []
            alone, one_line, many = settings(self._made)
            for setting in (alone, one_line, many):
                turns = await _turns(setting, servers)
                found += ratios(setting, turns)
                if setting is one_line:
                    found += flush_rows(_flush_seconds(self._made.scratch), turns[PLAINLY])
            found.append(batch_ratio(await _own_turns(servers[OURS], (many, alone))))
            memory = {name: server.memory_bytes() for name, server in servers.items()}
        return [*found, *start_rows(starts), *_once("memory", memory)]


async def _turns(setting: Setting, servers: Mapping[str, Server]) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in setting.asked}
    for number in range(TURNS + 1):
        for name, asked in setting.asked.items():
            turn = await drive(servers[name], asked, setting)
            if number:  # the first turn warms up
                turns[name].append(turn)
    return turns


async def _own_turns(server: Server, asked: Sequence[Setting]) -> list[list[Turn]]:
    """Return what our service did in each setting, one after the other in every turn."""
    turns = [[await drive(server, one.asked[OURS], one) for one in asked] for _ in range(TURNS + 1)]
    return turns[1:]  # the first turn warms up


async def drive(server: Server, asked: Iterator[bytes], setting: Setting) -> Turn:
    """Drive one server for one turn; raises ``RuntimeError`` at an answer that is none."""
    waited: list[float] = []
    until = time.perf_counter() + TURN_SECONDS

    async def one() -> None:
        async with HttpConnection(server.port) as line:
            while (began := time.perf_counter()) < until:
                status, body = await line.ask(next(asked))
                if status >= 300:
                    raise RuntimeError(f"answered {status}: {body[:200]!r}")
                waited.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.gather(*(one() for _ in range(setting.connections)))
    seconds, rows = time.perf_counter() - began, len(waited) * setting.rows
    slow = sorted(waited)[int(0.99 * (len(waited) - 1))]
    spent = (server.cpu_seconds() - cpu) / rows
    return Turn(rows / seconds, spent, statistics.median(waited), slow)


MUST = {
    ("throughput", _ALONE, MLFLOW): ">= 12",
    ("throughput", _ALONE, PLAINLY): ">= 4",
    ("throughput", "1 connection", PLAINLY): ">= 1",
    ("processor time", _ALONE, MLFLOW): "<= 0.08",
    ("cold start", "", MLFLOW): "<= 0.2",
}
"""Bars; whatever has none is printed for its own sake."""
FIRST_MUST = {("throughput", _ALONE, MLFLOW): ">= 15"}
"""Bars of the first version, where the second has another: both are printed."""
BATCH_MUST = ">= 4"
"""Of rows recorded in batches against the same decisions one by one."""


def ratios(setting: Setting, turns: Mapping[str, Sequence[Turn]]) -> list[Row]:
    """Return a setting's rows: ours over each peer's, turn by turn; medians."""
    found = [row(f"decisions, {setting.name}", "per second", _median(turns[OURS], "rate"), ">= 0")]
    for peer in turns:
        if peer == OURS:
            continue
        for what, field in (
            ("throughput", "rate"),
            ("processor time", "cpu"),
            ("p50", "p50"),
            ("p99", "p99"),
        ):
            pairs = zip(turns[OURS], turns[peer], strict=True)
            seen = statistics.median(getattr(o, field) / getattr(p, field) for o, p in pairs)
            must = MUST.get((what, setting.name, peer), ">= 0")
            found.append(row(f"{what} against {peer}, {setting.name}", "times", seen, must))
            if first := FIRST_MUST.get((what, setting.name, peer)):
                name = f"{what} against {peer}, {setting.name}, first version"
                found.append(row(name, "times", seen, first))
    return found


def batch_ratio(turns: Sequence[Sequence[Turn]]) -> Row:
    """Return the row of batches against one by one; a turn has one of each, in this order."""
    seen = statistics.median(many.rate / alone.rate for many, alone in turns)
    name = f"batches of {BATCH} recorded, against one by one at {CONNECTIONS} connections"
    return row(name, "times", seen, BATCH_MUST)


def _flush_seconds(folder: Path) -> float:
    """Return how long the disk of a folder takes to hold what a decision appends; a median."""
    taken = []
    with TemporaryFile(dir=folder) as file:
        for _ in range(FLUSHES):
            file.write(os.urandom(FLUSHED))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def flush_rows(seconds: float, peer: Sequence[Turn]) -> list[Row]:
    """Return the rows of one flush, which over one connection each answer waits for.

    Above 1, no service that flushes before it answers can be as quick there as the peer, which
    records nothing.
    """
    against = seconds / _median(peer, "p50")
    return [
        row("one flush to the disk", "ms", 1000 * seconds, ">= 0"),
        row(f"one flush against an answer of {PLAINLY}, 1 connection", "times", against, ">= 0"),
    ]


def _median(turns: Sequence[Turn], field: str) -> float:
    middle: float = statistics.median(getattr(turn, field) for turn in turns)
    return middle


def start_rows(starts: Mapping[str, Start]) -> list[Row]:
    """Return the rows of starts: until an answer, and until a decision in the loaded home.

    A service is up before it has the compiler that reads a loaded history's counters, so the
    second says what the first leaves out.
    """
    ours = starts[OURS]
    return [
        *_once("cold start", {name: one.answered for name, one in starts.items()}),
        *_once("start to the first decision", {name: one.decided for name, one in starts.items()}),
        row("first decision, once ready", "seconds", ours.decided - ours.answered, ">= 0"),
    ]


def _once(what: str, known: Mapping[str, float]) -> list[Row]:
    return [
        row(
            f"{what} against {peer}",
            "times",
            known[OURS] / known[peer],
            MUST.get((what, "", peer), ">= 0"),
        )
        for peer in (MLFLOW, PLAINLY)
    ]
