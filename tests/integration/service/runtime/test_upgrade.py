"""An upgrade that goes wrong, and the way back, by the commands of docs/operations.md."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from api.client import Client
from engine.domain.rights import Role
from engine.errors import ServiceStartError
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.support.processes import HOST, Server, find_free_port
from tests.support.page_commands import Operator, list_programs
from tests.support.running_service import arrival, make_home, make_keys

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

ROOT = Path(__file__).parents[4]
MIGRATION = """
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.execute("CREATE TABLE more (number INTEGER)")
    {last}
"""
FAILS = 'raise OSError("no space left on device")'


def install(folder: Path, last: str = "") -> Path:
    """Install this tree as a version of its own, with one more migration if ``last`` ends one."""
    tree, command = folder / "tree", folder / ".venv" / "bin" / "darvoza"
    command.parent.mkdir(parents=True)
    shutil.copytree(ROOT / "api", tree / "api")
    for name in ("engine", "experiments", "features", "models"):
        (tree / name).symlink_to(ROOT / name)
    if last:
        file = tree / "api" / "migrations" / "versions" / "0002_more.py"
        file.write_text(MIGRATION.format(last=last), "utf-8")
    run = f'PYTHONPATH={tree} exec {sys.executable} -P -m api "$@"'
    command.write_text(f"#!/bin/sh\n{run}\n", "utf-8")
    command.chmod(0o755)
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Return what the commands need to find the store, which is the first of two databases."""
    if request.param == "sqlite":
        monkeypatch.setenv(DATABASE_VARIABLE, "")
        yield list_programs()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    with psycopg.connect(cluster.url(), autocommit=True) as admin:
        admin.execute("CREATE ROLE darvoza LOGIN")  # as operations.md has it: no superuser
        with cluster.database() as found:
            url = found.replace("postgres@", "darvoza@")
            name = str(make_url(url).database)
            admin.execute(f"ALTER DATABASE {name} OWNER TO darvoza")
            with psycopg.connect(cluster.url(name)) as owner:
                owner.execute("CREATE EXTENSION amcheck")
            monkeypatch.setenv(DATABASE_VARIABLE, url)
            new = cluster.url("darvoza_new").replace("postgres@", "darvoza@")
            yield list_programs(cluster) | {"URL": url.replace("+psycopg", ""), "NEW_URL": new}
            admin.execute("DROP DATABASE IF EXISTS darvoza_new")
        admin.execute("DROP ROLE darvoza")


@pytest.fixture
def operator(store: dict[str, str], tmp_path: Path) -> Iterator[Operator]:
    """Serve a home by the old version, which a link leads to."""
    home, prefix, port = make_home(tmp_path / "home"), tmp_path / "darvoza", find_free_port()
    prefix.symlink_to(install(tmp_path / "old"))
    command = str(prefix / ".venv" / "bin" / "darvoza")
    store["PATH"] = f"{prefix}/.venv/bin:{store['PATH']}"
    names = {"DARVOZA_HOME": home.root, "PREFIX": prefix, "OLD": tmp_path / "old", "PORT": port}
    names["KEPT"] = home.root.with_name("home.old") / "keys"
    variables = store | {name: str(value) for name, value in names.items()}

    @contextmanager
    def serve() -> Iterator[Server]:
        words = [command, "serve", "--host", HOST, "--port", str(port)]
        environment = os.environ | variables
        with Server(words, port, environment=environment, log=tmp_path / "log") as server:
            with suppress(ServiceStartError):
                server.wait_until_ready()
            yield server

    with Operator(variables, serve) as made:
        made.start()
        yield made


@cache
def body(number: int) -> dict[str, Any]:
    """Return the same body each time: a sender asks again with what it sent."""
    return arrival(number)


def decide(operator: Operator, key: str, *numbers: int) -> list[Any]:
    with Client(f"http://{HOST}:{operator.variables['PORT']}", key) as client:
        return [client.post(dict[str, Any], "/v1/decisions", body(one)) for one in numbers]


def upgrade(operator: Operator, new: Path, backup: Path, *, status: int) -> str:
    """Type the page's steps with a new version, whose service ends the last with ``status``."""
    operator.variables |= {"NEW": str(new), "BACKUP": str(backup)}
    stop, switch = operator.read("operations.md", "Upgrade")
    operator.run(stop)
    (back_up,) = operator.read("backup.md", "Back up")
    operator.run(back_up)
    return operator.run(switch, status=status)


def test_a_failed_upgrade_is_taken_back(operator: Operator, tmp_path: Path) -> None:
    (go_back,) = operator.read("operations.md", "An upgrade went wrong")
    stop, restore, compare, start = operator.read("backup.md", "Restore")
    keys, _ = make_keys(Home(Path(operator.variables["DARVOZA_HOME"])))
    key = keys[Role.CHECKPOINT]
    first = decide(operator, key, *range(5))

    upgrade(operator, install(tmp_path / "bad", FAILS), tmp_path / "before-1", status=7)
    assert "no space left on device" in (tmp_path / "log").read_text("utf-8")
    assert '"ready":true' in operator.run(go_back)
    assert decide(operator, key, *range(5)) == first

    good = install(tmp_path / "good", "pass")
    assert '"ready":true' in upgrade(operator, good, tmp_path / "before-2", status=0)
    assert decide(operator, key, *range(5)) == first
    later = decide(operator, key, 5, 6)

    operator.run(go_back, status=7)
    assert "of version 0002, which this program does not know" in (tmp_path / "log").read_text()
    receipts = tmp_path / "receipts"
    receipts.write_text("\n".join(json.dumps(one["receipt"]) for one in first + later), "utf-8")
    operator.variables["RECEIPTS"] = str(receipts)
    operator.run(stop)
    operator.run(restore)
    if "NEW_URL" in operator.variables:
        operator.variables[DATABASE_VARIABLE] = operator.variables["NEW_URL"]
    named = operator.run(compare, status=1)
    assert named.count("receipt") >= len(later)
    operator.run(start)
    assert decide(operator, key, *range(5)) == first
    assert all(one["receipt"] for one in decide(operator, key, 5, 6))
    operator.run("darvoza verify")
