"""What a decision asks of PostgreSQL: round trips and statements to plan, counted, not timed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from api.service.runtime import Runtime
from engine.errors import StoreUnavailableError
from engine.journal import power_records
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import PROFILE_PROPOSED
from engine.journal.power_records import _NewestRecords, has_new_records
from engine.queue.identifier_index import IDENTIFIERS
from engine.storage import database as stores
from engine.storage.database import METADATA, Store, fetch_rows, insert_rows
from engine.storage.dialect import copy_from
from engine.storage.home import DATABASE_VARIABLE
from engine.storage.statement_queue import StatementQueue
from features.offline.encoded_history import read_log
from features.online.backfill import backfill
from features.online.counter_store import COUNTERS
from features.online.crossing_index import PASSAGES
from tests.support.emptied_database import empty_database
from tests.support.random_histories import history, tables
from tests.support.replay import PLAN
from tests.support.running_service import make_home
from tests.support.server_talk import Talk, listen
from tests.unit.engine.targeting.test_targeting import ask, open_service

MOST_WAITS = 25
"""Round trips of a decision that is not made together with others."""
WARM = 12
"""Decisions after which the driver has prepared all statements that come with each."""
ROW = (1, 2, 3, b"state")
Look = Callable[[], Talk]


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


@contextmanager
def warm_service(runtime: Runtime, tmp_path: Path) -> Iterator[Look]:
    """Decide on the first arrivals, one by one; hand out a look at what follows."""
    with listen(runtime.store, tmp_path / "talk") as look:
        for number in range(WARM):
            ask(runtime, number).result(30)
        look()
        yield look


def decide(runtime: Runtime, look: Look) -> Talk:
    """Return what one more decision says, the cheapest of ten.

    Background work is not its, nor is what is read for a vehicle that was drawn to be checked.
    """
    heard = []
    for number in range(WARM, WARM + 10):
        ask(runtime, number).result(30)
        heard.append(look())
    return min(heard, key=lambda talk: (talk.parsed, talk.waits))


def test_a_decision_is_prepared_and_waits_rarely(runtime: Runtime, tmp_path: Path) -> None:
    with warm_service(runtime, tmp_path) as look:
        heard = decide(runtime, look)
    assert heard.parsed == heard.rollbacks == 0
    assert heard.waits <= MOST_WAITS


def test_a_read_that_ends_in_a_rollback_is_caught(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: snapshots are undone, and the driver forgets what it had prepared."""
    commit = Connection.commit

    def undo(connection: Connection) -> None:
        is_reading = connection.get_execution_options().get("postgresql_readonly")
        (connection.rollback if is_reading else lambda: commit(connection))()

    monkeypatch.setattr(Connection, "commit", undo)
    with warm_service(runtime, tmp_path) as look:
        heard = decide(runtime, look)
    assert heard.rollbacks > 0 and heard.parsed > 10


def test_insertions_that_wait_each_for_its_answer_are_caught(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: nothing goes together."""
    monkeypatch.setattr(StatementQueue, "begin", lambda _: None)
    with warm_service(runtime, tmp_path) as look:
        assert decide(runtime, look).waits > MOST_WAITS


def test_a_write_waits_for_its_lock_its_rows_and_its_commit(store: Store, tmp_path: Path) -> None:
    with listen(store, tmp_path / "talk") as look:
        with store.write() as connection:
            for place in range(5):
                insert_rows(connection, COUNTERS, [(1, 2, place, b"state")])
        assert look().waits == 3
    with store.read() as connection:
        assert fetch_rows(connection, "SELECT count(*) FROM counters") == [(5,)]


@pytest.mark.timeout(60)
def test_megabytes_that_wait_are_sent_before_the_answer_is_waited_for(store: Store) -> None:
    """One long record stopped the writer for good: the driver waited for what it had not sent."""
    rows = [(1, 2, place, bytes(4_000_000)) for place in range(3)]
    with store.write() as connection:
        insert_rows(connection, COUNTERS, rows)
        assert fetch_rows(connection, "SELECT count(*) FROM counters") == [(3,)]


def test_what_waits_is_seen_by_the_next_statement(store: Store) -> None:
    """On the driver itself, and through SQLAlchemy."""
    counted = "SELECT count(*) FROM counters"
    with store.write() as connection:
        insert_rows(connection, COUNTERS, [ROW])
        assert fetch_rows(connection, counted) == [(1,)]
        insert_rows(connection, COUNTERS, [(1, 2, 4, b"state")])
        assert connection.exec_driver_sql(counted).scalar_one() == 2


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


def cut_lines(store: Store) -> None:
    """Fill the pool with lines, and let the server end all of them."""
    with store.read(), store.read():
        pass
    with Store(store.engine.url.render_as_string(hide_password=False)) as other:
        end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
        more = " AND pid <> pg_backend_pid()"
        with other.write() as connection:
            connection.exec_driver_sql(end + more, (store.engine.url.database,))


def test_lines_that_the_server_ended_cost_no_request(store: Store) -> None:
    cut_lines(store)
    with store.read() as connection:
        assert fetch_rows(connection, "SELECT 1") == [(1,)]


def test_a_line_that_is_not_looked_at_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug."""
    cut_lines(store)
    monkeypatch.setattr(stores, "_may_be_lost", lambda *_: False)
    with pytest.raises(StoreUnavailableError), store.read() as connection:
        fetch_rows(connection, "SELECT 1")


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


def test_many_records_since_the_last_look_are_not_read_one_by_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power_records, "MOST", 3)
    for number in range(1, 9):
        propose(store, number)
        if number in (1, 2, 8):
            with store.read() as connection:
                assert has_new_records(connection, kinds_of("profile"), after=number - 1)
                assert not has_new_records(connection, kinds_of("profile"), after=number)
                assert not has_new_records(connection, kinds_of("watchlist"), after=0)


