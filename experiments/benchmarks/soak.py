"""Soak test: 24 posts with ten decisions a second each, for ten minutes, on one service.

A request leaves when it is due, and its time counts from then: while a service stalls, every
vehicle that arrives waits as well, and a sender that held back until the answer came would not see
it. Each vehicle is new, so that whatever is kept by name fills. SYNTHETIC; the service has a
history, a model in force and SQLite.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.domain.time_units import DAY, SystemClock, moment
from experiments.benchmarks.runner import Bench, Row, row
from experiments.benchmarks.serving import CROSSINGS, ENTRIES, SPAN_DAYS, train
from experiments.support.deployment import PATH, Deployment, deploy, endless
from experiments.support.processes import (
    MOST_BYTES,
    MOST_BYTES_A_REQUEST,
    HttpConnection,
    MemorySample,
    Server,
    encode_post,
    measure_growth,
    measure_slope,
)
from experiments.synthetic.folder import write
from experiments.synthetic.posts import POSTS

SENDERS, A_SECOND, SECONDS = 24, 10, 600
WARM_SECONDS = 20
"""Not counted: the first decisions open shifts, connections and caches."""
MOST_WAITING = 5
"""Vehicles more, on the mean, that may wait in the last quarter than in the first."""
_PAUSE_SECONDS = 1.0
"""Between two looks at the process's memory."""


@dataclass(slots=True)
class Load:
    """What was asked of the service, and what it took."""

    answers: list[tuple[float, float]] = field(default_factory=list)
    """When each request was due and when it was answered: seconds since the first was due."""
    weights: list[MemorySample] = field(default_factory=list)
    processor_seconds: float = 0.0


def measure(seconds: int = SECONDS) -> list[Row]:
    """Return the rows of ``bench soak``, on a synthetic network of its own.

    Raises ``RuntimeError`` at an answer that is no decision.
    """
    with TemporaryDirectory(prefix="bench-soak-") as name:
        scratch = Path(name)
        codes = _write_network(scratch / "wide")
        latest = SystemClock().now() - 2 * DAY
        made = deploy(scratch, scratch / "wide", latest=latest, entries=ENTRIES, posts=codes)
        train(made)
        return describe(asyncio.run(_drive(made, seconds)), seconds)


def _write_network(folder: Path) -> list[str]:
    """Write a synthetic history whose network has as many posts as send; return their codes."""
    write(folder, crossings=CROSSINGS, seed=1, end=moment(SystemClock().now()), days=SPAN_DAYS)
    more = [f"UZ-X{number:02}" for number in range(SENDERS - len(POSTS))]
    with (folder / "network.toml").open("a", encoding="utf-8") as file:
        for code in more:
            file.write(f'\n[[posts]]\ncode = "{code}"\nname = "{code}"\ncountry = "UZ"\n')
            file.write("[posts.roster]\nphysical = 480\ndocuments = 480\n")
    return [one.code for one in POSTS] + more


async def _drive(made: Deployment, seconds: int) -> Load:
    load = Load()
    with made.commands.serve() as server:
        server.wait_until_ready()
        used, began = server.cpu_seconds(), time.perf_counter()
        watch = asyncio.create_task(_weigh(server, load))
        async with asyncio.TaskGroup() as group:
            for number, (code, key) in enumerate(made.keys.items()):
                phase = number / (A_SECOND * len(made.keys))
                times = [phase + beat / A_SECOND for beat in range(seconds * A_SECOND)]
                group.create_task(
                    _send(server.port, _requests(made, code, key), times, began, load)
                )
        watch.cancel()
        load.weights.append(MemorySample(len(load.answers), server.memory_bytes()))
        load.processor_seconds = server.cpu_seconds() - used
    load.answers.sort()
    return load


def _requests(made: Deployment, code: str, key: str) -> Iterator[bytes]:
    """Yield requests of new vehicles at a post, in the likeness of those of other posts."""
    there = [{**body, "crossing": {**body["crossing"], "post": code}} for body in made.bodies]
    for one in endless(there, prefix=code, strangers=True):
        yield encode_post(PATH, one.body, key=key)


async def _send(
    port: int, asked: Iterator[bytes], times: Sequence[float], began: float, load: Load
) -> None:
    """Send each request when it is due, over the one connection that a post has."""
    async with HttpConnection(port) as line:
        for due in times:
            await asyncio.sleep(began + due - time.perf_counter())
            status, body = await line.ask(next(asked))
            if status != 201:
                raise RuntimeError(f"answered {status}: {body[:200]!r}")
            load.answers.append((due, time.perf_counter() - began))


async def _weigh(server: Server, load: Load) -> None:
    """Note the service's memory every second, until it is cancelled."""
    while True:
        load.weights.append(MemorySample(len(load.answers), server.memory_bytes()))
        await asyncio.sleep(_PAUSE_SECONDS)


def describe(load: Load, seconds: int) -> list[Row]:
    """Return the rows of a load of so many seconds."""
    counted = [pair for pair in load.answers if pair[0] >= WARM_SECONDS]
    percents = statistics.quantiles([answered - due for due, answered in counted], n=100)
    p50, p99 = percents[49], percents[98]
    last = max(answered for _, answered in load.answers)
    quarter = (seconds - WARM_SECONDS) / 4
    early = count_waiting(load.answers, WARM_SECONDS, WARM_SECONDS + quarter)
    late = count_waiting(load.answers, seconds - quarter, seconds)
    number = len(load.answers)
    grown = measure_growth(load.weights, number) / (1 << 20)
    slope = measure_slope(load.weights, number)
    asked = SENDERS * A_SECOND
    return [
        row(
            f"{asked} asked a second, {seconds} s",
            "answered a second",
            number / last,
            f">= {0.99 * asked:g}",
        ),
        row("time of an answer, p50", "milliseconds", 1000 * p50),
        row("time of an answer, p99", "milliseconds", 1000 * p99),
        row("p99 over p50", "times", p99 / p50, "<= 10"),
        row("waiting, last quarter less the first", "vehicles", late - early, f"<= {MOST_WAITING}"),
        row("memory, grown once warm", "MB", grown, f"<= {MOST_BYTES >> 20}"),
        row("memory, second half", "bytes a decision", slope, f"<= {MOST_BYTES_A_REQUEST:g}"),
        row(
            "processor time of a decision",
            "microseconds",
            1e6 * load.processor_seconds / number,
        ),
    ]


def count_waiting(answers: Sequence[tuple[float, float]], since: float, until: float) -> float:
    """Return how many requests were due and not answered, the mean over a stretch of time."""
    waited = sum(max(0.0, min(answered, until) - max(due, since)) for due, answered in answers)
    return waited / (until - since)


BENCH = Bench("soak", measure)
