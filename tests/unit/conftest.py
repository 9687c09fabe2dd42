"""Tests in one process, on SQLite; those that ask for a store run on PostgreSQL if it is asked for.

``make integration`` runs them once more by ``--store postgresql``.
"""

import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from engine.storage import worker_process

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


@pytest.fixture(autouse=True)
def _work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do here what a worker process would do, and start no command."""

    def do_here(root: Path, work: str, given: bytes, **_: Any) -> CompletedProcess[bytes]:
        status, made, why = worker_process.do_work(root, work, given)
        return CompletedProcess([work], status, made, why.encode())

    def refuse(command: list[str], **_: object) -> CompletedProcess[bytes]:
        return CompletedProcess(command, 1, b"", b"refused none runs here")

    monkeypatch.setattr(worker_process, "start_worker", do_here)
    if (executors := sys.modules.get("api.service.executors")) is not None:
        monkeypatch.setattr(executors, "run_bounded", refuse)