MANY = [
    (f"c-{at}", "Ойбек", at << 40, bool(at & 1), -at, at, bytes([0, at & 255]), 0, 1, -1, "")
    for at in range(300)
]
"""Passages: text, numbers up to 8 bytes, signs, bytes, truth."""


def copy_many(store: Store, tmp_path: Path) -> Talk:
    """Insert many passages, check that they are there as they were, and return what was said."""
    with listen(store, tmp_path / "talk") as look:
        with store.write() as connection:
            insert_rows(connection, PASSAGES, MANY)
        found = look()
    with store.read() as connection:
        assert fetch_rows(connection, "SELECT * FROM passages ORDER BY known_at") == MANY
    return found


def test_some_rows_go_into_one_statement(store: Store, tmp_path: Path) -> None:
    """Sixteen of three columns, and the two that are left; a row that is there already stays."""
    rows = [(b"%d" % at, 1, 2) for at in range(34)]
    with listen(store, tmp_path / "talk") as look:
        with store.write() as connection:
            insert_rows(connection, IDENTIFIERS, [*rows[:33], rows[0]], skips_known=True)
        assert look().executed == 2 + 2 + 2  # BEGIN and the lock
        with store.write() as connection:
            insert_rows(connection, IDENTIFIERS, rows, skips_known=True)
            assert fetch_rows(connection, "SELECT count(*) FROM decision_identifiers") == [(34,)]


def test_many_rows_are_copied(store: Store, tmp_path: Path) -> None:
    assert copy_many(store, tmp_path).executed <= 2  # BEGIN and the lock


def test_many_rows_that_are_inserted_one_by_one_are_caught(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the same rows, each by a statement of its own."""
    monkeypatch.setattr(stores, "_MANY", len(MANY) + 1)
    monkeypatch.setattr(stores, "_PARAMETERS", 1)
    assert copy_many(store, tmp_path).executed > len(MANY)


def test_the_types_of_a_copy_are_those_of_every_table(store: Store) -> None:
    """The driver knows each, and the server takes a copy of no rows into each table."""
    assert len(METADATA.sorted_tables) > 50
    with store.write() as connection:
        for table in METADATA.sorted_tables:
            sql, types = copy_from(table, connection.dialect)
            stores._queue_of(connection).copy(sql, types, [])


def test_a_row_that_cannot_be_copied_quotes_no_value(store: Store) -> None:
    """A copy in text would quote the line."""
    with pytest.raises(DataError) as found, store.write() as connection:
        insert_rows(connection, PASSAGES, [*MANY, ("secret\0", *MANY[0][1:])])
    assert "secret" not in str(found.value)


def test_a_load_takes_statistics(store: Store) -> None:
    """The planner would plan for empty tables until the server looks by itself."""
    counted = "SELECT min(reltuples) FROM pg_class WHERE relname IN ('counters', 'passages')"
    with store.write() as connection:
        backfill(connection, read_log(tables(history(5, 40)), PLAN), PLAN)
    with store.read() as connection:
        assert fetch_rows(connection, counted)[0][0] > 0
