"""What every test may rely on: the store that was asked for, and reports that hide nothing."""

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.support.emptied_database import empty_database
from tests.support.personal_data import find_personal_data
from tests.support.sizes import PROOF

if TYPE_CHECKING:
    from engine.storage.database import Store
    from experiments.support.postgres import Cluster
    from tests.support.running_service import World


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run name the database of the unit tests that ask for a store."""
    parser.addoption("--store", choices=("sqlite", "postgresql"), default="sqlite")


def pytest_configure(config: pytest.Config) -> None:
    """Repeat the same examples in each run, but draw new ones in ``make proof``.

    The environment of Spark's tests has no hypothesis.
    """
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import settings

        settings.register_profile("small", max_examples=10, deadline=None, derandomize=True)
        settings.register_profile("proof", max_examples=400, deadline=None, database=None)
        settings.load_profile("proof" if PROOF else "small")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that logs or prints personal data, and under CI one that skips."""
    report = yield
    if report.passed and (places := find_personal_data(report.sections)):
        report.outcome = "failed"
        report.longrepr = f"test data that stand for persons and vehicles, in {places}"
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def long_shift() -> Iterator[None]:
    """Let no shift end while services run by the machine's clock, whatever hour it shows."""
    from tests.support.running_service import begin_long_shift

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(*begin_long_shift(datetime.now(UTC)))
        yield


@pytest.fixture(scope="module")
def noon(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin every module on the same Wednesday noon: no shift, day or week ends in a test.

    One marked ``machine_clock`` keeps the clock that other processes and servers have.
    """
    if request.node.get_closest_marker("machine_clock"):
        request.getfixturevalue("long_shift")
        yield
        return

    import time_machine

    from tests.support.running_service import NOON, SHIFT_STARTS

    with pytest.MonkeyPatch.context() as patched, time_machine.travel(NOON, tick=True):
        patched.delenv(SHIFT_STARTS, raising=False)
        yield


@pytest.fixture(scope="module")
def seeded_shifts() -> Iterator[None]:
    """Give shifts the same secrets in every run, so that the same vehicles are drawn."""
    import engine.shifts.shift_state

    with pytest.MonkeyPatch.context() as patched:
        seeds = SimpleNamespace(token_bytes=Random(20_240_311).randbytes)
        patched.setattr(engine.shifts.shift_state, "secrets", seeds)
        yield


@pytest.fixture(scope="module")
def cheap_passwords() -> Iterator[None]:
    """Hash passwords at a low cost: at the full one they take longer than most tests."""
    from tests.support.running_service import cheap_passwords

    with cheap_passwords():
        yield


@pytest.fixture(scope="module", autouse=True)
def stage(request: pytest.FixtureRequest) -> None:
    """Set the stage where services run; a module may override each of its fixtures."""
    folder = request.path.relative_to(Path(__file__).parent).parts[1]
    if folder in ("browser", "service"):
        import_module("api.site")  # else in a thread, and filters of warnings are of all threads
        request.getfixturevalue("cheap_passwords")
    if folder == "service":
        request.getfixturevalue("noon")
        request.getfixturevalue("seeded_shifts")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[World]":
    """Serve a home with a key for every role, for all tests of a module."""
    from tests.support.running_service import serving

    yield from serving(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def cluster() -> "Iterator[Cluster]":
    """Run one PostgreSQL server for the session; under xdist, one for each worker."""
    from experiments.support.postgres import Cluster

    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as home:  # socket paths are short
        server = Cluster(Path(home))
        yield server
        server.stop(signal.SIGINT)


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


def _name_database(request: pytest.FixtureRequest) -> str:
    """Return what a test states by a parameter, or the database of this run."""
    return str(getattr(request, "param", request.config.getoption("store")))


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty migrated store."""
    if _name_database(request) == "sqlite":
        path = tmp_path / "darvoza.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_database")
    empty_database(url)
    return url


@pytest.fixture(scope="module")
def server_url(request: pytest.FixtureRequest) -> str | None:
    """Return the URL of an empty database on PostgreSQL, or None: a home has its own file."""
    if _name_database(request) == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_database")
    empty_database(url)
    return url


@pytest.fixture
def store(store_url: str) -> "Iterator[Store]":
    """Open a migrated store of its own."""
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
