"""A page of the store that holds other bytes: found, named, and mended as docs/backup.md says.

Its commands are typed as they stand on the page.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from api.audit.home_check import check_home
from api.cli.main import app
from api.service.assembly import open_store
from engine.audit import store_check
from engine.audit.store_check import UNCHECKED
from engine.errors import HomeError, InputError, NotAllowedError
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.support.page_commands import Operator, list_programs
from tests.support.running_service import POST, World, arrival, make_home, make_keys
from tests.unit.service.audit.eventful_home import serve

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

INDEX = "decisions_waiting_ix"
"""Read by every decision at a post."""
TABLES = ("passages", "users", "counter_epoch", "spread_head")
DECIDED = 40
NOISE = Random(20_240_311)


@dataclass
class StoppedHome:
    """A home whose service is stopped, and how a page of its store is overwritten."""

    home: Home
    keys: Any
    other: str
    overwrite: Callable[[str], None]
    """Takes the name of a table or an index, and fills a page of it with random bytes."""
    new_store: str
    """What ``darvoza rebuild --into`` is given."""
    variables: dict[str, str]
    """What the commands of the page name."""
    answers: list[Any] = field(default_factory=list)

    def serve(self) -> Any:
        return serve(self.home, self.keys, self.other)

    def run(self, *command: str) -> Any:
        return CliRunner().invoke(app, [*command, "--home", str(self.home.root), "--json"])

    def verify(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.run("verify").stdout)
        return result


def overwrite_page(file: Path, page: int, size: int) -> None:
    with file.open("r+b") as store:
        store.seek(page * size)
        store.write(NOISE.randbytes(size))


def make_on_sqlite(folder: Path) -> Iterator[StoppedHome]:
    home = make_home(folder / "home")
    file = home.root / "darvoza.sqlite"

    def overwrite(name: str) -> None:
        with closing(sqlite3.connect(file)) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            (root,) = raw.execute(query, [name]).fetchone()
        overwrite_page(file, root - 1, 4096)  # a small index is one leaf

    variables = list_programs() | {"DARVOZA_HOME": str(home.root)}
    yield StoppedHome(home, *make_keys(home), overwrite, str(folder / "new.sqlite"), variables)


def make_on_postgresql(folder: Path, cluster: "Cluster") -> Iterator[StoppedHome]:
    with cluster.database() as url, cluster.database() as empty:
        os.environ[DATABASE_VARIABLE] = url
        new_url = cluster.url("darvoza_new")
        home = make_home(folder / "home")

        def overwrite(name: str) -> None:
            engine = create_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql("CHECKPOINT")
                query = f"SELECT pg_relation_filepath('{name}'), pg_relation_size('{name}')"
                path, size = connection.exec_driver_sql(query).one()
            engine.dispose()
            cluster.stop()
            overwrite_page(cluster.home / "data" / path, size // 8192 - 1, 8192)
            cluster.start()

        names = {
            "DARVOZA_HOME": str(home.root),
            "NEW_URL": new_url,
            "URL": url.replace("+psycopg", ""),
        }
        variables = list_programs(cluster) | names
        yield StoppedHome(home, *make_keys(home), overwrite, empty, variables)
        with psycopg.connect(cluster.url(), autocommit=True) as admin:
            admin.execute("DROP DATABASE IF EXISTS darvoza_new")


@pytest.fixture(scope="module")
def own_cluster() -> "Iterator[Cluster]":
    """Run a server whose files may be damaged."""
    from experiments.support.postgres import Cluster

    with TemporaryDirectory(prefix="pg-", dir="/tmp") as home:
        server = Cluster(Path(home))
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE ROLE darvoza")
        yield server
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StoppedHome]:
    """Yield a home with decisions, whose service is one."""
    monkeypatch.setenv(DATABASE_VARIABLE, "")
    if request.param == "sqlite":
        homes = make_on_sqlite(tmp_path)
    else:
        homes = make_on_postgresql(tmp_path, request.getfixturevalue("own_cluster"))
    for site in homes:
        with site.serve() as world:
            site.answers = repeat_all(world)
        yield site


def read_queue(world: World) -> list[str]:
    rows = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return [row["decision_id"] for row in rows]


@cache
def body(number: int) -> dict[str, Any]:
    """Return the same body each time: a sender asks again with what it sent."""
    return arrival(number)


def test_a_damaged_index_is_found_named_and_mended(site: StoppedHome, tmp_path: Path) -> None:
    site.overwrite(INDEX)
    with Operator(site.variables, site.serve) as operator:
        operator.start()
        ready = operator.service.client.get("/readyz")
        assert ready.status_code == 200, "nothing has read the page yet"
        assert operator.service.decide(arrival(DECIDED)).status_code == 503
        ready = operator.service.client.get("/readyz")
        assert ready.status_code == 503 and "damaged" in ready.json()["store"]
        found = site.verify()
        assert not found["ok"]
        damage = [one for one in found["faults"] if one["rule"] == "damaged"]
        assert {one["table"] for one in damage} == {"decisions"} and INDEX in damage[0]["message"]
        assert "rebuild --into" in found["notes"][0]
        with pytest.raises(HomeError, match="--into"):
            app(["rebuild", "--home", str(site.home.root)], standalone_mode=False)
        copied = site.run("backup", str(tmp_path / "copy"))
        assert copied.exit_code == 1
        if site.home.store_file is None:
            assert isinstance(copied.exception, NotAllowedError)
        else:
            assert INDEX in copied.stdout
        assert "dropped" not in mend(site, operator, tmp_path)
        assert operator.service.client.get("/readyz").status_code == 200
        assert repeat_all(operator.service) == site.answers
        assert operator.service.decide(arrival(DECIDED)).status_code == 201


def mend(site: StoppedHome, operator: Operator, folder: Path) -> str:
    """Type what docs/backup.md says; return what the command says that makes the new store."""
    site.variables |= {"ASIDE": str(folder), "RECEIPTS": keep_receipts(site, folder)}
    stop, *copy, look, make, start = operator.read("backup.md", "The store is damaged")
    operator.run(stop)
    for block in copy:
        operator.run(block)
    operator.run(look, status=1)
    printed = operator.run(make)
    use_new_store(site)
    operator.run(start)
    return printed


def keep_receipts(site: StoppedHome, folder: Path) -> str:
    """Write the receipts that a checkpoint has kept, and return the name of the file."""
    kept = (json.dumps(one["receipt"]) for one in site.answers[:DECIDED])
    (folder / "receipts").write_text("\n".join(kept), "utf-8")
    return str(folder / "receipts")


def use_new_store(site: StoppedHome) -> None:
    if "NEW_URL" in site.variables:
        os.environ[DATABASE_VARIABLE] = site.variables["NEW_URL"]


def repeat_all(world: World) -> list[Any]:
    return [*(world.decide(body(number)).json() for number in range(DECIDED)), read_queue(world)]


def test_damaged_tables_are_made_again(site: StoppedHome, tmp_path: Path) -> None:
    """Secrets that were on the page are named; nothing else is lost."""
    put_row(site)
    for table in TABLES:
        site.overwrite(table)
    assert set(TABLES) <= {one["table"] for one in site.verify()["faults"]}
    with Operator(site.variables, site.serve) as operator:
        printed = mend(site, operator, tmp_path)
        dropped = [line.split()[0] for line in printed.splitlines() if "was dropped" in line]
        assert set(dropped) == {"users"}
        assert all(f"note: {table}: only" in printed for table in TABLES)
        assert repeat_all(operator.service) == site.answers


def put_row(site: StoppedHome) -> None:
    """Let every table of the test have a page: without a load there is no epoch."""
    with open_store(site.home) as store, store.write() as connection:
        connection.exec_driver_sql("INSERT INTO counter_epoch VALUES (1, 'e', 'd')")


def test_where_the_journal_cannot_be_read_the_backup_is_restored(
    site: StoppedHome, tmp_path: Path
) -> None:
    """What was decided after the backup is named by its receipts, and decided again."""
    kept, names = tmp_path / "kept", {"BACKUP": "copy", "KEPT": "kept"}
    shutil.copytree(site.home.keys, kept)
    site.variables |= {name: str(tmp_path / file) for name, file in names.items()}
    with Operator(site.variables, site.serve) as operator:
        (back_up,) = operator.read("backup.md", "Back up")
        operator.run(back_up)
        operator.start()
        late = operator.service.decide(body(DECIDED)).json()
        site.answers[:DECIDED] = [*site.answers[1:DECIDED], late]
        site.variables["RECEIPTS"] = keep_receipts(site, tmp_path)
        operator.stop()
        site.overwrite("journal_bodies")
        found = site.verify()
        assert {"journal_bodies"} <= {one["table"] for one in found["faults"]}
        assert "restore the last backup" in found["notes"][0]
        command = ["rebuild", "--home", str(site.home.root), "--into", site.new_store]
        with pytest.raises(HomeError, match="restore the last backup"):
            app(command, standalone_mode=False)
        stop, restore, compare, start = operator.read("backup.md", "Restore")
        operator.run(stop)
        operator.run(restore)
        use_new_store(site)
        assert f"record {late['receipt']['sequence']}: receipt" in operator.run(compare, status=1)
        operator.run(start)
        again = [operator.service.decide(body(number)).json() for number in range(1, DECIDED)]
        assert again == site.answers[: DECIDED - 1]
        assert operator.service.decide(body(DECIDED)).status_code == 201
        assert site.verify()["ok"]


def test_what_is_there_is_not_written_over(site: StoppedHome) -> None:
    into = site.new_store
    if site.home.store_file is not None:
        Path(into).write_text("another file", "utf-8")
    else:
        into = os.environ[DATABASE_VARIABLE]
    command = ["rebuild", "--home", str(site.home.root), "--into", into]
    with pytest.raises(InputError):
        app(command, standalone_mode=False)
    assert site.verify()["ok"]


def test_a_check_that_reads_tables_alone_calls_a_damaged_index_good(
    site: StoppedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: ``verify`` as it was found."""
    site.overwrite(INDEX)
    monkeypatch.setattr(store_check, "find_damage", lambda *_: iter(()))
    with open_store(site.home) as store:
        assert check_home(site.home, store).ok


def test_amcheck_checks_what_is_read_otherwise(site: StoppedHome) -> None:
    if site.home.store_file is not None:
        return
    assert site.verify()["notes"] == [UNCHECKED]
    with open_store(site.home) as store, store.write() as connection:
        connection.exec_driver_sql("CREATE EXTENSION amcheck")
    assert site.verify()["notes"] == []
    site.overwrite(INDEX)
    (fault,) = (one for one in site.verify()["faults"] if one["rule"] == "damaged")
    assert fault["table"] == "decisions" and INDEX in fault["message"]
