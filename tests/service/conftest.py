"""One running service a module, in this process, on SQLite, on a day on which nothing changes.

Every module begins on the same Wednesday noon, with the same seeds of its shifts: who is drawn is
the same in every run, and no shift, day, week or month ends in the middle of a test. Where another
process or a server has a clock of its own (``OWN_TIME``), only the seeds are the same.
"""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest
import time_machine
from fastapi import FastAPI

import api.app
import engine.shifts.shift_state
from api.service.assembly import open_store
from api.service.executors import Backtests
from api.service.settings import Settings
from engine.criteria.profiles.profile import BacktestSubject
from tests.service.running_service import (
    FakeModels,
    World,
    cheap_passwords,
    make_home,
    make_keys,
    open_world,
)
from tests.support.long_shifts import SHIFT_STARTS

# What a started service imports by a thread of its own is imported here: FastAPI silences a warning
# of pydantic meanwhile, and filters of warnings are shared by all threads.
import_module("api.site")
NOON = datetime(2026, 10, 14, 7, tzinfo=UTC)
NOONS = {"test_old_home": datetime(2026, 11, 25, 7, tzinfo=UTC)}
"""A Wednesday after the home was written, and before its profiles expire."""
OWN_TIME = (
    "test_backup",
    "test_fault_runs",
    "test_authority",
    "test_edited_tables",
    "test_projections",
    "test_store_damage",
    "test_table_edits",
    "test_home_rebuild",
    "test_erasure",
    "test_sign_on",
    "test_killed_service",
    "test_killed_transfer",
    "test_two_homes",
    "test_partners",
    "test_links_demo",
    "test_partitions",
    "test_silent_centre",
    "test_failing_lines",
)
FULL_COST = ("test_sign_in_limits",)
"""What is tested there is the cost of a password."""
OWN_PROCESS = ("test_profiles",)
"""What is tested there is that a backtest runs as a command of its own."""


class Seeds:
    """Stands in for what makes the secret of a shift."""

    def __init__(self) -> None:
        self.token_bytes = Random(20_240_311).randbytes


@pytest.fixture(scope="module", autouse=True)
def _one_noon(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine.shifts.shift_state, "secrets", Seeds())
        if request.path.stem in OWN_TIME:
            yield
            return
        patched.delenv(SHIFT_STARTS)  # noon is in the middle of a shift
        with time_machine.travel(NOONS.get(request.path.stem, NOON), tick=True):
            yield


@pytest.fixture(scope="module", autouse=True)
def _cheap_passwords(request: pytest.FixtureRequest) -> Iterator[None]:
    with nullcontext() if request.path.stem in FULL_COST else cheap_passwords():
        yield


@pytest.fixture(scope="module", autouse=True)
def _backtests_in_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run backtests in this process: another one takes longer to start than they do."""

    def run(self: Backtests, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        from features.history.tables import read_event_log
        from models.evaluation.profile_backtest import profile_backtest

        with open_store(self._home) as store, store.read() as connection:
            made = profile_backtest(read_event_log(self._home, connection), trial, days=days)
        return dict(json.loads(json.dumps(made)))

    with pytest.MonkeyPatch.context() as patched:
        if request.path.stem not in OWN_PROCESS:
            patched.setattr(Backtests, "run", run)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_document() -> Iterator[None]:
    """Build the OpenAPI document once for all services, whose routes are the same: it is slow."""
    build, kept = api.app._build_document, list[dict[str, Any]]()

    def keep(service: FastAPI) -> dict[str, Any]:
        if not kept:
            kept.append(build(service))
        return kept[0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(api.app, "_build_document", keep)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home with a key for every role, for all tests of a module."""
    yield from serving(tmp_path_factory.mktemp("home"))


def serving(folder: Path, models: FakeModels | None = None) -> Iterator[World]:
    """Serve a fresh home with a key for every role."""
    home = make_home(folder)
    keys, other = make_keys(home)
    models = models or FakeModels()
    settings = Settings(key_seconds=0.2, model_seconds=0.05)
    client, app = open_world(home, models, settings)
    with client:
        yield World(home, models, client, app.state.runtime, keys, other)
