"""What a real service keeps of its promises under faults, and that its seeded bugs are caught."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.storage.home import DATABASE_VARIABLE
from experiments.faults import runner, service_trials, unauthenticated_flood, work_flood
from experiments.faults.runner import Fault, FaultRun
from experiments.faults.senders import PATIENCE_SECONDS, SENDERS, Book, Counts
from experiments.faults.service_trials import on_a_small_disk
from experiments.support.deployment import Deployment
from experiments.support.processes import Forker, HomeCommands
from tests.support.sizes import PROOF

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

HISTORY = 500 if PROOF else 250
KILLS = 1000 if PROOF else 1
TRIALS = 200 if PROOF else 1
OUTAGES = 30 if PROOF else 1
REQUESTS = 10_000 if PROOF else 40
LEAKING = 150
"""Requests to a service that leaks: a thousand times as many would eat the whole machine."""
WEIGHED = 50_000 if PROOF else LEAKING
FLIPS = 1000 if PROOF else 2
BACK_SECONDS = service_trials.BACK_SECONDS if PROOF else 60.0
BITES_SECONDS = service_trials.BITES_SECONDS if PROOF else 60.0
"""A busy machine has the time; that they are back soon is for a quiet one to show."""


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name no database."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)


@pytest.fixture
def postgresql(cluster: "Cluster", monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a database; the run makes its own next to it."""
    monkeypatch.setenv(DATABASE_VARIABLE, cluster.url(scheme="postgresql+psycopg"))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Make one deployment on SQLite, to be copied for every run."""
    return runner.make_deployment(tmp_path_factory.mktemp("faults"), crossings=HISTORY)


@pytest.fixture(autouse=True)
def _one_ground(
    deployment: Deployment,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wear out a copy each time, and stop the session's server; on PostgreSQL each makes one."""
    make = runner.make_deployment

    def copy_deployment(scratch: Path, database: str = "") -> Deployment:
        if database:
            return make(scratch, database, crossings=HISTORY)
        home = Path(shutil.copytree(deployment.commands.home, tmp_path / "home"))
        return replace(deployment, commands=HomeCommands(home))

    @contextmanager
    def share_cluster() -> "Iterator[Cluster]":
        yield request.getfixturevalue("cluster")

    monkeypatch.setattr(runner, "make_deployment", copy_deployment)
    monkeypatch.setattr(runner, "own_server", share_cluster)


def count_faults(
    fault: Fault, forks: Forker, *, has_bug: bool = False, trials: int = TRIALS
) -> Counts:
    return runner.run(FaultRun(fault, trials, has_bug, lambda done, of: None), forks)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_was_acknowledged_survives_its_service(
    database: str, forker: Forker, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(database)
    counts = count_faults("kill", forker, trials=KILLS)
    assert counts.holds
    assert counts.acknowledged > KILLS


@pytest.mark.usefixtures("sqlite")
def test_a_hundred_at_once_get_one_decision(forker: Forker) -> None:
    counts = count_faults("duplicate", forker)
    assert counts.holds
    assert counts.acknowledged == TRIALS


@pytest.mark.parametrize("fault", ["disk-full", "store-restart"])
def test_a_service_without_its_store_asks_for_patience(
    fault: Fault, forker: Forker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_trials, "BACK_SECONDS", BACK_SECONDS)
    monkeypatch.setattr(service_trials, "BITES_SECONDS", BITES_SECONDS)
    counts = count_faults(fault, forker, trials=OUTAGES)
    assert counts.holds
    assert counts.acknowledged > OUTAGES


@pytest.mark.usefixtures("sqlite")
def test_models_and_processes_change_and_no_request_fails(forker: Forker) -> None:
    counts = count_faults("swap", forker, trials=REQUESTS)
    assert counts.holds
    assert counts.acknowledged >= REQUESTS


@pytest.mark.usefixtures("sqlite")
def test_a_changed_bundle_never_decides_and_no_pickle_runs(forker: Forker) -> None:
    counts = count_faults("bundle", forker, trials=FLIPS)
    assert counts.holds
    assert counts.acknowledged == FLIPS


@pytest.mark.usefixtures("sqlite")
def test_a_service_holds_no_more_for_having_answered(forker: Forker) -> None:
    counts = count_faults("memory", forker, trials=WEIGHED)
    assert counts.holds
    assert counts.acknowledged >= WEIGHED


def test_strangers_fill_and_stop_nothing(forker: Forker) -> None:
    """What times and sizes a full run holds is for the command to show on a machine of its own."""
    counts = count_faults("strangers", forker, trials=300 if PROOF else 5)
    assert counts.holds
    assert set(counts.figures) == {"quiet", "heads", "ahead", "halves", "sign-in"}


@pytest.fixture
def few_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flood the doors of each kind: one with a body, a page, a link, a check."""
    kept = {name: work_flood.DOORS[name] for name in ("files", "texts", "parcels", "checks")}
    if not PROOF:
        monkeypatch.setattr(work_flood, "DOORS", kept)
        monkeypatch.setattr(work_flood, "MOST_FILE", 12 << 20)


@pytest.mark.usefixtures("sqlite", "few_doors")
def test_work_that_can_be_long_holds_up_no_decision(forker: Forker) -> None:
    """What times a full run holds is for the command to show on a machine of its own."""
    counts = count_faults("flood", forker, trials=work_flood.FULL if PROOF else 1)
    assert counts.holds, counts.why
    assert set(counts.figures) == {"quiet", *work_flood.DOORS}


BROKEN: dict[Fault, str] = {
    "kill": "lost",
    "duplicate": "doubled",
    "disk-full": "lost",
    "store-restart": "lost",
    "swap": "failed",
    "bundle": "failed",
    "memory": "failed",
    "strangers": "failed",
    "flood": "failed",
}
"""What the seeded bug of each fault breaks."""


async def bitten(book: Book) -> None:
    """Wait until a sender asked without a store, and was answered or asked for patience.

    With one answer more than there are senders, one of them has asked since the store was taken.
    """
    known = len(book.acknowledged)
    book.turned_away.clear()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(book.acknowledged) <= known + SENDERS and not book.turned_away.is_set():
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("sqlite", "few_doors")
@pytest.mark.parametrize(("fault", "broken"), BROKEN.items())
def test_the_seeded_bug_is_caught(
    fault: Fault, broken: str, forker: Forker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_trials, "_bites", bitten)
    monkeypatch.setattr(work_flood, "DOORS", {"files": work_flood.send_file})
    monkeypatch.setattr(unauthenticated_flood, "CLOSED_SECONDS", 2.0)  # what keeps it, keeps it
    trials = {"memory": LEAKING}.get(fault, 1)
    counts = count_faults(fault, forker, has_bug=True, trials=trials)
    assert counts.as_dict()[broken] > 0
    assert not counts.holds


def test_the_disk_that_fills_is_a_real_one(tmp_path: Path) -> None:
    """The kernel's own words, on a file system of this run's, where namespaces may be made."""
    fill = f"head -c 1G /dev/zero >$TMPDIR/all 2>{tmp_path}/said; true"
    status = on_a_small_disk(["sh", "-c", fill])
    if status is not None:  # else the other kind of full disk serves, which is tried above
        assert "No space left on device" in (tmp_path / "said").read_text()
