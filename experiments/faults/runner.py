"""Fault runs: on what ground each is made, what is done there, and how it is counted.

Each run wears out a deployment of its own, made by the command line: a home made for it, and for a
fault of the database server a server made for it. It is never the user's home and never the user's
database: if one is set, the run makes a database next to it and drops it afterwards.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from engine.domain.time_units import SystemClock, moment
from engine.journal.receipts import open_signer
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.faults import work_flood
from experiments.faults.senders import Counts, FaultTrials, audit
from experiments.faults.service_trials import (
    BoundFiles,
    FilledDisk,
    StoppedServer,
    bundle,
    duplicate_requests,
    kill_service,
    outages,
    small_disk,
    swap_models,
    watch_memory,
)
from experiments.faults.unauthenticated_flood import strangers
from experiments.support.deployment import Analysts, Deployment, deploy
from experiments.support.postgres import Cluster, scratch_database
from experiments.support.processes import Forker, Service, find_free_port
from experiments.synthetic.folder import write

Fault = Literal[
    "kill", "duplicate", "disk-full", "store-restart", "swap", "bundle", "memory", "strangers",
    "flood",
]  # fmt: skip
TRIALS: Mapping[Fault, int] = {
    "kill": 200,
    "duplicate": 200,
    "disk-full": 20,
    "store-restart": 30,
    "swap": 2_000,
    "bundle": 200,
    "memory": 5_000,
    "strangers": 300,
    "flood": work_flood.FULL,
}
"""Default number of trials of each fault.

Requests of ``swap`` and ``memory``, flipped bytes of ``bundle``, decisions of each part of
``strangers``, bodies for each door of ``flood``.
"""
CROSSINGS, ENTRIES = 2_000, 250
"""Of the synthetic year, and how many entries of its end are sent rather than loaded."""
WATCHFUL = {"DARVOZA_MODEL_SECONDS": "0.02"}
"""Services of a run look for another model all the time: no request waits for them."""


@dataclass(frozen=True, slots=True)
class FaultRun:
    """What is to be done to a service, and how often."""

    fault: Fault
    trials: int
    planted: bool
    report_progress: Callable[[int, int], None]
    is_modelled: bool = True
    """Whether a model is in force; without one, rules and random checks decide."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run wears out."""

    made: Deployment
    server: Cluster | None = None
    """The database server, if the run has one of its own."""


FaultAction = Callable[[FaultTrials], Coroutine[Any, Any, None]]
"""What is done to a running service while checkpoints send."""


def run(order: FaultRun, forks: Forker) -> Counts:
    """Make a deployment, do this to its service, and count what was broken."""
    with prepare(order.fault) as ground:
        made = ground.made
        environment = {VARIABLE: str(made.commands.home), **WATCHFUL}
        if made.commands.database:
            environment[DATABASE_VARIABLE] = made.commands.database
        bug, is_handed = order.fault if order.planted else "", order.fault == "swap"
        service = Service(forks, environment, find_free_port(), bug, is_handed=is_handed)
        is_new = order.fault == "memory"  # what is kept by name must fill up, or be seen not to
        waiting = made.arrivals(order.fault, strangers=is_new)
        trials = FaultTrials(service, waiting, made.keys, order.trials, order.report_progress)
        with made.open_store() as store:
            analysts = Analysts(made.home, store)
            if order.is_modelled:
                analysts.promote(analysts.make())
            asyncio.run(_choose_action(order.fault, ground, analysts)(trials))
        with made.open_store() as store:
            key = open_signer(made.home).public_key
            return audit(trials.book, store, key, fault=order.fault, trials=order.trials)


def _choose_action(fault: Fault, ground: Ground, analysts: Analysts) -> FaultAction:
    disk, home = small_disk(), ground.made.commands.home
    full = BoundFiles(home) if disk is None else FilledDisk(disk)
    actions: dict[Fault, FaultAction] = {
        "kill": kill_service,
        "duplicate": duplicate_requests,
        "memory": watch_memory,
        "strangers": strangers,
        "disk-full": partial(outages, outage=full),
        "swap": partial(swap_models, analysts=analysts),
        "bundle": partial(bundle, analysts=analysts),
        "flood": partial(work_flood.flood, made=ground.made),
    }
    if ground.server is not None:
        return partial(outages, outage=StoppedServer(ground.server))
    return actions[fault]


@contextmanager
def prepare(fault: Fault) -> Iterator[Ground]:
    """Make what a fault wears out; it is gone afterwards."""
    with TemporaryDirectory(prefix="darvoza-scratch-") as name, ExitStack() as stack:
        server = stack.enter_context(own_server()) if fault == "store-restart" else None
        url = os.environ.get(DATABASE_VARIABLE) if fault != "disk-full" else None
        if server is not None:
            url = server.url(scheme="postgresql+psycopg")
        database = stack.enter_context(scratch_database(url)) if url else ""
        yield Ground(make_deployment(Path(name), database), server)


@contextmanager
def own_server() -> Iterator[Cluster]:
    """Run a database server that a run may stop."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as home:  # socket paths are short
        server = Cluster(Path(home))
        try:
            yield server
        finally:
            server.stop()


def make_deployment(scratch: Path, database: str = "", *, crossings: int = CROSSINGS) -> Deployment:
    """Make a home with a synthetic history."""
    now = SystemClock().now()
    write(scratch / "all", crossings=crossings, seed=1, end=moment(now))
    entries = min(ENTRIES, crossings // 8)
    return deploy(scratch, scratch / "all", latest=now, entries=entries, database=database)
