"""Statements on the driver itself have the manners of all others: errors, transactions."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from engine.errors import StoreUnavailableError
from engine.storage import database as stores
from engine.storage.database import Store, fetch_rows, insert_rows
from features.online.counter_store import COUNTERS, latest

only_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
ROW = (1, 2, 3, b"state 01")


def count_rows(store: Store) -> int:
    with store.read() as connection:
        return connection.scalars(select(func.count()).select_from(COUNTERS)).one()


def left_behind(store: Store) -> int:
    """Insert on a connection that never commits; return how many rows stayed."""
    with store.engine.connect() as connection:
        insert_rows(connection, COUNTERS, [ROW])
        assert latest(connection, [(1, 2, 4), (1, 2, 3)]) == [b"state 01", None]
    return count_rows(store)


def test_nothing_is_committed_by_the_way(store: Store) -> None:
    assert left_behind(store) == 0


def test_a_fault_of_a_statement_is_reported_as_any_other_and_quotes_no_value(store: Store) -> None:
    with pytest.raises(IntegrityError) as found, store.write() as connection:
        insert_rows(connection, COUNTERS, [ROW, (1, 2, 3, b"secret")])
    assert "secret" not in str(found.value)
    assert count_rows(store) == 0


def test_many_rows_are_inserted_whole_or_not_at_all(store: Store) -> None:
    rows = [(1, number, 3, b"%d" % number) for number in range(stores._MANY + 5)]
    with pytest.raises(IntegrityError) as found, store.write() as connection:
        insert_rows(connection, COUNTERS, [*rows[:-9], rows[0], *rows[-8:]])
    assert "1009" not in str(found.value)
    assert count_rows(store) == 0
    with store.write() as connection:
        insert_rows(connection, COUNTERS, rows)
        assert fetch_rows(connection, "SELECT * FROM counters ORDER BY entity") == rows


@only_postgresql
def test_a_lost_line_is_an_unavailable_store_and_the_next_one_works(store: Store) -> None:
    with pytest.raises(StoreUnavailableError), store.read() as connection:
        fetch_rows(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert count_rows(store) == 0
