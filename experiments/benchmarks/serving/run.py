"""Cost of a full decision, against two services on the same model, and stage by stage.

A decision here is everything: a validated nested body, features from a loaded history, score,
selection, reasons where owed, a durable record, an answer with a receipt. The peers are sent rows
of features ready-made and return numbers: they are asked for less, so no ratio flatters us.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.selection import INSPECTED
from engine.storage.home import Home
from experiments.benchmarks.serving.comparison import CONNECTIONS, TURNS, Contest
from experiments.benchmarks.serving.deployment import Deployment, deploy
from experiments.benchmarks.serving.peer_models import estimators
from experiments.support.benchmark_harness import Row, row, run_in_turns, times_faster
from experiments.support.processes import HttpConnection, Server, encode_get, find_free_port
from models.bundle import Scorer, read_verify_key

SCORED = 200
"""Distinct rows scored one by one in a turn."""
WARM, STAGED = 500, 3_000
"""Decisions before and while processor time is taken apart."""
STAGES = ("parse", "read", "score", "decide", "explain", "commit", "answer")


def run(data: Path | None) -> list[Row]:
    """Return the rows of ``bench serving``, on the history in ``data`` or a synthetic one."""
    with TemporaryDirectory(prefix="bench-serving-") as name:
        made = deploy(Path(name), data)
        compared = asyncio.run(Contest(made).rows())
        return [*compared, one_row(made), *asyncio.run(time_stages(made))]


def one_row(made: Deployment) -> Row:
    """Score distinct rows one by one, both targets, next to scikit-learn on the same trees."""
    home = Home(made.home)
    scorer = Scorer.load(home.bundles / made.version, key=read_verify_key(home, made.version))
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

    with threadpool_limits(1):  # its threads only get into each other's way on one row
        seconds = run_in_turns({"ours": ours, "peer": peer}, TURNS)
    faster = times_faster(seconds, "ours", "peer")
    return row(
        "one distinct row scored, against scikit-learn predict_proba", "times", faster, ">= 15"
    )


async def time_stages(made: Deployment) -> list[Row]:
    """Return the processor time of each stage of a decision, and how many were made together."""
    port, out = find_free_port(), made.scratch / "stages.json"
    serve = [sys.executable, "-m", "api.harness.staged_service", str(port), str(out)]
    log = made.scratch / "staged.log"
    with Server(serve, port, environment=made.environment, log=log) as server:
        await server.first_answer(encode_get("/readyz"))
        asked = made.decisions("staged")
        await _send(port, asked, WARM)
        server.signal(signal.SIGUSR1)
        referred = await _send(port, asked, STAGED)
    found = json.loads(out.read_text("utf-8"))
    stages = {name: found["stages"][name] / found["decisions"] for name in STAGES}
    whole = found["process"] / found["decisions"]
    stages["everything else (HTTP, threads, event loop)"] = whole - sum(stages.values())
    stages["whole decision"] = whole
    together = found["decisions"] / found["batches"]
    return [
        row("decisions made together", "decisions", together, ">= 0"),
        row("referred of them, who are explained", "share", referred / STAGED, ">= 0"),
        *(
            row(f"processor time: {name}", "microseconds", 1e6 * seconds, ">= 0")
            for name, seconds in stages.items()
        ),
    ]


async def _send(port: int, asked: Iterator[bytes], number: int) -> int:
    """Send so many arrivals over the connections; return how many of them were referred."""
    left = iter(range(number))

    async def drive() -> int:
        referred = 0
        async with HttpConnection(port) as line:
            for _ in left:
                status, body = await line.ask(next(asked))
                if status != 201:
                    raise RuntimeError(f"answered {status}: {body[:200]!r}")
                referred += is_referral(body)
        return referred

    return sum(await asyncio.gather(*(drive() for _ in range(CONNECTIONS))))


def is_referral(answer: bytes) -> bool:
    """Tell whether an answer sends a vehicle to officers."""
    return json.loads(answer)["channel"] in _INSPECTED


_INSPECTED = frozenset(channel.code for channel in INSPECTED)
