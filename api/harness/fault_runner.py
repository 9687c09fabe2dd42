"""Fault runs: on what ground each is made, what is done there, and how it is counted.

Assumes that each run wears out a deployment of its own: a home made for it, and where the fault
concerns the database server, a server made for it.

A deployment is never the user's home and never the user's database: where one is set, the run makes
a database next to it and drops it afterwards.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest.mock import patch

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.harness.link_intake import link_to_node
from api.service.assembly import open_network, open_store
from engine.domain.rights import Role
from engine.domain.time_units import DAY, SystemClock, moment
from engine.journal.receipts import open_signer
from engine.storage.home import DATABASE_VARIABLE, VARIABLE, Home
from experiments.faults import work_flood
from experiments.faults.bundle_tampering import bundle
from experiments.faults.ledger_check import Counts, audit
from experiments.faults.senders import FaultTrials
from experiments.faults.service_process import Forker, Service
from experiments.faults.service_trials import (
    duplicate_requests,
    kill_service,
    swap_models,
    watch_memory,
)
from experiments.faults.store_outage import (
    BoundFiles,
    FilledDisk,
    StoppedServer,
    outages,
    small_disk,
)
from experiments.faults.unauthenticated_flood import strangers
from experiments.support.arrivals import cut_shift, repeat_arrivals
from experiments.support.postgres import Cluster, scratch_database
from experiments.support.processes import find_free_port
from experiments.support.throwaway_models import Analysts
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import load
from features.online.backfill import open_epoch

Fault = Literal[
    "kill",
    "duplicate",
    "disk-full",
    "store-restart",
    "swap",
    "bundle",
    "memory",
    "strangers",
    "flood",
]
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
CROSSINGS = 2_000
WATCHFUL = {"DARVOZA_MODEL_SECONDS": "0.02"}
"""Services of a run look for another model all the time: no request waits for them."""
LATER = 90 * DAY
"""Part of the synthetic year that is sent rather than loaded."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A home with a history, and a checkpoint's key for every post."""

    home: Home
    arrivals: Sequence[Mapping[str, Any]]
    """What came after its history, as bodies of requests."""
    keys: Mapping[str, str]
    environment: Mapping[str, str]
    """What a process that is to work in this home has set."""
    access: work_flood.Access
    """Keys and a person besides those of checkpoints."""


@dataclass(frozen=True, slots=True)
class FaultRun:
    """What is to be done to a service, and how often."""

    fault: Fault
    trials: int
    planted: bool
    report_progress: Callable[[int, int], None]
    is_modelled: bool = True
    """Whether a model is in force; without one, rules and random checks decide."""


FaultAction = Callable[[FaultTrials], Coroutine[Any, Any, None]]
"""What is done to a running service while checkpoints send."""


def run(order: FaultRun, forks: Forker) -> Counts:
    """Make a deployment, do this to its service, and count what was broken."""
    with _ground(order.fault) as server, scratch(crossings=CROSSINGS) as made:
        service = Service(
            forks,
            {**made.environment, **WATCHFUL},
            find_free_port(),
            order.fault if order.planted else "",
            is_handed=order.fault == "swap",
        )
        is_new = order.fault == "memory"  # what is kept by name must fill up, or be seen not to
        waiting = repeat_arrivals(made.arrivals, prefix=order.fault, strangers=is_new)
        trials = FaultTrials(service, waiting, made.keys, order.trials, order.report_progress)
        with open_store(made.home) as store:
            analysts = Analysts(made.home, store)
            if order.is_modelled:
                analysts.promote(analysts.make())
            act = _choose_fault(order.fault, made, server, analysts)
            asyncio.run(act(trials))
        with open_store(made.home) as store:
            key = open_signer(made.home).public_key
            return audit(trials.book, store, key, fault=order.fault, trials=order.trials)


