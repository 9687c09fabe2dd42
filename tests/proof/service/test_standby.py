"""A standby of PostgreSQL holds what was acknowledged when its primary dies (docs/backup.md).

Real servers: a primary, a standby that follows it by streaming replication, a kill, a promotion.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.service.settings import Settings
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.support.postgres import Cluster
from tests.integration.service.runtime.test_backup import Answers, decide, missing
from tests.support.running_service import FakeModels, World, make_home, make_keys, open_world

DATABASE = "postgres"


def run_sql(server: Cluster, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        for one in statements:
            admin.execute(one.encode())


def wait_for(primary: Cluster) -> None:
    """Make commits of the primary wait until the standby has flushed them."""
    run_sql(
        primary,
        "ALTER SYSTEM SET synchronous_standby_names = '*'",
        "SELECT pg_reload_conf()",
    )


@contextmanager
def serving_on(home: Home, known: World | None = None) -> Iterator[World]:
    """Serve a home on the database that the environment names, with keys that are known to it."""
    client, made = open_world(home, FakeModels(), Settings())
    keys, other = make_keys(home) if known is None else (known.keys, known.other)
    with client:
        yield World(home, FakeModels(), client, made.state.runtime, keys, other)


@contextmanager
def open_server(*, follows: str = "") -> Iterator[Cluster]:
    """Run a server in a short path of its own, which its user can reach."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as home:
        server = Cluster(Path(home), follows=follows)
        yield server
        server.stop(signal.SIGKILL)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, Cluster]]:
    """Start a primary, which the environment names, and its standby."""
    with open_server() as primary, open_server(follows=primary.url()) as standby:
        monkeypatch.setenv(DATABASE_VARIABLE, primary.url(DATABASE, "postgresql+psycopg"))
        yield primary, standby


def fail_over(primary: Cluster, standby: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the primary, promote the standby, and name it in the environment."""
    primary.stop(signal.SIGKILL)
    run_sql(standby, "SELECT pg_promote()")
    monkeypatch.setenv(DATABASE_VARIABLE, standby.url(DATABASE, "postgresql+psycopg"))


def test_what_was_acknowledged_is_on_the_standby(
    servers: tuple[Cluster, Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, standby = servers
    wait_for(primary)
    home = make_home(tmp_path / "home")
    with serving_on(home) as world:
        result = decide(world, range(20))
        primary.stop(signal.SIGKILL)  # while the service runs: no shutdown writes anything more
    fail_over(primary, standby, monkeypatch)
    assert missing(home, result) == set()
    with serving_on(home, world) as again:
        assert decide(again, range(20)) == result
        more: Answers = decide(again, range(20, 25))
    assert missing(home, result + more) == set()


def test_negative_control_a_commit_that_does_not_wait_is_missing(
    servers: tuple[Cluster, Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standby is away, and the primary answers all the same: receipts show what is lost."""
    primary, standby = servers
    home = make_home(tmp_path / "home")
    with serving_on(home) as world:
        decide(world, range(2))
        standby.stop()
        result = decide(world, range(2, 6))
        primary.stop(signal.SIGKILL)
    standby.start()
    fail_over(primary, standby, monkeypatch)
    assert missing(home, result)


def test_commands_that_read_work_on_the_standby_and_others_are_refused(
    servers: tuple[Cluster, Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, standby = servers
    wait_for(primary)
    run_sql(
        primary, "ALTER SYSTEM SET synchronous_commit = 'remote_apply'", "SELECT pg_reload_conf()"
    )
    home, matrix = make_home(tmp_path / "home"), tmp_path / "features.parquet"
    with serving_on(home) as world:
        decide(world, range(5))
        monkeypatch.setenv(DATABASE_VARIABLE, standby.url(DATABASE, "postgresql+psycopg"))
        root = str(home.root)
        for words in (
            ["verify", "--home", root],
            ["features", root, "--out", str(matrix)],
            ["quality", "--home", root],
            ["sql", "SELECT count(*) FROM crossings", "--home", root],
        ):
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, (words, done.output)
        assert pq.read_table(matrix).num_rows == 5
        refused = CliRunner().invoke(
            app, ["keys", "create", "--role", "checkpoint", "--home", root]
        )
        assert refused.exit_code == 1
