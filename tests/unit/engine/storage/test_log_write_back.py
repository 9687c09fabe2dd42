"""SQLite's log is written back once it is long: nothing is lost by it, and readers go on."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import event

from engine.errors import StoreUnavailableError
from engine.storage import database
from engine.storage.database import Store

ONE, NEVER = 1, 1 << 60


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(database, "LOG_ROWS", NEVER)
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0)
    with Store(f"sqlite:///{tmp_path}/a.sqlite") as found:
        with found.write() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        yield found


def commit(store: Store, times: int = 1) -> None:
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


def test_the_file_has_what_was_committed_and_the_log_begins_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, 40)
    assert count(tmp_path) == 0
    monkeypatch.setattr(database, "LOG_ROWS", ONE)
    commit(store)
    assert count(tmp_path) == 41
    monkeypatch.setattr(database, "LOG_ROWS", NEVER)
    commit(store, 3)
    assert count(tmp_path) == 41
    assert count(tmp_path, "-wal") == 44


def test_a_reader_keeps_its_snapshot_and_a_writer_does_not_wait_for_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store)
    with store.read() as snapshot:
        assert snapshot.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
        monkeypatch.setattr(database, "LOG_ROWS", ONE)
        commit(store, 6)
        assert snapshot.exec_driver_sql("SELECT count(*) FROM t").scalar() == 1
    assert count(tmp_path, "-wal") == 7


@pytest.mark.parametrize("seeds_bug", [False, True])
def test_no_commit_begins_the_log_again_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, seeds_bug: bool
) -> None:
    """Seeded bug: the log is written back without the writer's lock."""
    commit(store)
    if seeds_bug:
        monkeypatch.setattr(Store, "_locked", nullcontext)
    other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        with nullcontext() if seeds_bug else pytest.raises(StoreUnavailableError):
            store._write_back()
        assert count(tmp_path) == int(seeds_bug)


def refuse(action: int, name: str | None, *_: str | None) -> int:
    is_refused = action == sqlite3.SQLITE_PRAGMA and name == "wal_checkpoint"
    return sqlite3.SQLITE_DENY if is_refused else sqlite3.SQLITE_OK


def test_a_log_that_cannot_be_written_back_undoes_no_commit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk."""

    def set_refusal(raw: sqlite3.Connection, *_: object) -> None:
        raw.set_authorizer(refuse)

    event.listen(store.engine, "checkout", set_refusal)
    monkeypatch.setattr(database, "LOG_ROWS", ONE)
    commit(store, 2)
    assert (count(tmp_path), count(tmp_path, "-wal")) == (0, 2)
    event.remove(store.engine, "checkout", set_refusal)
    store.engine.dispose()
    commit(store)
    assert count(tmp_path) == 3, "it is tried again after the next commit"
