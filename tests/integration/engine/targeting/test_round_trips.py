"""Rows that wait in PostgreSQL's driver: sent in time, undone as a whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from api.service.runtime import Runtime
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import PROFILE_PROPOSED
from engine.journal.power_records import _NewestRecords, has_new_records
from engine.storage.database import Store, fetch_rows, insert_rows
from engine.storage.home import DATABASE_VARIABLE
from features.online.counter_store import COUNTERS
from features.online.crossing_index import PASSAGES
from tests.support.emptied_database import empty_database
from tests.support.running_service import make_home
from tests.unit.engine.targeting.test_targeting import open_service

ROW = (1, 2, 3, b"state")


@pytest.fixture
def store_url(postgresql_database: str) -> str:
    """Empty the database: round trips are those of PostgreSQL."""
    empty_database(postgresql_database)
    return postgresql_database


@pytest.fixture
def runtime(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    found = open_service(make_home(tmp_path / "home"))
    yield found
    found.close()


@pytest.mark.timeout(60)
def test_megabytes_that_wait_are_sent_before_the_answer_is_waited_for(store: Store) -> None:
    """One long record stopped the writer for good: the driver waited for what it had not sent."""
    rows = [(1, 2, place, bytes(4_000_000)) for place in range(3)]
    with store.write() as connection:
        insert_rows(connection, COUNTERS, rows)
        assert fetch_rows(connection, "SELECT count(*) FROM counters") == [(3,)]


def test_a_fault_of_what_waits_undoes_all_and_the_next_write_is_whole(store: Store) -> None:
    def write(*times: int) -> None:
        with store.write() as connection:
            for known_at in times:
                insert_rows(connection, COUNTERS, [(1, 2, known_at, b"state")])

    with pytest.raises(IntegrityError):
        write(1, 1, 2)
    write(3)
    with store.read() as connection:
        assert fetch_rows(connection, "SELECT known_at FROM counters") == [(3,)]


def test_what_waited_in_a_write_that_failed_is_not_written_by_the_next(store: Store) -> None:
    def fail() -> None:
        with store.write() as connection:
            insert_rows(connection, COUNTERS, [ROW])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - ours
        fail()
    with store.write() as connection:
        assert fetch_rows(connection, "SELECT count(*) FROM counters") == [(0,)]


def propose(store: Store, number: int) -> None:
    Journal(store).append([PROFILE_PROPOSED.draft(f"p{number}", {"by": "", "state": "proposed"})])


def see_what_an_older_snapshot_sees(store: Store) -> tuple[bool, bool]:
    """Return whether it sees a record that came later, which a newer one has looked up."""
    kinds = kinds_of("profile")
    propose(store, 1)
    with store.read() as older:
        fetch_rows(older, "SELECT 1")
        propose(store, 2)
        with store.read() as newer:
            assert has_new_records(newer, kinds, after=1)
        return has_new_records(older, kinds, after=1), has_new_records(older, kinds, after=0)


def test_a_snapshot_sees_no_later_record_of_power(store: Store) -> None:
    with store.read() as connection:
        assert not has_new_records(connection, kinds_of("profile"), after=0)
    assert see_what_an_older_snapshot_sees(store) == (False, True)


def test_a_memory_that_is_ahead_of_a_snapshot_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what is known of the newest records is taken for what every snapshot sees."""
    look, known = _NewestRecords.look, {}

    def remember(memory: _NewestRecords, snapshot: Connection) -> dict[str, int] | None:
        known.update(look(memory, snapshot) or {})
        return known

    monkeypatch.setattr(_NewestRecords, "look", remember)
    assert see_what_an_older_snapshot_sees(store) == (True, True)


def test_a_record_of_power_that_was_undone_is_not_remembered(store: Store) -> None:
    kinds, journal = kinds_of("profile"), Journal(store)
    propose(store, 1)

    def look_and_fail(connection: Connection, _now: int) -> list[Draft]:
        columns = "seq, known_at, kind, subject, post, origin, leaf, chain"
        values = "2, 2, 'profile_proposed', '', '', '', '', ''"
        connection.exec_driver_sql(f"INSERT INTO journal ({columns}) VALUES ({values})")  # noqa: S608
        assert has_new_records(connection, kinds, after=1), "it sees its own"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - ours
        journal.append_found(look_and_fail)
    with store.read() as connection:
        assert not has_new_records(connection, kinds, after=1)


MANY = [
    (f"c-{at}", "Ойбек", at << 40, bool(at & 1), -at, at, bytes([0, at & 255]), 0, 1, -1, "")
    for at in range(300)
]
"""Passages: text, numbers up to 8 bytes, signs, bytes, truth."""


def test_a_row_that_cannot_be_copied_quotes_no_value(store: Store) -> None:
    """A copy in text would quote the line."""
    with pytest.raises(DataError) as found, store.write() as connection:
        insert_rows(connection, PASSAGES, [*MANY, ("secret\0", *MANY[0][1:])])
    assert "secret" not in str(found.value)
