"""Homes of several sizes from synthetic networks: what commands, decisions and pages take.

Sizes follow each other. Decisions are sent over one connection to the services of the smallest and
the largest home in turns, and so are pages asked for, so that a slow moment hits both. The store is
SQLite, or the PostgreSQL server of ``DARVOZA_DATABASE_URL``.
"""

import asyncio
import json
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from experiments.benchmarks.pages import SignedInDesk
from experiments.benchmarks.scale.growth_laws import draw, fit_powers
from experiments.benchmarks.scale.sized_home import READER, SizedHome, make_home
from experiments.support.arrivals import SentArrival, repeat_arrivals
from experiments.support.benchmark_harness import Row, row, run_in_turns
from experiments.support.processes import (
    HttpConnection,
    Server,
    encode_get,
    encode_post,
    find_free_port,
)

SIZES = (60_000, 1_000_000)
ROUNDS, EACH = 30, 100
"""Rounds of decisions, and how many in each."""
PAGES = {
    "page of a decision": "/decisions/{decision}",
    "page of a search by plate": "/search?q={plate}",
    "page of a post's shift": "/posts/{post}/shift",
    "page of the network": "/network",
}
"""Pages that read the past."""
TURNS = 41
"""Of each page, each of another decision: one has a past and a search order, one has none."""
_READ_BYTES = 1 << 22
MOST_OF_PAGES = 1.5
"""Times as long as on the small home that a page may take; the bar of a decision's p99."""


def run(
    data: Path | None,
    *,
    crossings: Sequence[int] = SIZES,
    picture: Path | None = None,
    untrained: bool = False,
) -> list[Row]:
    """Return the rows of ``bench scale``; synthetic networks of its own, ``data`` is unused.

    ``picture`` is where an SVG of the costs by size goes. ``untrained`` leaves the training out: a
    model without skill decides.
    """
    del data
    with TemporaryDirectory(prefix="bench-scale-") as name, ExitStack() as stack:
        homes = [
            stack.enter_context(make_home(Path(name) / str(size), size, untrained=untrained))
            for size in sorted(set(crossings))
        ]
        rows = [line for home in homes for line in _describe(home)]
        if picture is not None:
            draw(homes, picture)
        if len(homes) > 1:
            rows += fit_powers(homes[0], homes[-1])
            rows += _compare_services(homes[0], homes[-1])
        return rows


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
    if home.features is not None and home.train is not None:
        taken = home.train.seconds / home.features.seconds
        peak = home.train.peak / 2**30
        rows += [
            row(f"{of}: train, over one pass of features", "times as long", taken, "<= 6"),
            row(f"{of}: train, {home.train.seconds:,.0f} s, peak", "GB", peak, "<= 8"),
        ]
    return rows


def _compare_services(small: SizedHome, large: SizedHome) -> list[Row]:
    """Serve both; return the large one's times over the small one's, of decisions and of pages."""
    homes, ports = (small, large), (find_free_port(), find_free_port())
    with ExitStack() as stack:
        for home, port in zip(homes, ports, strict=True):
            serve = [sys.executable, "-m", "api", "serve", "--port", str(port)]
            log = home.commands.home.parent / "serve.log"
            server = Server(serve, port, environment=home.commands.environment, log=log)
            stack.enter_context(server)
            asyncio.run(server.first_answer(encode_get("/readyz")))
        alike = min(len(home.bodies) for home in homes)  # vehicles come again as often in both
        lines = [Checkpoint(port, home, alike) for home, port in zip(homes, ports, strict=True)]
        rows = _compare_decisions(homes, lines, "first decisions")
        if not any(home.commands.database for home in homes):
            for home in homes:
                _read_files(home.commands.home)
            rows += _compare_decisions(homes, lines, "decision with the store in memory")
        desks = [
            stack.enter_context(closing(SignedInDesk(port, READER, home.password)))
            for home, port in zip(homes, ports, strict=True)
        ]
        return rows + _compare_pages(homes, lines, desks)


class Checkpoint:
    """Sends endless entries, so many of them distinct, to a home's service on one connection."""

    def __init__(self, port: int, home: SizedHome, distinct: int) -> None:
        self._line, self._keys = HttpConnection(port), home.keys
        self._arrivals = repeat_arrivals(home.bodies[:distinct], prefix="scale")
        self.latest: deque[Mapping[str, str]] = deque(maxlen=TURNS)
        """Post, plate and decision of the last ones."""

    async def send(self, number: int) -> list[float]:
        """Send so many and return the seconds of each, without the first: it opens the connection.

        Raises ``RuntimeError`` at an answer that is no decision.
        """
        async with self._line:  # closed in between: the service ends a connection that is idle
            return [await self._decide(next(self._arrivals)) for _ in range(number + 1)][1:]

    async def _decide(self, arrival: SentArrival) -> float:
        request = encode_post("/v1/decisions", arrival.body, key=self._keys[arrival.post])
        started = time.perf_counter()
        status, body = await self._line.ask(request)
        taken = time.perf_counter() - started
        if status != 201:
            raise RuntimeError(f"answered {status}: {body[:200]!r}")
        plate = json.loads(arrival.body)["crossing"].get("plate", "")
        decision = json.loads(body)["decision_id"]
        self.latest.append({"post": arrival.post, "plate": plate, "decision": decision})
        return taken


def _compare_decisions(
    homes: Sequence[SizedHome], lines: Sequence[Checkpoint], name: str
) -> list[Row]:
    seconds = asyncio.run(_time_decisions(lines))
    return [
        _compare(homes, f"{name}, p{share}", [_percentile(one, share) for one in seconds], most)
        for share, most in ((50, 1.2), (99, 1.5))
    ]


def _read_files(folder: Path) -> None:
    """Read every file, so that the system holds the store in memory: a training pushes it out."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(_READ_BYTES):
                    pass


async def _time_decisions(lines: Sequence[Checkpoint]) -> list[list[float]]:
    """Return the seconds of each decision, by checkpoint; they take turns."""
    seconds: list[list[float]] = [[] for _ in lines]
    for number in range(ROUNDS + 1):
        for place, line in enumerate(lines):
            taken = await line.send(EACH)
            seconds[place] += taken if number else []  # the first round warms up
    return seconds


def _compare_pages(
    homes: Sequence[SizedHome], lines: Sequence[Checkpoint], desks: Sequence[SignedInDesk]
) -> list[Row]:
    """Ask for the pages that read the past, of both in turns, each time of another decision."""
    rows = []
    for name, path in PAGES.items():
        asked = {
            str(place): partial(_open_next, desk, path, cycle(line.latest))
            for place, (line, desk) in enumerate(zip(lines, desks, strict=True))
        }
        medians = [statistics.median(one) for one in run_in_turns(asked, TURNS).values()]
        rows.append(_compare(homes, name, medians, MOST_OF_PAGES))
    return rows


def _open_next(desk: SignedInDesk, path: str, shown: Iterator[Mapping[str, str]]) -> None:
    known = {name: quote(value, safe="") for name, value in next(shown).items()}
    desk.get(path.format_map(known))


def _compare(homes: Sequence[SizedHome], name: str, seconds: Sequence[float], most: float) -> Row:
    """Return the row of a time on the large home over that on the small one."""
    seen = ", ".join(
        f"{home.crossings:,} crossings {1000 * taken:.2f} ms"
        for home, taken in zip(homes, seconds, strict=True)
    )
    return row(f"{name}: {seen}", "times as long", seconds[1] / seconds[0], f"<= {most}")


def _percentile(seconds: Sequence[float], share: int) -> float:
    return statistics.quantiles(seconds, n=100)[share - 1]
