"""Cost of a full decision, against services on the same model. Four servers take turns.

A decision here is everything: a validated nested body, features from a loaded history, score,
selection, reasons where owed, a durable record, an answer with a receipt. The peers are sent rows
of features ready-made and return numbers: they are asked for less, so no ratio flatters us. Their
model is one of the bundle's two ensembles, without calibration. The fourth server does nothing.

Each server is a process of its own, driven from this one over kept connections.
"""

import asyncio
import json
import os
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Event
from typing import Any

import numpy as np
import psycopg
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.domain.time_units import DAY, SystemClock, moment
from engine.storage.home import Home
from experiments.benchmarks.runner import Bench, Row, row, take_turns
from experiments.support.deployment import PATH, Deployment, deploy, endless
from experiments.support.postgres import Cluster
from experiments.support.processes import (
    READY,
    HttpConnection,
    Server,
    encode_get,
    encode_post,
    find_free_port,
)
from experiments.synthetic.folder import write
from models.bundle import Scorer, load_bundle, read_verified, read_verify_key

CROSSINGS, SPAN_DAYS = 60_000, 90
ENTRIES = 5_000
"""Distinct entries that are sent over and over, at least.

Random checks are drawn by vehicle and shift, and a referral costs several times what a green
decision does: with a few dozen vehicles at a post, one vehicle that is drawn was a twentieth of all
rows, and two runs could not be compared."""
BATCH = 100
"""Rows of a batch."""
CONNECTIONS = 16
MOST_CONNECTIONS = 32
"""Over which several workers are asked."""
LOOK_SECONDS = 0.01
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
TURN_SECONDS = 1.5
TURNS = 7
STARTS = 3
SCORED = 200
"""Distinct rows scored one by one in a turn."""
FLUSHES, FLUSHED = 100, 60_000
"""Flushes that are timed, and bytes in each: the pages of SQLite's log that one decision writes."""
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""All that the analysts' file of a bundle may hold besides scikit-learn's public types."""
PLAIN = "plain.joblib"
"""The same estimator for a service without MLflow, next to its files."""
OURS, MLFLOW, PLAINLY, NOTHING = "ours", "mlflow models serve", "a plain service", "nothing"
_MANY, _ONE, _BATCHES = f"{CONNECTIONS} connections", "1 connection", f"batches of {BATCH}"
MUST = {
    ("throughput", _MANY, MLFLOW): ">= 7",
    ("throughput", _MANY, PLAINLY): ">= 1",
    ("throughput", _ONE, PLAINLY): ">= 0.5",
    ("processor time", _MANY, MLFLOW): "<= 0.12",
    ("cold start", "", MLFLOW): "<= 0.2",
}
"""Bounds; a figure without one is printed for its own sake."""
BATCH_MUST = ">= 2"
"""Of rows recorded in batches against the same decisions one by one."""
WAIT_MUST = "<= 1.5"
"""Of the time of an answer over its processor time: the rest is waiting."""


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


@dataclass(frozen=True, slots=True)
class Contest:
    """Our deployment with a model in force, and the peers' model."""

    made: Deployment
    version: str
    peer: Path
    columns: Sequence[str]

    def server(self, name: str) -> tuple[Server, bytes]:
        """Return a server that was not started yet, and a request that it answers once it is up."""
        port, python = find_free_port(), [sys.executable, "-m"]
        paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        env = os.environ | {"PATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true"}
        env |= {"OMP_NUM_THREADS": "1"}
        if name == OURS:
            line = [*python, "api", "serve", "--port", str(port)]
            env, ask = self.made.commands.environment, READY
        elif name == MLFLOW:
            line = [*python, "mlflow", "models", "serve", "--model-uri", str(self.peer)]
            line += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
            ask = encode_get("/ping")
        else:
            line = [*python, "experiments.benchmarks.plain_service"]
            line += [str(self.peer / PLAIN), str(port)]
            ask = encode_post("/nothing", b"")
        env = {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}
        log = self.peer.parent / f"{name.replace(' ', '-')}.log"
        return Server(line, port, environment=env, log=log), ask

    def settings(self) -> tuple[Setting, Setting, Setting]:
        """Return the requests for each server: over many connections, over one, in batches."""
        single = {
            OURS: self.made.requests(self.made.arrivals("one")),
            MLFLOW: self.invocations(1),
            PLAINLY: self.predictions(1),
            NOTHING: cycle([encode_post("/nothing", b"{}")]),
        }
        batches = {
            OURS: batch_requests(self.made),
            MLFLOW: self.invocations(BATCH),
            PLAINLY: self.predictions(BATCH),
        }
        return (
            Setting(_MANY, CONNECTIONS, 1, single),
            Setting(_ONE, 1, 1, single),
            Setting(_BATCHES, 1, BATCH, batches),
        )

    def invocations(self, rows: int) -> Iterator[bytes]:
        """Yield requests of MLflow's users: rows of features, with the names of their columns."""
        for values in _values(rows, len(self.columns)):
            asked = {"dataframe_split": {"columns": list(self.columns), "data": values}}
            yield encode_post("/invocations", json.dumps(asked).encode())

    def predictions(self, rows: int) -> Iterator[bytes]:
        """Yield requests to the plain service."""
        for values in _values(rows, len(self.columns)):
            yield encode_post("/predict", json.dumps({"rows": values}).encode())

    def starts(self) -> dict[str, Start]:
        """Return the medians of starts of each process, alone.

        A first start is not counted: it compiles what an installation runs compiled.
        """
        asked = {
            OURS: self.made.requests(self.made.arrivals("start")),
            MLFLOW: self.invocations(1),
            PLAINLY: self.predictions(1),
        }
        starts: dict[str, list[Start]] = {name: [] for name in asked}
        for number in range(STARTS + 1):
            for name, found in starts.items():
                server, ask = self.server(name)
                with server:
                    answered = server.wait_until_ready(ask)
                    decided = server.wait_until_ready(next(asked[name]))
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
        starts = self.starts()
        with ExitStack() as stack:
            servers = {}
            for name in starts:
                server, ask = self.server(name)
                servers[name] = stack.enter_context(server)
                server.wait_until_ready(ask)
            servers[NOTHING] = servers[PLAINLY]
            found = []
            many, one, batches = self.settings()
            for setting in (many, one, batches):
                turns = await _drive_in_turns(setting, servers)
                found += ratios(setting, turns)
                if setting is one:
                    found += wait_rows(turns, flush=_time_flush(self.peer.parent))
            own = [
                [await drive(servers[OURS], one.asked[OURS], one) for one in (batches, many)]
                for _ in range(TURNS + 1)
            ]
            found.append(batch_ratio(own[1:]))  # the first turn warms up
            memory = {name: server.memory_bytes() for name, server in servers.items()}
        return [*found, *start_rows(starts), *_compare_once("memory", memory)]


