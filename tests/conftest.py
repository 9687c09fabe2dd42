"""What every test may rely on: markers by folder, no silent skips, and a migrated store."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import typer.testing

from engine.storage import worker_process
from tests.integration import (
    MARKER,
    StartedProcesses,
    is_integration,
    is_left_out,
    list_overlooked,
    refuse_start,
)
from tests.proof_alone import IS_PROOF, is_proof_alone
from tests.support.emptied_database import empty_database
from tests.support.long_shifts import begin_long_shift
from tests.support.personal_data import find_personal_data
from tests.support.refused_skips import refuse_skip
from tests.support.small_trainings import shrink_trainings

if TYPE_CHECKING:
    from engine.storage.database import Store
    from experiments.faults.service_process import Forker
    from experiments.support.postgres import Cluster
    from tests.support.provider_process import IdentityProvider

# All commands are described once, and not at each call of a test: that takes longer than most.
typer.testing._get_command = cache(typer.main.get_command)  # type: ignore[attr-defined]
HERE = Path(__file__).parent
ORDER = 20_240_311
"""Shuffles the tests of every file alike in each run; ``--randomly-seed=N`` otherwise."""

SHARED = (
    (
        "tests/browser/test_training.py",
        "tests/service/links/test_links_demo.py",
        "tests/service/service/test_fault_runs.py",
        "tests/service/webhooks/test_killed_service.py",
        "tests/unit/api/training/",
    ),
    ("tests/browser/", "tests/service/auth/test_sign_on.py"),
    (
        "tests/service/auth/test_refusals.py",
        "tests/service/http/test_csv_lists.py",
        "tests/service/http/test_openapi.py",
        "tests/service/service/test_personal_data.py",
    ),
    (
        "tests/service/auth/test_sign_on_commands.py",
        "tests/service/links/",
        "tests/service/service/test_backup.py",
        "tests/service/service/test_readiness.py",
        "tests/store/",
    ),
    (
        "tests/service/audit/test_erasure.py",
        "tests/service/audit/test_home_rebuild.py",
        "tests/service/audit/test_projections.py",
        "tests/service/audit/test_table_edits.py",
    ),
)
"""Files that one worker runs, by the beginnings of their names: what they share takes seconds.

