"""Tests in one process, on SQLite; those that ask for a store run on PostgreSQL if it is asked for.

``make integration`` runs them once more by ``--store postgresql``.
"""

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from engine.storage import worker_process
from tests.support.emptied_database import empty_database, make_store_url

STORES = {"store_url", "server_url"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other database; on PostgreSQL, what asks for no store."""
    wanted, left_out = config.getoption("store"), list[pytest.Item]()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            given = getattr(getattr(item, "callspec", None), "params", {})
            needs_store = bool(STORES & set(getattr(item, "fixturenames", ())))
            is_wanted = needs_store or wanted == "sqlite"
            stated = {given[name] for name in STORES & given.keys()}
            if not is_wanted or stated - {wanted}:
                left_out.append(item)
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def _name_database(request: pytest.FixtureRequest) -> str:
    """Return what a test states by a parameter, or the database of this run."""
    return str(getattr(request, "param", request.config.getoption("store")))


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty migrated store, on the database of this run."""
    return make_store_url(request, _name_database(request), tmp_path)


@pytest.fixture(scope="module")
def server_url(request: pytest.FixtureRequest) -> str | None:
    """Return the URL of an empty database on PostgreSQL, or None: a home has its own file."""
    if _name_database(request) == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_database")
    empty_database(url)
    return url


@pytest.fixture(autouse=True)
def _work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do here what a worker process would do."""

    def do_here(root: Path, work: str, given: bytes, **_: Any) -> CompletedProcess[bytes]:
        status, made, why = worker_process.do_work(root, work, given)
        return CompletedProcess([work], status, made, why.encode())

    monkeypatch.setattr(worker_process, "start_worker", do_here)
