"""Whether the service says that it is ready when it is not: a full disk, one that only reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from api.service import readiness
from engine.errors import StoreUnavailableError
from engine.storage.database import Store
from tests.support.running_service import World, arrival

TRY = """
import os, subprocess, sys
from pathlib import Path
from api.migrations.upgrade import upgrade
from engine.errors import StoreUnavailableError
from engine.storage.database import Store, _allocate

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "darvoza", folder], check=True)
store = Store(f"sqlite:///{folder / 'darvoza.sqlite'}")
upgrade(store)

def said():
    try:
        store.probe()
    except StoreUnavailableError as error:
        return str(error)
    return "ok"

print(said())
with (folder / "ballast").open("wb", buffering=0) as file:
    block = 1 << 20
    while block:
        try:
            file.write(bytes(block))
        except OSError:
            block //= 2
print(said())
(folder / "ballast").unlink()
print(said())
store.dispose()  # as after an error of the disk: a mount with open files cannot be changed
subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
print(said())
try:
    _allocate(folder)
except StoreUnavailableError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def _each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "EVERY_SECONDS", -1)


def test_a_real_disk_that_is_full_or_only_reads_takes_no_probe(tmp_path: Path) -> None:
    """In a namespace of its own, where the machine lets anyone have one."""
    enter = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", TRY]
    asked = [*enter, str(tmp_path)]
    if subprocess.run([*enter[:4], "true"], capture_output=True).returncode:
        pytest.skip("no namespace is to be had here")
    done = subprocess.run(asked, capture_output=True, text=True, env=dict(os.environ), check=False)
    first, full, freed, read_only, allocated = done.stdout.splitlines()
    assert (first, freed) == ("ok", "ok"), done.stderr
    assert "No space left" in full
    assert read_only != "ok" and "Read-only" in allocated


def test_a_disk_that_takes_no_write_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.client.get("/readyz").status_code == 200

    def full(handle: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    response = world.client.get("/readyz")
    assert response.status_code == 503 and not response.json()["ready"]
    assert "No space left" in response.json()["store"]
    monkeypatch.undo()


def test_a_commit_that_failed_is_remembered_until_one_succeeds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.runtime.store
    with pytest.raises(StoreUnavailableError), store.write():
        raise StoreUnavailableError("SQLITE_FULL")
    response = world.client.get("/readyz")
    assert response.status_code == 503 and "SQLITE_FULL" in response.json()["store"]
    assert world.decide(arrival(1)).status_code == 201
    assert world.client.get("/readyz").status_code == 200
    with pytest.raises(StoreUnavailableError), store.write():
        raise StoreUnavailableError("SQLITE_FULL")
    monkeypatch.setattr("engine.storage.database.FAILED_SECONDS", 0.0)
    assert world.client.get("/readyz").status_code == 200, "no arrival comes to an unready service"
    assert world.decide(arrival(2)).status_code == 201  # a commit that succeeds ends it for others


def test_the_probe_leaves_nothing(store: Store) -> None:
    store.probe()
    with store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM journal")) == 0


def test_a_server_that_only_reads_is_not_ready(store: Store, store_url: str) -> None:
    if store.dialect == "sqlite":
        return  # its disk is tried above
    sign = "&" if "?" in store_url else "?"
    other = Store(f"{store_url}{sign}options=-c%20default_transaction_read_only%3Don")
    try:
        with pytest.raises(StoreUnavailableError, match="ReadOnly"):
            other.probe()
    finally:
        other.dispose()


def test_many_who_ask_are_answered_by_one_probe(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "EVERY_SECONDS", 60.0)
    tried = []
    monkeypatch.setattr(type(world.runtime.store), "probe", lambda store: tried.append(store))
    made = readiness.Probe(world.runtime.store)
    for _ in range(5):
        made.run()
    assert len(tried) == 1
