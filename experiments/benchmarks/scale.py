"""Homes of several sizes from synthetic networks: what commands, decisions and pages take.

Each home is made by the commands, as processes of their own: processor time of each and of the
processes that it waited for, the most memory that it held, and bytes on disk after the load. The
services of the smallest and the largest home then decide in turns over one connection, and so are
pages asked for, so that a slow moment hits both. The store is SQLite, or the PostgreSQL server of
``DARVOZA_DATABASE_URL``, whose time and memory are not counted.
"""

import asyncio
import json
import math
import os
import re
import statistics
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from matplotlib.axes import Axes
from sqlalchemy import make_url

from engine.domain.time_units import DAY, SystemClock, moment
from engine.errors import NotEnoughDataError
from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks.runner import Bench, Row, row, take_turns
from experiments.support.deployment import PATH, Deployment, SentArrivals, deploy, endless
from experiments.support.postgres import scratch_database
from experiments.support.processes import (
    HOST,
    CommandCost,
    HomeCommands,
    HttpConnection,
    encode_post,
)
from experiments.synthetic.folder import write
from models.evaluation.report_html import draw_plot

SIZES = (60_000, 1_000_000)
ENTRIES, SHARE = 2_000, 30
"""Distinct entries that are held out to be sent, at most this part of the crossings. Of few, most
windows of an entity are remembered when its vehicle comes again, which none does at a post."""
READER = "reader"
"""A supervisor who reads pages."""
ROUNDS, EACH = 30, 100
"""Rounds of decisions, and how many in each."""
WAITING, MOST_BATCHES = 200, 150
"""Vehicles in the queue whose page is timed, and batches of ``EACH`` that are sent for it."""
ROSTER = {"physical": 10_000.0, "xray": 10_000.0, "documents": 10_000.0}
"""Minutes of a shift that does not fill up before so many wait."""
PAGES = {
    "page of a decision": "/decisions/{decision}",
    "page of a search by plate": "/search?q={plate}",
    "page of a post's shift": "/posts/{post}/shift",
    "page of the network": "/network",
    "page of a month's figures": "/figures",
    "page of a queue": "/posts/{queue}/queue",
    "page of a plate": "/entities/plate/{plate}?purpose=analysis",
    "page of a carrier": "/entities/carrier/{carrier_id}?purpose=analysis",
    "everything connected": "/entities/carrier/{carrier_id}/connections?purpose=analysis",
}
MOST_SECONDS = {"page of a decision": 0.120, "page of a queue": 0.150}
MOST_BYTES = 150_000
"""Of a page."""
TURNS = 41
"""Of each page, each of another decision: one has a past and a search order, one has none."""
MOST_OF_PAGES = 1.5
"""Times as long as on the small home that a page may take; the bound of a decision's p99."""
MOST_STEEP = 1.1
"""Power of the number of crossings: a sort adds a logarithm to a line, a tenth over two decades."""
_READ_BYTES = 1 << 22
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_MARKS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True, slots=True)
class SizedHome:
    """A home of one size, with what it took to make it."""

    crossings: int
    made: Deployment
    password: str
    """Of ``READER``."""
    input_bytes: int
    disk_bytes: int
    """Of the home once it was loaded."""
    features: CommandCost | None = None
    train: CommandCost | None = None
    """None if the home is left untrained, or the network holds too few finds to learn from."""


def measure(
    crossings: Sequence[int] = SIZES, picture: Path | None = None, *, untrained: bool = False
) -> list[Row]:
    """Return the rows of ``bench scale``, on synthetic networks of a year.

    ``picture`` is where an SVG of the costs by size goes. ``untrained`` leaves the training out: a
    model without skill decides.
    """
    server = os.environ.get(DATABASE_VARIABLE)
    with TemporaryDirectory(prefix="bench-scale-") as name, ExitStack() as stack:
        homes = []
        for size in sorted(set(crossings)):
            store = scratch_database(server) if server else nullcontext("")
            database = stack.enter_context(store)
            scratch = Path(name) / str(size)
            homes.append(make_home(scratch, size, database, untrained=untrained))
        rows = [line for home in homes for line in describe(home)]
        if picture is not None:
            draw(homes, picture)
        if len(homes) > 1:
            rows += fit_powers(homes[0], homes[-1])
            rows += _compare_services(homes[0], homes[-1])
        return rows


