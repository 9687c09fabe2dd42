"""A service that is killed keeps what it promised; one with the bug in it is caught."""

import json
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.commands.faults import run
from engine.home import DATABASE_VARIABLE

if TYPE_CHECKING:
    from experiments.postgres import Cluster

TRIALS = 200 if os.environ.get("DARVOZA_PROOF") else 5


def quiet(done: int, of: int) -> None:
    del done, of


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a database in the environment, or none."""
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        monkeypatch.setenv(DATABASE_VARIABLE, cluster.url(scheme="postgresql+psycopg"))


@pytest.mark.usefixtures("database")
def test_what_was_acknowledged_survives_its_service() -> None:
    counts = run("kill", trials=TRIALS, planted=False, told=quiet)
    assert counts.holds
    assert counts.acknowledged > TRIALS


def test_a_service_that_answers_before_its_commit_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    found = CliRunner().invoke(app, ["faults", "kill", "--trials", "5", "--planted", "--json"])
    counts = json.loads(found.stdout)
    assert found.exit_code == 1
    assert counts["lost"] > 0 and counts["holds"] is False
