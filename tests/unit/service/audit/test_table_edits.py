"""Every column of every table, edited in turn, and what ``darvoza verify`` says of each edit.

Edits are made by SQL in a transaction that is undone, on a home in which everything has happened.
An edit is found if a fault names its table and its row; one of the journal's tables, if a fault
names the record. At full size each edit stands alone; otherwise the edits of many tables are
checked together, because none of them may hide another.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, Table, delete, insert, literal_column, select, update
from sqlalchemy.types import Boolean, Float, Integer, LargeBinary, String

import api.audit.home_check
from api.audit.home_check import check_home
from api.service.assembly import open_store
from engine.audit.projection_replay import name_row
from engine.journal.areas import list_declared_tables
from engine.journal.entries import JournalFault
from engine.storage.database import Store
from engine.storage.home import Home
from features.online import counter_log
from features.online.counter_store import insert_states as insert_counters
from tests.support.sizes import PROOF
from tests.unit.engine.audit.journal_forgery import open_rolled_back
from tests.unit.service.audit.test_projections import other

pytestmark = pytest.mark.machine_clock

JOURNAL = ("journal", "journal_bodies", "journal_identity")
"""Tables that are walked by records."""
UNCOMPARED: Mapping[str, Sequence[str]] = {
    "clock_anchors": (),
    "counter_merge": ("generation", "merged", "frozen", "grp", "entity", "reached"),
    "journal_identity": ("created",),
    "key_uses": (),
    "session_uses": (),
    "webhook_cursors": (),
    "webhook_deliveries": (),
}
"""Tables that ``verify`` does not compare, as docs/threats.md lists them: which columns, or all."""
MERGED = ("counters",)
"""Tables whose rows wait elsewhere until they are merged."""
MOST_COLUMNS = max(len(table.columns) for table in list_declared_tables().tables.values())
SAMPLE = (1,)
"""Places of the columns that are edited at small sizes."""
WAVES = (*(range(MOST_COLUMNS) if PROOF else SAMPLE), None)
"""The place of the column that is edited in each table; None: the row is deleted."""
Lived = tuple[Home, Any, str]
Edit = tuple[Table, Any, Sequence[str]]
"""A table, a statement, and how a fault may name the row: by its key before or after."""


@pytest.fixture(scope="module")
def home(eventful_home: Lived) -> Home:
    return eventful_home[0]


@pytest.fixture(scope="module")
def store(home: Home) -> Iterator[Store]:
    with open_store(home) as store:
        yield store


def find_faults(home: Home, store: Store, connection: Connection) -> Sequence[JournalFault]:
    """Run ``darvoza verify`` on what one connection sees."""
    with patch.object(store, "read", lambda: nullcontext(connection)):
        return check_home(home, store).faults


def read_first(connection: Connection, table: Table) -> dict[str, Any] | None:
    query = select(table).order_by(*table.primary_key).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def edit_row(connection: Connection, table: Table, at: int | None) -> Edit | None:
    """Return an edit of the first row: of the column at a place, or of the whole row."""
    row = read_first(connection, table)
    columns = table.columns.values()
    if row is None:
        made = {column.name: other(column, None) for column in columns}
        is_empty = at == 0 and table.name not in UNCOMPARED
        return (table, insert(table).values(made), [name_row(table, made)]) if is_empty else None
    where = [column == row[column.name] for column in table.primary_key.columns]
    if at is None:
        return table, delete(table).where(*where), [name_row(table, row)]
    if at >= len(columns) or is_uncompared(table.name, columns[at].name):
        return None
    changed = {columns[at].name: other(columns[at], row[columns[at].name])}
    names = [name_row(table, row), name_row(table, row | changed)]
    return table, update(table).where(*where).values(changed), names


def is_uncompared(table: str, column: str) -> bool:
    return table in UNCOMPARED and (not UNCOMPARED[table] or column in UNCOMPARED[table])


def is_named(edit: Edit, faults: Sequence[JournalFault]) -> bool:
    table, _, names = edit
    if table.name in JOURNAL:
        return any(fault.seq == 1 or fault.rule == "identity" for fault in faults)
    return any(fault.table == table.name and fault.key in names for fault in faults)


def plan_edits(connection: Connection, names: Sequence[str], at: int | None) -> list[list[Edit]]:
    """Return edits that are made together; at full size, and of the journal, each alone."""
    made = [edit_row(connection, list_declared_tables().tables[name], at) for name in names]
    edits = [edit for edit in made if edit is not None]
    if PROOF:
        return [[edit] for edit in edits]
    together = [edit for edit in edits if edit[0].name not in JOURNAL]
    return [together, *([edit] for edit in edits if edit[0].name in JOURNAL)]


def list_missed(home: Home, store: Store, names: Sequence[str], at: int | None) -> list[str]:
    """Make the edits of some tables, and return the tables in which one was not named."""
    missed = []
    with open_rolled_back(store) as connection:
        if names == MERGED:
            counter_log.settle_log(connection, insert_counters)
        for edits in plan_edits(connection, names, at):
            nested = connection.begin_nested()
            for edit in edits:
                assert abs(connection.execute(edit[1]).rowcount) == 1  # -1: the driver does not say
            faults = find_faults(home, store, connection)
            missed += [edit[0].name for edit in edits if not is_named(edit, faults)]
            nested.rollback()
    return missed


@pytest.mark.parametrize("at", WAVES)
def test_an_edit_of_any_column_is_named_by_table_and_row(
    home: Home, store: Store, at: int | None
) -> None:
    unmerged = [name for name in list_declared_tables().tables if name not in MERGED]
    if at is None:
        unmerged = [name for name in unmerged if name not in UNCOMPARED]
        unmerged = [name for name in unmerged if not name.endswith("_log")]  # counted by the others
    assert list_missed(home, store, unmerged, at) == []
    assert list_missed(home, store, MERGED, at) == []


def test_what_is_not_compared_is_listed() -> None:
    threats = (Path(__file__).parents[4] / "docs" / "threats.md").read_text("utf-8")
    _, _, listed = threats.partition("Not compared:")
    assert all(f"`{name}`" in listed.partition("Tests:")[0] for name in UNCOMPARED)


def test_a_skipped_comparison_misses_every_edit(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr("api.audit.home_verification.tables_of", lambda *_: ())
    missed = list_missed(home, store, ("users", "decisions", "cases"), 1)
    assert missed == ["users", "decisions", "cases"]


OF_ANOTHER_TYPE = {
    Boolean: "'none'",
    Integer: "'none'",
    Float: "'none'",
    LargeBinary: "CAST({} AS TEXT)",
    String: "CAST({} AS BLOB)",
}


def change_types(connection: Connection, table: Table) -> list[tuple[str, str]]:
    """Give each value of a row another type; return what of it a fault has to name."""
    row = read_first(connection, table)
    if row is None:
        return []
    names = [column.name for column in table.columns if row[column.name] is not None]
    if len(table.primary_key) == 1:  # SQLite keeps nothing but integers there
        key = next(iter(table.primary_key))
        names = [n for n in names if n != key.name or not isinstance(key.type, Integer)]
    changed: dict[str, Any] = {
        name: literal_column(
            next(
                sql for kind, sql in OF_ANOTHER_TYPE.items() if isinstance(table.c[name].type, kind)
            ).format(f'"{name}"')
        )
        for name in names
    }
    where = [column == row[column.name] for column in table.primary_key]
    assert connection.execute(update(table).where(*where).values(changed)).rowcount == 1
    return [(table.name, name) for name in names]


def list_named_types(faults: Sequence[JournalFault]) -> set[tuple[str, str]]:
    return {
        (fault.table, name)
        for fault in faults
        if fault.rule == "type"
        for name in fault.message.rpartition(": of another type")[0].rpartition(": ")[2].split(", ")
    }


def test_a_value_of_another_type_is_named_in_every_column(home: Home, store: Store) -> None:
    if not store.dialect.is_sqlite:
        return  # PostgreSQL refuses it
    with open_rolled_back(store) as connection:
        counter_log.settle_log(connection, insert_counters)
        changed = [
            one
            for table in list_declared_tables().tables.values()
            for one in change_types(connection, table)
        ]
        faults = find_faults(home, store, connection)
    assert len(changed) > 200
    assert list_named_types(faults) == set(changed)


@pytest.mark.parametrize("column", ["shifts.seed", "access_keys.digest"])
def test_without_a_look_at_types_a_reader_stumbles_or_names_no_row(
    home: Home, store: Store, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: as it was found."""
    if not store.dialect.is_sqlite:
        return
    monkeypatch.setattr(api.audit.home_check, "find_type_faults", lambda *_: iter(()))
    monkeypatch.setattr(api.audit.home_check, "read_any_text", nullcontext)
    table, name = column.split(".")
    with open_rolled_back(store) as connection:
        changed: Any = literal_column(f'CAST("{name}" AS TEXT)')
        connection.execute(update(list_declared_tables().tables[table]).values({name: changed}))
        try:
            faults = find_faults(home, store, connection)
        except Exception:
            return
        assert (table, name) not in list_named_types(faults)


