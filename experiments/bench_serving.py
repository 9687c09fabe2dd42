"""What a full decision costs, stage by stage, and against ``mlflow models serve`` of its model.

A decision here is everything: a validated nested body, features from a loaded history, score,
selection, reasons where owed, a durable record, an answer with a receipt. The peer is sent the row
of features ready-made and returns one number. Both are real servers driven from this process over
16 kept connections, in turns; ratios are medians over the turns.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engine.home import DATABASE_VARIABLE, Home
from engine.times import DAY, SystemClock, moment
from experiments.arrivals import endless
from experiments.benching import Row, interleaved, row, times_faster
from experiments.processes import Server
from experiments.shift import cut
from experiments.synth.write import write
from experiments.wire import Line, get, post
from models.bundle import signing_key
from models.peer import command, environment, estimators, save
from models.scorer import Scorer

CROSSINGS, SPAN_DAYS = 60_000, 90
CONNECTIONS = 16
TURN_SECONDS = 2.0
TURNS = 7
SCORED = 200
"""Distinct rows scored one by one in a turn."""
STAGED = 3_000
"""Decisions whose processor time is taken apart."""
STAGES = ("parse", "read", "score", "decide", "explain", "commit", "answer")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did in one turn."""

    rate: float
    """Answers a second."""
    cpu: float
    """Seconds of processor time an answer."""


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench serving``, on the history in ``data`` or a synthetic one."""
    with TemporaryDirectory(prefix="bench-serving-") as name:
        scratch = Path(name)
        made = _deployment(scratch, data)
        return [*asyncio.run(_compared(made)), _one_row(made), *asyncio.run(_staged(made))]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A home with a model in force, what is sent to it, and the peer's model."""

    scratch: Path
    home: Path
    version: str
    requests: Iterator[bytes]
    peer: Path
    peer_requests: Iterator[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the service's process."""
        kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
        return kept | {"DARVOZA_HOME": str(self.home), "OMP_NUM_THREADS": "1"}


def _deployment(scratch: Path, data: Path | None) -> Deployment:
    """Load, train and promote by the command line, as a user would."""
    now, home = SystemClock().now(), scratch / "home"
    if data is None:
        data = scratch / "network"
        write(data, crossings=CROSSINGS, seed=1, end=moment(now), days=SPAN_DAYS)
    shift = cut(data, scratch / "history", opens_at=now - 2 * DAY)
    _told(home, "load", str(shift.history))
    version: str = _told(home, "train", "--as", "bench")["version"]
    for person in ("one", "two"):
        made = _told(home, "users", "create", person, "--role", "supervisor")
        _told(home, "promote", version, "--as", person, password=made["password"])
    posts = {body["crossing"]["post"] for body in shift.arrivals}
    keys = {
        code: _told(home, "keys", "create", "--role", "checkpoint", "--post", code)["key"]
        for code in sorted(posts)[:4]
    }
    bodies = [body for body in shift.arrivals if body["crossing"]["post"] in keys]
    sent = endless(bodies, prefix="bench")
    columns = save(Home(home), version, scratch / "peer")
    return Deployment(
        scratch,
        home,
        version,
        (post("/v1/decisions", one.body, key=keys[one.post]) for one in sent),
        scratch / "peer",
        _rows(columns),
    )


def _rows(columns: Sequence[str]) -> Iterator[bytes]:
    """Yield requests of one row of features each, as MLflow's users write them."""
    for number in cycle(range(1000)):
        values = [float((number * 31 + at) % 97) for at in range(len(columns))]
        asked = {"dataframe_split": {"columns": list(columns), "data": [values]}}
        yield post("/invocations", json.dumps(asked).encode())


def _told(home: Path, *words: str, password: str = "") -> dict[str, Any]:
    """Run a command and return what it prints."""
    line = [sys.executable, "-m", "api", *words, "--home", str(home), "--json"]
    kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
    done = subprocess.run(
        line, env=kept | {"DARVOZA_PASSWORD": password}, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _compared(made: Deployment) -> list[Row]:
    ours_port, peer_port = _free_port(), _free_port()
    serve = [sys.executable, "-m", "api", "serve", "--port", str(ours_port)]
    ours = Server(serve, ours_port, environment=made.environment, log=made.scratch / "ours.log")
    peer = Server(
        command(made.peer, port=peer_port),
        peer_port,
        environment=environment(),
        log=made.scratch / "peer.log",
    )
    turns: dict[str, list[Turn]] = {"ours": [], "peer": []}
    with ours, peer:
        started = await asyncio.gather(
            ours.first_answer(get("/readyz")), peer.first_answer(get("/ping"))
        )
        for number in range(TURNS + 1):
            for name, server, asked in (
                ("ours", ours, made.requests),
                ("peer", peer, made.peer_requests),
            ):
                turn = await _turn(server, asked)
                if number:  # the first turn warms both up
                    turns[name].append(turn)
    return _ratios(turns, started)


def _ratios(turns: dict[str, list[Turn]], started: tuple[float, float]) -> list[Row]:
    pairs = list(zip(turns["ours"], turns["peer"], strict=True))
    faster = statistics.median(ours.rate / peer.rate for ours, peer in pairs)
    cheaper = statistics.median(ours.cpu / peer.cpu for ours, peer in pairs)
    rate = statistics.median(ours.rate for ours, _ in pairs)
    against = "against mlflow models serve"
    return [
        row(f"full decisions {against}, {CONNECTIONS} connections", "times", faster, ">= 15"),
        row(f"processor time of a decision {against}", "times", cheaper, "<= 0.067"),
        row(f"cold start {against}, both at once", "times", started[0] / started[1], "<= 0.2"),
        row("full decisions", "per second", rate, ">= 0"),
    ]


async def _turn(server: Server, requests: Iterator[bytes]) -> Turn:
    """Drive one server for one turn."""
    answered, until = 0, time.perf_counter() + TURN_SECONDS

    async def drive() -> None:
        nonlocal answered
        async with Line(server.port) as line:
            while time.perf_counter() < until:
                status, body = await line.ask(next(requests))
                if status >= 300:
                    raise RuntimeError(f"answered {status}: {body[:200]!r}")
                answered += 1

    began, cpu = time.perf_counter(), server.cpu_seconds()
    await asyncio.gather(*(drive() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began
    return Turn(answered / seconds, (server.cpu_seconds() - cpu) / answered)


def _one_row(made: Deployment) -> Row:
    """Score distinct rows one by one, both targets, beside scikit-learn on the same trees."""
    home = Home(made.home)
    scorer = Scorer.load(home.bundles / made.version, key=signing_key(home).public_key())
    peers = estimators(home, made.version).values()
    shape = (SCORED, 1, len(scorer.names))
    rows = np.random.default_rng(1).lognormal(0.0, 2.0, shape).astype(np.float32)

    def ours() -> None:
        for one in rows:
            scorer.score(one)

    def peer() -> None:
        for one in rows:
            for estimator in peers:
                estimator.predict_proba(one)

    faster = times_faster(interleaved({"ours": ours, "peer": peer}, TURNS), "ours", "peer")
    return row(
        "one distinct row scored, against scikit-learn predict_proba", "times", faster, ">= 15"
    )


async def _staged(made: Deployment) -> list[Row]:
    """Return the processor time of each stage of a decision."""
    port, out = _free_port(), made.scratch / "stages.json"
    serve = [sys.executable, "-m", "api.staged", str(port), str(out)]
    log = made.scratch / "staged.log"
    with Server(serve, port, environment=made.environment, log=log) as server:
        await server.first_answer(get("/readyz"))
        await _turn(server, made.requests)
        server.signal(signal.SIGUSR1)
        left = iter(range(STAGED))

        async def drive() -> None:
            async with Line(port) as line:
                for _ in left:
                    await line.ask(next(made.requests))

        await asyncio.gather(*(drive() for _ in range(CONNECTIONS)))
    found = json.loads(out.read_text("utf-8"))
    stages = {name: found["stages"][name] / found["decisions"] for name in STAGES}
    whole = found["process"] / found["decisions"]
    stages["everything else (HTTP, threads, event loop)"] = whole - sum(stages.values())
    stages["whole decision"] = whole
    return [
        row(f"processor time: {name}", "microseconds", 1e6 * seconds, ">= 0")
        for name, seconds in stages.items()
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
