"""Records of power are found by their indexes on both stores, whatever else is recorded."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from engine.journal import power_records
from engine.journal.areas import kinds_of, list_steps
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION, PROFILE_PROPOSED, SHIFT_OPENED, TICK, USER_CREATED
from engine.journal.power_records import find_last_sequence, has_new_records, read_records
from engine.storage.database import Store, fetch_rows
from engine.storage.dialect import Dialect

KINDS = (PROFILE_PROPOSED, USER_CREATED)
ASKED: dict[str, Callable[[Connection], object]] = {
    "of one kind": lambda connection: read_records(connection, [SHIFT_OPENED]),
    "of some kinds": lambda connection: read_records(connection, KINDS, after=3),
    "of a subject": lambda connection: read_records(connection, KINDS, subject="p1"),
    "new ones": lambda connection: has_new_records(connection, KINDS, after=3),
    "the newest of each": lambda connection: fetch_rows(connection, power_records._NEWEST),
    "the last": lambda connection: find_last_sequence(connection, USER_CREATED),
}
only_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[Any]]]:
    """Return a list of the statements that are made from now on, with their parameters."""
    found: list[tuple[str, Sequence[Any]]] = []

    def note(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        found.append((sql, parameters))
        return fetch_rows(connection, sql, parameters)

    monkeypatch.setattr(power_records, "fetch_rows", note)
    return found


def is_by_index(store: Store, sql: str, parameters: Sequence[Any]) -> bool:
    """Tell whether a statement may read the journal by an index of power."""
    with store.write() as connection:
        dialect = Dialect.of(connection)
        explain = dialect.choose(sqlite="EXPLAIN QUERY PLAN", postgresql="EXPLAIN")
        asked = dialect.spell(f"{explain} {sql}")
        if dialect.is_sqlite:
            plan = connection.exec_driver_sql(asked, tuple(parameters)).all()
        else:
            with connection.begin_nested() as tried:
                leave_indexes_of_power(connection)
                plan = connection.exec_driver_sql(asked, tuple(parameters)).all()
                tried.rollback()
    return "journal_power_" in "".join(str(row[-1]) for row in plan)


def leave_indexes_of_power(connection: Connection) -> None:
    """Leave PostgreSQL nothing cheaper than these: of few rows any way of reading is as good."""
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    connection.exec_driver_sql("ALTER TABLE journal DROP CONSTRAINT journal_pk CASCADE")


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_every_question_goes_to_an_index(
    store: Store, statements: list[tuple[str, Sequence[Any]]], ask: Callable[[Connection], object]
) -> None:
    with store.write() as connection:
        ask(connection)
        fetched = statements or [(power_records._NEWEST, ())]
    assert [is_by_index(store, *one) for one in fetched] == [True]


def test_a_question_for_what_is_not_indexed_is_seen(store: Store) -> None:
    """Negative control."""
    assert not is_by_index(store, "SELECT seq FROM journal WHERE kind = 'decision'", ())


@only_sqlite  # PostgreSQL infers the condition from the kinds
def test_a_condition_that_lacks_a_word_is_seen(
    store: Store, statements: list[tuple[str, Sequence[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(power_records, "FREQUENT", power_records.FREQUENT[1:])
    with store.write() as connection:
        has_new_records(connection, KINDS, after=3)
    assert [is_by_index(store, *one) for one in statements] == [False]


def test_frequent_records_are_left_out(store: Store) -> None:
    one = PROFILE_PROPOSED.draft("p1", {"by": "", "state": "proposed"})
    Journal(store).append([TICK.draft("", {}), one, TICK.draft("", {})])
    with store.read() as connection:
        assert [found.seq for found in read_records(connection, KINDS)] == [2]
        assert [found.seq for found in read_records(connection, KINDS, subject="p1")] == [2]
        assert find_last_sequence(connection, PROFILE_PROPOSED) == 2
        assert fetch_rows(connection, power_records._NEWEST) == [(PROFILE_PROPOSED, 2)]


@pytest.mark.parametrize("matter", sorted({matter for matter, _ in list_steps().values()}))
def test_records_of_every_matter_are_found(store: Store, matter: str) -> None:
    """Those of erasures were not, on SQLite, while the indexes named their kinds."""
    body: Any = {"by": "", "state": "proposed"}
    Journal(store).append([kind.draft("one", body) for kind in kinds_of(matter)])
    with store.read() as connection:
        found = read_records(connection, kinds_of(matter), subject="one")
    assert [record.kind for record in found] == list(kinds_of(matter))


def test_a_frequent_kind_cannot_be_asked_for(store: Store) -> None:
    """It would read as if there were none on SQLite, and the whole journal on PostgreSQL."""
    with store.read() as connection, pytest.raises(ValueError, match="without an index: decision"):
        read_records(connection, [USER_CREATED, DECISION])