MOVED = {
    "a row of the counter log": (
        "UPDATE counter_log SET known_at = 2000000000000000 "
        "WHERE known_at = (SELECT MIN(known_at) FROM counter_log)",
        ("counter_log", "known_at 2000000000000000"),
    ),
    "a row of the counter log, a little": (
        "UPDATE counter_log SET known_at = known_at - 1 "
        "WHERE known_at = (SELECT MAX(known_at) FROM counter_log)",
        None,
    ),
    "all that is merged": (
        "INSERT INTO counter_merge VALUES (1, 7, 2000000000000000, 0, -1, 0, 0)",
        ("counter_merge", "one 1"),
    ),
}
"""Keys that were moved away from what they index, and how the fault names the row."""


@pytest.mark.parametrize("moved", MOVED)
def test_a_key_that_was_moved_is_named(home: Home, store: Store, moved: str) -> None:
    sql, named = MOVED[moved]
    with open_rolled_back(store) as connection:
        assert connection.exec_driver_sql(sql).rowcount == 1
        faults = find_faults(home, store, connection)
    (fault,) = faults
    assert (fault.table, fault.key) == named if named else fault.table in sql


def test_a_log_that_believes_its_keys_hides_what_was_moved(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: ``verify`` as it was found."""
    monkeypatch.setattr(counter_log, "_refuse_key", lambda _: None)
    with open_rolled_back(store) as connection:
        connection.exec_driver_sql(MOVED["a row of the counter log"][0])
        assert list(find_faults(home, store, connection)) == []