def _choose_fault(
    fault: Fault, made: Scratch, server: Cluster | None, analysts: Analysts
) -> FaultAction:
    if fault == "disk-full":
        disk = small_disk()
        full = BoundFiles(made.home.root) if disk is None else FilledDisk(disk)
        return partial(outages, outage=full)
    if server is not None:
        return partial(outages, outage=StoppedServer(server))
    changes: dict[Fault, FaultAction] = {
        "kill": kill_service,
        "duplicate": duplicate_requests,
        "memory": watch_memory,
        "strangers": strangers,
        "swap": partial(swap_models, analysts=analysts),
        "flood": partial(flood_doors, made=made),
        "bundle": partial(bundle, analysts=analysts),
    }
    return changes[fault]


async def flood_doors(run: FaultTrials, *, made: Scratch) -> None:
    """Flood the doors of a service that is the centre of a node."""
    with TemporaryDirectory(prefix="darvoza-node-") as folder:
        node = link_to_node(made.home, folder=Path(folder))
        await work_flood.flood(run, access=made.access, node=node)
        node.close()


def _ground(fault: Fault) -> AbstractContextManager[Cluster | None]:
    """Return what stores the run: a server of its own, a file of its own, or what is named."""
    if fault == "store-restart":
        return _own_server()
    return _database(None) if fault == "disk-full" else nullcontext()


@contextmanager
def _own_server() -> Iterator[Cluster]:
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as home:  # socket paths are short
        server = Cluster(Path(home))
        try:
            with _database(server.url(scheme="postgresql+psycopg")):
                yield server
        finally:
            server.stop()


@contextmanager
def _database(url: str | None) -> Iterator[None]:
    """Name a database for the time of a run, or none."""
    with patch.dict(os.environ):
        os.environ.pop(DATABASE_VARIABLE, None)
        if url is not None:
            os.environ[DATABASE_VARIABLE] = url
        yield


@contextmanager
def scratch(*, crossings: int, seed: int = 1) -> Iterator[Scratch]:
    """Make a deployment with a synthetic history; it is gone afterwards."""
    with TemporaryDirectory(prefix="darvoza-scratch-") as name, _scratch_database():
        home, now = Home(Path(name) / "home").prepare(), SystemClock().now()
        write(Path(name) / "all", crossings=crossings, seed=seed, end=moment(now))
        later = cut_shift(Path(name) / "all", Path(name) / "history", opens_at=now - LATER)
        with open_store(home) as store:
            loaded = load(home, later.history)
            about = loaded.as_body()
            open_epoch(home, store, Plan(CATALOGUE), about=about, report=lambda _: None)
            network, pepper = open_network(home), open_pepper(home)
            accounts = Accounts(store, network)
            keys = {
                post.code: accounts.create_key(Role.CHECKPOINT, post.code, pepper=pepper).secret
                for post in network.posts.values()
            }
            access = _make_access(accounts, pepper)
        environment = {VARIABLE: str(home.root)}
        if database := os.environ.get(DATABASE_VARIABLE):
            environment[DATABASE_VARIABLE] = database
        yield Scratch(home, later.arrivals, keys, environment, access)


def _make_access(accounts: Accounts, pepper: bytes) -> work_flood.Access:
    name, keys = "flood-officer", dict[str, str]()
    person = accounts.create_user(name, Role.SUPERVISOR)
    for role in (Role.INTEGRITY, Role.ANALYST):
        owner = f"flood-{role}"
        accounts.create_user(owner, role)
        issued = accounts.create_key(role, None, pepper=pepper, owner=owner)
        keys[role.value] = issued.secret
    return work_flood.Access(keys, name, person.secret)


@contextmanager
def _scratch_database() -> Iterator[None]:
    """Put a new database in the place of the one that the environment names, if it names one."""
    given = os.environ.get(DATABASE_VARIABLE)
    if not given:
        yield
        return
    with scratch_database(given) as url, patch.dict(os.environ, {DATABASE_VARIABLE: url}):
        yield
