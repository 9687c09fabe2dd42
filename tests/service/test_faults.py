"""What a real service keeps of its promises under faults, and that its twins are caught."""

import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.commands import faults
from api.commands.faults import Fault
from engine.home import DATABASE_VARIABLE
from experiments.faults.audit import Counts
from experiments.faults.service import Forker

if TYPE_CHECKING:
    from experiments.postgres import Cluster

TRIALS = 200 if os.environ.get("DARVOZA_PROOF") else 5


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    """Import the service once, to be forked by every test."""
    with faults.forker() as forks:
        yield forks


@pytest.fixture
def sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name no database."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)


@pytest.fixture
def postgresql(cluster: "Cluster", monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a database; the run makes its own beside it."""
    monkeypatch.setenv(DATABASE_VARIABLE, cluster.url(scheme="postgresql+psycopg"))


def counted(fault: Fault, forks: Forker, *, planted: bool = False, trials: int = TRIALS) -> Counts:
    return faults.run(fault, forks, trials=trials, planted=planted, told=lambda done, of: None)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_was_acknowledged_survives_its_service(
    database: str, forker: Forker, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(database)
    counts = counted("kill", forker)
    assert counts.holds
    assert counts.acknowledged > TRIALS


@pytest.mark.usefixtures("sqlite")
def test_a_hundred_at_once_are_told_one_decision(forker: Forker) -> None:
    counts = counted("duplicate", forker)
    assert counts.holds
    assert counts.acknowledged == TRIALS


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(("fault", "broken"), [("kill", "lost"), ("duplicate", "doubled")])
def test_the_twin_with_the_bug_is_caught(fault: Fault, broken: str, forker: Forker) -> None:
    counts = counted(fault, forker, planted=True, trials=3)
    assert counts.as_dict()[broken] > 0
    assert not counts.holds


@pytest.mark.parametrize(("lost", "status"), [(0, 0), (1, 1)])
def test_the_command_says_whether_the_promises_hold(
    lost: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Counts("kill", 5, acknowledged=9, lost=lost, doubled=0, failed=0)
    monkeypatch.setattr(faults, "forker", nullcontext)
    monkeypatch.setattr(faults, "run", lambda *args, **more: counts)
    found = CliRunner().invoke(app, ["faults", "kill", "--json"])
    assert found.exit_code == status
    assert json.loads(found.stdout) == counts.as_dict()
    assert counts.holds is not bool(lost)
