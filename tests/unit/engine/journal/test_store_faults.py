"""A store that fails refuses, leaves nothing half done, and is back when it is back."""

import sqlite3

import psycopg
import pytest
from sqlalchemy import event, func, select, text

import engine.storage.database
from engine.audit.verification import verify
from engine.errors import HomeError, StoreUnavailableError
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL, Journal
from engine.storage.database import STALLED_SECONDS, Store

only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


def draft(subject: str, *, size: int = 10) -> Draft:
    return Draft("roster", subject, "OYB", {"filler": "x" * size})


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.scalars(select(func.count()).select_from(JOURNAL)).one()


@only_sqlite
def test_sqlite_flushes_its_log_at_every_commit(store: Store) -> None:
    with store.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_what_a_thread_still_holds_is_closed_when_it_comes_back(store_url: str) -> None:
    store = Store(store_url)
    with store.read() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        store.dispose()
        assert connection.scalar(select(func.count()).select_from(JOURNAL)) == 0
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        raw.execute("SELECT 1")


@only_sqlite
def test_a_full_disk_refuses_and_a_freed_one_takes_again(store: Store) -> None:
    limit = [1_000_000]

    def bound(raw: sqlite3.Connection, *_: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {limit[0]}")

    event.listen(store.engine, "checkout", bound)
    journal = Journal(store)
    journal.append([draft("before")])
    limit[0] = 1  # SQLite takes it as: not one page more
    with pytest.raises(StoreUnavailableError, match="SQLITE_FULL"):
        journal.append([draft(f"full{number}", size=10_000) for number in range(50)])
    assert count(store) == 1

    limit[0] = 1_000_000
    journal.append([draft("after")])
    assert count(store) == 2
    assert verify(store).ok


def test_sqlite_in_memory_is_refused() -> None:
    with pytest.raises(StoreUnavailableError, match="write-ahead"), Store("sqlite://").read():
        pass


@only_postgresql
@pytest.mark.parametrize(("setting", "kept"), [("off", "on"), ("on", "on"), ("local", "local")])
def test_an_answer_waits_for_the_log_whatever_the_server_says(
    store_url: str, setting: str, kept: str
) -> None:
    url = f"{store_url}&options=-csynchronous_commit%3D{setting}"
    with Store(url) as store, store.write() as connection:
        found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()

    assert found == kept


@only_postgresql
def test_a_writer_that_stalls_does_not_keep_the_lock(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = engine.storage.database._POSTGRES_LOCK.replace(f"'{STALLED_SECONDS}s'", "'100ms'")
    monkeypatch.setattr(engine.storage.database, "_POSTGRES_LOCK", short)
    with Store(store_url) as stalled:
        monkeypatch.undo()
        with Store(store_url) as store:

            def stall() -> None:
                with stalled.write() as connection:
                    Journal(store).append([draft("after")])  # waits for the lock, and gets it
                    connection.exec_driver_sql("SELECT 1")

            with pytest.raises(StoreUnavailableError):
                stall()
            assert count(store) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT lacking FROM journal",
        "SELECT 1 FROM lacking",
        "INSERT INTO journal (lacking) VALUES (1)",
    ],
    ids=["column", "table", "written"],
)
def test_tables_of_another_version_are_named_as_such(store: Store, statement: str) -> None:
    """No record was refused that could be sent again: the home is of another program."""
    with pytest.raises(HomeError, match="another version"), store.write() as connection:
        connection.execute(text(statement))