def make_home(scratch: Path, size: int, database: str, *, untrained: bool) -> SizedHome:
    """Make a home in a new folder from a network of a year."""
    now, network = SystemClock().now(), scratch / "network"
    scratch.mkdir(parents=True)
    held_out = min(ENTRIES, size // SHARE)  # with about as many exits
    write(network, crossings=size + 2 * held_out, seed=1, end=moment(now), days=365)
    made = deploy(scratch, network, latest=now - DAY, entries=held_out, database=database)
    disk = _count_all(made.commands)
    features = train = None
    if untrained:
        made.promote_without_skill()
    else:
        matrix = str(scratch / "features.parquet")
        features = made.commands.run("features", str(made.commands.home), "--out", matrix)
        train = _train(made.commands)
    password = made.commands.create_supervisor(READER)
    return SizedHome(size, made, password, _count_bytes(made.history), disk, features, train)


def _train(commands: HomeCommands) -> CommandCost | None:
    """Train and put into force, so that decisions are scored; None if finds are too few."""
    try:
        train = commands.run("train")
    except subprocess.CalledProcessError:
        return None
    commands.put_into_force(train.printed["version"])
    return train


def _count_all(commands: HomeCommands) -> int:
    """Return the bytes of a home and of its database."""
    files = _count_bytes(commands.home)
    if not commands.database:
        return files
    url = make_url(commands.database).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return files + int(found[0] if found else 0)


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def describe(home: SizedHome) -> list[Row]:
    """Return the rows of what the commands took to make a home."""
    of, load = f"{home.crossings:,} crossings", home.made.load
    records = sum(load.printed["accepted"].values())
    rows = [
        row(f"{of}: load", "crossings/s of one core", home.crossings / load.seconds, ">= 15000"),
        row(f"{of}: load, rows of all files", "rows/s of one core", records / load.seconds),
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


def list_costs(home: SizedHome) -> dict[str, float]:
    """Return what a home took: processor seconds, megabytes of memory and of disk."""
    commands = {"load": home.made.load, "features": home.features, "train": home.train}
    costs = {"disk, MB": home.disk_bytes / 1e6}
    for name, cost in commands.items():
        if cost is not None:
            costs |= {f"{name}, s": cost.seconds, f"{name}, MB of memory": cost.peak / 1e6}
    return costs


def fit_powers(small: SizedHome, large: SizedHome) -> list[Row]:
    """Return for each cost the power of the number of crossings that leads from one to the other.

    A power of 1 is growth in proportion. What a process takes at any size makes it smaller.
    """
    few, many = list_costs(small), list_costs(large)
    times = math.log(large.crossings / small.crossings)
    sizes = f"{small.crossings:,} to {large.crossings:,} crossings"
    must = f"<= {MOST_STEEP}"
    return [
        row(f"{sizes}: {name}", "power", math.log(many[name] / few[name]) / times, must)
        for name in few
        if name in many
    ]


def draw(homes: Sequence[SizedHome], out: Path) -> None:
    """Write the costs of homes of several sizes as SVG, both axes logarithmic."""
    costs = {home.crossings: list_costs(home) for home in homes}
    names = dict.fromkeys(name for each in costs.values() for name in each)

    def plot(axes: Axes) -> None:
        for mark, name in zip(cycle(_MARKS), names, strict=False):
            known = [(size, each[name]) for size, each in costs.items() if name in each]
            axes.plot(*zip(*known, strict=True), marker=mark, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("crossings loaded (SYNTHETIC)")
        axes.legend()

    text = "Processor seconds and megabytes by the number of crossings in a home."
    out.write_text(draw_plot(plot, name="scale", text=text).svg, "utf-8")


def _compare_services(small: SizedHome, large: SizedHome) -> list[Row]:
    """Serve both; return the large one's times over the small one's, of decisions and of pages."""
    homes = (small, large)
    with ExitStack() as stack:
        servers = [stack.enter_context(home.made.commands.serve()) for home in homes]
        for server in servers:
            server.wait_until_ready()
        alike = min(len(home.made.bodies) for home in homes)  # vehicles come as often in both
        lines = [
            Checkpoint(server.port, home, alike)
            for server, home in zip(servers, homes, strict=True)
        ]
        desks = [
            SignedInDesk(server.port, READER, home.password)
            for server, home in zip(servers, homes, strict=True)
        ]
        for line, desk in zip(lines, desks, strict=True):
            desk.put(f"/v1/posts/{quote(line.queue)}/roster", {"minutes": ROSTER})
        rows = _compare_decisions(homes, lines, "first decisions")
        if not any(home.made.commands.database for home in homes):
            for home in homes:
                _read_files(home.made.commands.home)
            rows += _compare_decisions(homes, lines, "decision with the store in memory")
        for line, desk in zip(lines, desks, strict=True):
            asyncio.run(line.fill_queue(desk))
        return rows + _compare_pages(homes, lines, desks)


class SignedInDesk:
    """One person's session, with a connection for each request.

    Raises ``NotEnoughDataError`` at an answer that is an error.
    """

    def __init__(self, port: int, name: str, password: str) -> None:
        self._line = HTTPConnection(HOST, port, timeout=120)
        self._line.request("GET", "/login")
        answer = self._line.getresponse()
        token, visit = _TOKEN.search(answer.read().decode()), _read_cookie(answer)
        fields = {"name": name, "password": password, "form_token": token[1] if token else ""}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": visit}
        self._origin = headers["Origin"] = f"http://{HOST}:{port}"
        self._line.request("POST", "/login", urlencode(fields).encode(), headers)
        answer = self._line.getresponse()
        answer.read()
        if answer.status >= 400:
            raise NotEnoughDataError("bench scale", f"signing in answered {answer.status}")
        self._cookie = _read_cookie(answer)

    def get(self, path: str) -> bytes:
        """Return what a path answers."""
        return self._ask("GET", path, None, {"Cookie": self._cookie})

    def put(self, path: str, body: Any) -> None:
        """Send JSON as the signed-in person, as a page of this site."""
        headers = {"Cookie": self._cookie, "Content-Type": "application/json"}
        self._ask("PUT", path, json.dumps(body).encode(), headers | {"Origin": self._origin})

    def _ask(self, how: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        self._line.request(how, path, body, dict(headers))
        answer = self._line.getresponse()
        found = answer.read()
        self._line.close()  # the service ends one that is idle; the next request opens another
        if answer.status >= 300:
            raise NotEnoughDataError("bench scale", f"{path} answered {answer.status}")
        return found


def _read_cookie(answer: HTTPResponse) -> str:
    """Return the last cookie that an answer sets: a sign-in ends the visitor's and sets its own."""
    found = answer.headers.get_all("Set-Cookie") or [""]
    return next((one for one in found if "session" in one), found[-1]).partition(";")[0]


class Checkpoint:
    """Sends endless entries, so many of them distinct, to a home's service on one connection."""

    def __init__(self, port: int, home: SizedHome, distinct: int) -> None:
        self._line, self._keys = HttpConnection(port), home.made.keys
        self._bodies = home.made.bodies[:distinct]
        self._arrivals = endless(self._bodies, prefix="scale")
        self.queue = next(iter(self._keys))
        """The post whose queue is filled."""
        self.latest: deque[Mapping[str, str]] = deque(maxlen=TURNS)
        """Post, plate, carrier and decision of the last ones."""

    async def send(self, number: int) -> list[float]:
        """Send so many and return the seconds of each, without the first: it opens the connection.

        Raises ``RuntimeError`` at an answer that is no decision.
        """
        async with self._line:  # closed in between: the service ends a connection that is idle
            return [await self._decide(next(self._arrivals)) for _ in range(number + 1)][1:]

    async def _decide(self, arrival: SentArrivals) -> float:
        request = encode_post(PATH, arrival.body, key=self._keys[arrival.post])
        started = time.perf_counter()
        status, body = await self._line.ask(request)
        taken = time.perf_counter() - started
        if status != 201:
            raise RuntimeError(f"answered {status}: {body[:200]!r}")
        crossing = json.loads(arrival.body)["crossing"]
        names = {name: crossing.get(name) or "none" for name in ("plate", "carrier_id")}
        known = names | {"post": arrival.post, "queue": self.queue}
        self.latest.append(known | {"decision": json.loads(body)["decision_id"]})
        return taken

    async def fill_queue(self, desk: SignedInDesk) -> None:
        """Send new vehicles to one post until enough of them wait there."""
        where = quote(self.queue)
        sent = (
            one.body
            for one in endless(self._bodies, prefix="queue", strangers=True)
            if one.post == self.queue
        )
        for _ in range(MOST_BATCHES):
            if len(json.loads(desk.get(f"/v1/posts/{where}/queue"))["waiting"]) >= WAITING:
                return
            rows = b",".join(islice(sent, EACH))
            request = encode_post(f"{PATH}/batch", b"[" + rows + b"]", key=self._keys[self.queue])
            async with self._line:
                status, answer = await self._line.ask(request)
            if status >= 300:
                raise RuntimeError(f"answered {status}: {answer[:200]!r}")
        raise NotEnoughDataError("bench scale", f"fewer than {WAITING} vehicles wait")


def _compare_decisions(
    homes: Sequence[SizedHome], lines: Sequence[Checkpoint], name: str
) -> list[Row]:
    seconds = asyncio.run(_time_decisions(lines))
    return [
        _compare(
            homes,
            f"{name}, p{share}",
            [statistics.quantiles(one, n=100)[share - 1] for one in seconds],
            most,
        )
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
    """Ask for pages of both in turns, each time of another decision."""
    rows = []
    for name, path in PAGES.items():
        asked = {
            str(place): partial(_open_next, desk, path, cycle(line.latest))
            for place, (line, desk) in enumerate(zip(lines, desks, strict=True))
        }
        turns = take_turns(asked, TURNS)
        medians = [turns.median(place) for place in asked]
        rows.append(_compare(homes, name, medians, MOST_OF_PAGES))
        if name in MOST_SECONDS:
            size = max(_open_next(desks[-1], path, iter([one])) for one in lines[-1].latest)
            rows.append(row(name, "seconds", medians[-1], f"<= {MOST_SECONDS[name]}"))
            rows.append(row(name, "bytes", size, f"<= {MOST_BYTES}"))
    return rows


def _open_next(desk: SignedInDesk, path: str, shown: Iterator[Mapping[str, str]]) -> int:
    """Open a page and return its bytes."""
    known = {name: quote(value, safe="") for name, value in next(shown).items()}
    return len(desk.get(path.format_map(known)))


def _compare(homes: Sequence[SizedHome], name: str, seconds: Sequence[float], most: float) -> Row:
    """Return the row of a time on the large home over that on the small one."""
    seen = ", ".join(
        f"{home.crossings:,} crossings {1000 * taken:.2f} ms"
        for home, taken in zip(homes, seconds, strict=True)
    )
    return row(f"{name}: {seen}", "times as long", seconds[1] / seconds[0], f"<= {most}")


BENCH = Bench("scale", measure, frozenset({"crossings", "picture", "untrained"}))