def batch_requests(made: Deployment) -> Iterator[bytes]:
    """Yield requests for a batch of decisions each, from one post: that of the most vehicles.

    Random checks are drawn by vehicle and shift: of a few that come over and over, one that is
    drawn would be a large part of the rows, each with reasons and a search order.
    """
    where, _ = Counter(body["crossing"]["post"] for body in made.bodies).most_common(1)[0]
    sent = endless([b for b in made.bodies if b["crossing"]["post"] == where], prefix="many")
    while True:
        rows = b",".join(one.body for one in islice(sent, BATCH))
        yield encode_post(f"{PATH}/batch", b"[" + rows + b"]", key=made.keys[where])


def _values(rows: int, columns: int) -> Iterator[list[list[float]]]:
    made = [
        [[float((n * 31 + row * 7 + at) % 97) for at in range(columns)] for row in range(rows)]
        for n in range(max(2, 200 // rows))
    ]
    return cycle(made)


async def _drive_in_turns(setting: Setting, servers: Mapping[str, Server]) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in setting.asked}
    for number in range(TURNS + 1):
        for name, asked in setting.asked.items():
            turn = await drive(servers[name], asked, setting)
            if number:  # the first turn warms up
                turns[name].append(turn)
    return turns


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


def ratios(setting: Setting, turns: Mapping[str, Sequence[Turn]]) -> list[Row]:
    """Return a setting's rows: ours over each peer's, turn by turn; medians."""
    found = [row(f"decisions, {setting.name}", "per second", _median(turns[OURS], "rate"))]
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
    return found


def batch_ratio(turns: Sequence[Sequence[Turn]]) -> Row:
    """Return the row of batches against one by one; a turn has one of each, in this order."""
    seen = statistics.median(many.rate / alone.rate for many, alone in turns)
    name = f"batches of {BATCH} recorded, against one by one at {CONNECTIONS} connections"
    return row(name, "times", seen, BATCH_MUST)


def _time_flush(folder: Path) -> float:
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


def wait_rows(turns: Mapping[str, Sequence[Turn]], *, flush: float) -> list[Row]:
    """Return how long an answer over one connection waits, and the flush that it waits for.

    If one flush takes as long as an answer of the peer, which records nothing, no service that
    flushes before it answers can be as quick there.
    """
    wait = statistics.median(one.p50 / one.cpu for one in turns[OURS])
    against = flush / _median(turns[PLAINLY], "p50")
    return [
        row(f"time of an answer over its processor time, {_ONE}", "times", wait, WAIT_MUST),
        row("one flush to the disk", "ms", 1000 * flush),
        row(f"one flush against an answer of {PLAINLY}, {_ONE}", "times", against),
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
        *_compare_once("cold start", {name: one.answered for name, one in starts.items()}),
        *_compare_once(
            "start to the first decision", {name: one.decided for name, one in starts.items()}
        ),
        row("first decision, once ready", "seconds", ours.decided - ours.answered),
    ]


def _compare_once(what: str, known: Mapping[str, float]) -> list[Row]:
    return [
        row(
            f"{what} against {peer}",
            "times",
            known[OURS] / known[peer],
            MUST.get((what, "", peer), ">= 0"),
        )
        for peer in (MLFLOW, PLAINLY)
    ]


def train(made: Deployment) -> str:
    """Train a model by the command, put it into force, and return its version."""
    version: str = made.commands.run("train").printed["version"]
    made.commands.put_into_force(version)
    return version


def save_peer(home: Home, version: str, *, out: Path) -> tuple[str, ...]:
    """Write an MLflow model of a bundle's discrepancy ensemble; return the columns it takes.

    The bundle is verified first; ``out`` is a folder that does not exist yet.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    names = load_bundle(home.bundles / version, read_verify_key(home, version)).names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import joblib
        import mlflow.sklearn

        chosen = read_estimators(home, version)["discrepancy"]
        mlflow.sklearn.save_model(chosen, str(out), skops_trusted_types=TRUSTED)
    joblib.dump(chosen, out / PLAIN)
    return names


def read_estimators(home: Home, version: str) -> dict[str, Any]:
    """Return a bundle's scikit-learn estimators by target, verified and loaded from the list."""
    import skops.io

    _, files = read_verified(home.bundles / version, read_verify_key(home, version))
    found: dict[str, Any] = skops.io.loads(files["model.skops"], trusted=TRUSTED)
    return found


def compare_scoring(home: Home, version: str) -> Row:
    """Score distinct rows one by one, both targets, next to scikit-learn on the same trees."""
    scorer = Scorer.load(home.bundles / version, key=read_verify_key(home, version))
    peers = read_estimators(home, version).values()
    shape = (SCORED, 1, len(scorer.names))
    rows = np.random.default_rng(1).lognormal(0.0, 2.0, shape).astype(np.float32)
    contestants = {
        "ours": lambda: [scorer.score(one) for one in rows],
        "peer": lambda: [peer.predict_proba(one) for one in rows for peer in peers],
    }
    with threadpool_limits(1):  # its threads only get into each other's way on one row
        faster = take_turns(contestants, TURNS).ratio("peer", "ours")
    what = "one distinct row scored, against scikit-learn predict_proba"
    return row(what, "times", faster, ">= 15")


def measure(data: Path | None = None, workers: Sequence[int] = ()) -> list[Row]:
    """Return the rows of ``bench serving``, on the history in ``data`` or a synthetic one.

    With ``workers``, those of so many workers on a PostgreSQL of their own, without peers.
    """
    with TemporaryDirectory(prefix="bench-serving-") as name:
        scratch, now = Path(name), SystemClock().now()
        if data is None:
            data = scratch / "network"
            write(data, crossings=CROSSINGS, seed=1, end=moment(now), days=SPAN_DAYS)
        if workers:
            return measure_workers(scratch, data, workers, latest=now - 2 * DAY)
        made = deploy(scratch, data, latest=now - 2 * DAY, entries=ENTRIES)
        version = train(made)
        columns = save_peer(made.home, version, out=scratch / "peer")
        contest = Contest(made, version, scratch / "peer", columns)
        return [*asyncio.run(contest.rows()), compare_scoring(made.home, version)]


def measure_workers(scratch: Path, data: Path, workers: Sequence[int], *, latest: int) -> list[Row]:
    """Return decisions a second of several numbers of workers, and what the lock costs.

    Every worker commits under one lock, so that the journal stays one chain. The server flushes its
    log before it answers a commit. The last entries before ``latest`` (UTC microseconds) are sent.
    """
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as home:  # a socket's path must be short
        cluster = Cluster(Path(home), is_durable=True)
        try:
            with cluster.database() as url:
                made = deploy(scratch, data, latest=latest, entries=ENTRIES, database=url)
                made.promote_without_skill()
                found = [_measure_worker_count(made, count, cluster.url()) for count in workers]
        finally:
            cluster.stop()
    return [line for lines in found for line in lines]


def _measure_worker_count(made: Deployment, count: int, url: str) -> list[Row]:
    """Return the rows of one number of workers: medians of turns, of waits the mean.

    The first turn is not counted.
    """
    asked = {OURS: made.requests(made.arrivals(f"workers-{count}"))}
    name = f"{count} worker{'s' * (count > 1)}"
    setting = Setting(name, MOST_CONNECTIONS, 1, asked)
    turns: list[Turn] = []
    waits: list[float] = []
    with made.commands.serve("--workers", str(count)) as server:
        server.wait_until_ready()
        for _ in range(TURNS + 1):
            with _count_waiting(url) as waiting:
                turns.append(asyncio.run(drive(server, asked[OURS], setting)))
            waits.append(statistics.fmean(waiting) / turns[-1].rate)
    return [
        row(f"decisions, {setting.name}", "per second", _median(turns[1:], "rate")),
        row(f"99th of 100 answers, {setting.name}", "ms", 1000 * _median(turns[1:], "p99")),
        row(f"processor time a decision, {setting.name}", "ms", 1000 * _median(turns[1:], "cpu")),
        row(
            f"wait for the journal's lock a decision, {setting.name}",
            "ms",
            1000 * statistics.fmean(waits[1:]),
        ),
    ]


@contextmanager
def _count_waiting(url: str) -> Iterator[list[int]]:
    """Count the connections that wait for the journal's lock, again and again until the end.

    Their mean number over decisions a second is how long a decision waits.
    """
    found, ended = [0], Event()

    def look() -> None:
        with psycopg.connect(url, autocommit=True) as watcher:
            while not ended.wait(LOOK_SECONDS):
                answer = watcher.execute(_WAITING).fetchone()
                found.append(answer[0] if answer else 0)

    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(look)
        try:
            yield found
        finally:
            ended.set()
            looking.result()


BENCH = Bench("serving", measure, frozenset({"data", "workers"}))
