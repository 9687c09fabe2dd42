"""SQLite's log is written back in a quiet moment: nothing is lost by it, and readers go on."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import event

from engine.errors import StoreUnavailableError
from engine.storage.database import Store

LOG_COMMITS = 5


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr("engine.storage.database.LOG_COMMITS", LOG_COMMITS)
    with Store(f"sqlite:///{tmp_path}/a.sqlite") as found:
        with found.write() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        yield found


def commit(store: Store, times: int) -> None:
    for _ in range(times):
        with store.write() as connection:
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def count(folder: Path, *suffixes: str) -> int:
    """Return the rows of a copy of the file, with its log or without."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for suffix in ("", *suffixes):
        shutil.copy(folder / f"a.sqlite{suffix}", copy)
    with closing(sqlite3.connect(copy / "a.sqlite")) as found:
        if not found.execute("SELECT name FROM sqlite_master").fetchall():
            return 0
        rows: int = found.execute("SELECT count(*) FROM t").fetchone()[0]
        return rows


def test_the_file_has_what_was_committed_and_the_log_what_comes_after(
    store: Store, tmp_path: Path
) -> None:
    commit(store, LOG_COMMITS)
    assert count(tmp_path) == 0
    store.write_back()
    assert count(tmp_path) == LOG_COMMITS
    commit(store, 3)
    assert count(tmp_path) == LOG_COMMITS
    assert count(tmp_path, "-wal") == LOG_COMMITS + 3


def test_a_reader_keeps_its_snapshot_and_a_writer_does_not_wait_for_it(
    store: Store, tmp_path: Path
) -> None:
    commit(store, 1)
    with store.read() as snapshot:
        assert snapshot.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
        commit(store, LOG_COMMITS)
        store.write_back()
        commit(store, 1)
        assert snapshot.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
    assert count(tmp_path, "-wal") == LOG_COMMITS + 2


@pytest.mark.parametrize("seeds_bug", [False, True])
def test_no_commit_begins_the_log_again_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, seeds_bug: bool
) -> None:
    """Seeded bug: the log is written back without the writer's lock."""
    monkeypatch.setattr("engine.storage.database.LOG_COMMITS", 0)
    monkeypatch.setattr("engine.storage.database.PATIENCE_SECONDS", 0)
    if seeds_bug:
        monkeypatch.setattr(Store, "_locked", nullcontext)
    with Store(f"sqlite:///{tmp_path}/a.sqlite") as ours:
        other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
        with closing(other):
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("BEGIN IMMEDIATE")
            waits = pytest.raises(StoreUnavailableError)
            with nullcontext() if seeds_bug else waits:
                ours.write_back()


def refuse(action: int, name: str | None, *_: str | None) -> int:
    is_refused = action == sqlite3.SQLITE_PRAGMA and name == "wal_checkpoint"
    return sqlite3.SQLITE_DENY if is_refused else sqlite3.SQLITE_OK


def test_a_fault_of_the_driver_is_a_store_that_is_away(store: Store, tmp_path: Path) -> None:
    """As it is, it would pass by those who expect that, as on a full disk."""

    def set_refusal(raw: sqlite3.Connection, *_: object) -> None:
        raw.set_authorizer(refuse)

    event.listen(store._readers, "checkout", set_refusal)
    commit(store, LOG_COMMITS)
    with pytest.raises(StoreUnavailableError):
        store.write_back()
    event.remove(store._readers, "checkout", set_refusal)
    store._readers.dispose()
    store.write_back()
    assert count(tmp_path) == LOG_COMMITS, "what failed is tried again in the next pause"