The first share a process that forks services and a training home, the second a browser and an
identity provider, the third an OpenAPI document, the fourth a server of PostgreSQL, the fifth an
eventful home. A file belongs to the first that names it.
"""

LONGEST = (
    "test_officers",
    "test_analysts",
    "test_hostile_texts",
    "test_forms",
    "test_vehicle_work",
    "test_cases",
    "test_shift_work",
    "test_own_pages",
    "test_network",
    "test_sign_on_pages",
    "test_killed_service",
    "test_fault_runs",
    "test_sign_on",
    "test_projections",
    "test_home_rebuild",
    "test_partitions",
    "test_agency_matrix",
    "test_partners",
    "test_two_homes",
    "test_simulation",
    "test_notebooks",
    "test_sql_query",
    "test_attentions",
    "test_matches",
    "test_csv_lists",
    "test_dossier",
    "test_history_anchor",
    "test_own_estimators",
    "test_authority",
    "test_openapi",
    "test_delivery",
    "test_champion_challenger",
    "test_recent_days",
    "test_reproduce",
    "test_mlflow_tracking",
    "test_parity_processes",
    "test_profiles",
    "test_withheld_estimates",
    "test_parity_replay",
    "test_fit",
    "test_duckdb_engine",
    "test_feature_matrix",
    "test_clock_jumps",
    "test_hostile_bodies",
    "test_records",
    "test_bundle",
    "test_trial_journey",
    "test_verification",
    "test_lookup_baseline",
    "test_counter_store",
    "test_search_counts",
    "test_report",
    "test_drift",
    "test_journal_attacks",
    "test_judgement",
    "test_process_kill",
    "test_decision_replay",
    "test_trial_results",
    "test_backtest",
    "test_entity_history",
    "test_draw_verification",
    "test_label_flip_test",
    "test_journal_history",
    "test_calibration_error",
    "test_languages",
    "test_growth",
    "test_blinding",
    "test_profile_backtest",
    "test_backup",
    "test_search_outcomes",
    "test_mlflow_pages",
    "test_decision_page",
    "test_drift_entries",
    "test_probing",
    "test_refusals",
    "test_targeting",
    "test_documents",
    "test_confirmations",
    "test_reason_sentences",
    "test_checkpoint_view",
    "test_shadow",
    "test_decisions",
)
"""Files that take seconds, the longest first; those of a browser in a row, as they share it."""

STARTED = StartedProcesses()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let a tree that passes pass again: at small sizes nothing is drawn again in each run.

    ``make proof`` draws again, and so searches what this cannot. No example has a deadline: a busy
    machine is no fault of the code. The environment of Spark's tests has neither plug-in.
    """
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import settings

        settings.register_profile(
            "darvoza",
            max_examples=400 if IS_PROOF else 10,
            deadline=None,
            derandomize=not IS_PROOF,
            database=None,
            print_blob=True,
        )
        settings.load_profile("darvoza")
    if getattr(config.option, "randomly_seed", None) == "default":
        config.option.randomly_seed = ORDER
    gc.disable()
    STARTED.watch()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        # It looks for its types through all that was imported before it: once, that is a second.
        import skops.io  # noqa: F401

        from tests.support.sequential_binning import bin_in_sequence
        from tests.support.worker_caches import keep_work

        bin_in_sequence()
        keep_work()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each file to one worker, and files that share something to the same."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

    class BySharing(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            found = next((names for names in SHARED if nodeid.startswith(names)), None)
            return found[0] if found else super()._split_scope(nodeid)

    return BySharing(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave Spark's tests to ``make spark``, and import no file whose tests are all left out.

    Were the other folders named instead, the process that hands out the tests would import the
    whole service for their fixtures, before the first of them starts.
    """
    if collection_path == HERE / "spark":
        return True
    return is_left_out(collection_path, config.getoption("markexpr")) or None


def pytest_collection_finish() -> None:
    """Look for garbage among what the tests make; what they import stays as long as they run."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # a test that needs a collection asks for one
    gc.enable()
    STARTED.take()  # what a library asks while it is imported is no test's


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the proof runs, mark each test with its folder's name, and sort.

    A file stays with one worker, because it shares a world or a server; the short ones come last,
    so that no worker is left with a long one while the other has nothing to do.
    """
    if not IS_PROOF:
        left_out = [item for item in items if is_proof_alone(item.nodeid)]
        items[:] = [item for item in items if not is_proof_alone(item.nodeid)]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])
        if is_integration(item):
            item.add_marker(MARKER)
    if overlooked := list_overlooked(items):
        raise pytest.UsageError(f"make integration would overlook tests of {overlooked}")
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(scope="module", autouse=True)
def _long_shift(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no shift end while services run by the machine's clock, whatever hour it shows."""
    with pytest.MonkeyPatch.context() as patched:
        if request.path.relative_to(HERE).parts[0] != "unit":
            patched.setenv(*begin_long_shift(datetime.now(UTC)))
        yield


@pytest.fixture(scope="module", autouse=True)
def _small_trainings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Train at small sizes, but where a test is about what is left out."""
    with pytest.MonkeyPatch.context() as patched:
        if not IS_PROOF:
            shrink_trainings(patched, request.path.stem)
        yield


@pytest.fixture(autouse=True)
def _work_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the work of worker processes in this one: a start takes longer than most tests."""

    def do_here(root: Path, work: str, given: bytes, **_: Any) -> CompletedProcess[bytes]:
        status, made, why = worker_process.do_work(root, work, given)
        return CompletedProcess([work], status, made, why.encode())

    if MARKER not in request.keywords:
        monkeypatch.setattr(worker_process, "start_worker", do_here)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what logs or prints test data, starts a process unmarked, and under CI what skips."""
    report = yield
    if report.passed and (places := find_personal_data(report.sections)):
        report.outcome = "failed"
        report.longrepr = f"test data that stand for persons and vehicles, in {places}"
    refuse_start(report, STARTED.take(), is_marked=MARKER in item.keywords)
    refuse_skip(report)
    return report


@pytest.fixture(scope="session")
def cluster() -> "Iterator[Cluster]":
    """Run one PostgreSQL server for the session; under xdist, one for each worker."""
    from experiments.support.postgres import Cluster

    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as home:  # socket paths are short
        server = Cluster(Path(home))
        yield server
        server.stop(signal.SIGINT)


@pytest.fixture(scope="session")
def forker() -> "Iterator[Forker]":
    """Import the service once, to be forked by every test that starts or kills it."""
    from api.cli.experiments import forker

    with pytest.MonkeyPatch.context() as patched:  # which its services inherit
        patched.setenv(*begin_long_shift(datetime.now(UTC)))
        started = forker()
    with started as forks:
        yield forks


@pytest.fixture(scope="session")
def training_home(forker: "Forker", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one training home with its solutions next to it, to be shared or copied."""
    from tests.support.training_exercises import make_training_home

    return make_training_home(forker, tmp_path_factory.mktemp("training") / "home")


@pytest.fixture(scope="session")
def identity_provider() -> "Iterator[IdentityProvider]":
    """Run one identity provider for the session; under xdist, one for each worker that asks."""
    from tests.support.provider_process import running_provider

    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate one SQLite file, to be copied by each test."""
    path = tmp_path_factory.mktemp("template") / "darvoza.sqlite"
    with _open(f"sqlite:///{path}", migrate=True):
        pass
    return path


@pytest.fixture(scope="session")
def postgresql_database(cluster: "Cluster") -> Iterator[str]:
    """Migrate one PostgreSQL database, to be emptied for each test."""
    with cluster.database() as url:
        with _open(url, migrate=True):
            pass
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Hand out the URL of an empty migrated store, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "darvoza.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_database")
    empty_database(url)
    return url


@pytest.fixture
def store(store_url: str) -> "Iterator[Store]":
    """Open a migrated store of its own, once on SQLite and once on PostgreSQL."""
    with _open(store_url) as store:
        yield store


@contextmanager
def _open(url: str, *, migrate: bool = False) -> "Iterator[Store]":
    from api.migrations.upgrade import upgrade
    from engine.storage.database import Store

    with Store(url) as store:
        if migrate:
            upgrade(store)
        yield store
