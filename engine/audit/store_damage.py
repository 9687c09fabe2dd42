"""Damage of the store itself: pages of tables and indexes that hold what was not written there.

SQLite checks its own file. PostgreSQL does so with its extension ``amcheck``; if that is missing,
every page of every table and index is read, and the entries of each index are counted: pages that
cannot be read and entries that are gone are found, entries in a wrong order are not.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    MetaData,
    Select,
    Table,
    UniqueConstraint,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from engine.audit.verification import FAULTS_KEPT, Verdict, verify_snapshot
from engine.journal.entries import JournalFault
from engine.journal.receipts import Receipt
from engine.storage.database import fetch_rows
from engine.storage.dialect import Dialect

DAMAGED = "damaged"
"""Rule of the faults."""
UNCHECKED = (
    "indexes were read and not checked: the database has no extension amcheck, or its user may not "
    "execute bt_index_check (docs/backup.md, section The store is damaged)"
)
_INDEX_SCANS = ("enable_indexscan", "enable_indexonlyscan")
_OTHER_SCANS = ("enable_seqscan", "enable_bitmapscan", "enable_sort")
"""Ways to read a table that PostgreSQL is asked to choose, or not to choose."""
_TREE = re.compile(r"\bTree (\d+)\b")
_AMCHECK = """
SELECT p.pronamespace::regnamespace::text FROM pg_proc p
WHERE p.proname = 'bt_index_check' AND p.pronargs = 2
  AND has_function_privilege(p.oid, 'EXECUTE') LIMIT 1
"""
_INDEXES = """
SELECT t.relname, i.relname, i.oid FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE t.relnamespace = current_schema()::regnamespace ORDER BY 1, 2
"""


def verify_store(
    connection: Connection,
    metadata: MetaData,
    receipts: Iterable[Receipt] = (),
    *,
    public_key: Ed25519PublicKey | None = None,
) -> Verdict:
    """Check the store itself, then the journal in it as far as it can be read."""
    damage = list(islice(find_damage(connection, metadata), FAULTS_KEPT))
    try:
        with connection.begin_nested():
            verdict = verify_snapshot(connection, receipts, public_key=public_key)
    except DBAPIError as error:
        why = f"journal: cannot be read ({_name(error.orig)})"
        verdict = Verdict(0, 0, 1, (JournalFault(0, "unreadable", why, "journal"),))
    faults = (*damage, *verdict.faults)
    return replace(verdict, found=verdict.found + len(damage), faults=faults)


def is_damaged(verdict: Verdict) -> bool:
    """Tell whether the store itself was found damaged."""
    return any(fault.rule == DAMAGED for fault in verdict.faults)


def note_journal(verdict: Verdict) -> str:
    """Return what can be done about a damaged store."""
    if all(fault.rule == DAMAGED for fault in verdict.faults):
        return "the journal stands, and darvoza rebuild --into makes a new store of it"
    return "the journal does not stand: restore the last backup that verifies"


def find_damage(connection: Connection, metadata: MetaData) -> Iterator[JournalFault]:
    """Yield what is damaged, by table; of PostgreSQL the tables of ``metadata``."""
    if Dialect.of(connection).is_sqlite:
        return _check_sqlite(connection)
    return _check_postgresql(connection, metadata)


def note_unchecked(connection: Connection) -> Iterator[str]:
    """Yield a note if indexes could only be read."""
    if not Dialect.of(connection).is_sqlite and not fetch_rows(connection, _AMCHECK):
        yield UNCHECKED


def _fault(table: str, why: str) -> JournalFault:
    return JournalFault(0, DAMAGED, f"{table}: {why}" if table else why, table)


def _name(error: BaseException | None) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def _check_sqlite(connection: Connection) -> Iterator[JournalFault]:
    """Let SQLite check its file; only if it finds anything, table by table, to name them."""
    found = _read_findings(connection, "PRAGMA integrity_check")
    if found == ["ok"]:
        return
    try:
        named = list(_check_sqlite_tables(connection))
    except DBAPIError:
        named = []
    yield from named or [_fault("", why) for why in found]


def _check_sqlite_tables(connection: Connection) -> Iterator[JournalFault]:
    known = fetch_rows(connection, "SELECT type, name, rootpage FROM sqlite_master")
    roots = {root: f"{kind} {name}" for kind, name, root in known}
    for name in sorted(name for kind, name, _ in known if kind == "table"):
        quoted = name.replace("'", "''")
        found = [  # the first says more of a page at which the second stops
            why
            for check in ("quick_check", "integrity_check")
            for why in _read_findings(connection, f"PRAGMA {check}('{quoted}')")
        ]
        for why in dict.fromkeys(found):
            if why != "ok":
                said = _TREE.sub(lambda tree: roots.get(int(tree[1]), tree[0]), why)
                yield _fault(name, " ".join(said.split()))


def _read_findings(connection: Connection, check: str) -> list[str]:
    """Return what SQLite says, and that it could not go on where it stops at a page."""
    try:
        return [str(why) for (why,) in fetch_rows(connection, check)]
    except DBAPIError as error:
        return [f"cannot be read further ({_name(error.orig)})"]


def _check_postgresql(connection: Connection, metadata: MetaData) -> Iterator[JournalFault]:
    schemas = fetch_rows(connection, _AMCHECK)
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        _, why = _attempt(connection, _count(table), by_index=False)
        if why:
            yield _fault(table.name, why)
        elif not schemas:
            yield from _read_indexes(connection, table)
    for (schema,) in schemas:
        check = text(f"SELECT {schema}.bt_index_check(CAST(:index AS oid), true)")
        for name, index, oid in fetch_rows(connection, _INDEXES):
            _, why = _attempt(connection, check.bindparams(index=oid), by_index=True)
            if why:
                yield _fault(name, f"index {index}: {why}")


def _read_indexes(connection: Connection, table: Table) -> Iterator[JournalFault]:
    """Count the rows of a table through each of its indexes, and by its own pages."""
    for name, columns, where in _list_indexes(table):
        entries, why = _attempt(connection, _count(table, where, columns), by_index=True)
        rows, _ = _attempt(connection, _count(table, where), by_index=False)
        if why or entries != rows:
            yield _fault(table.name, f"index {name}: {why or f'{entries} entries, {rows} rows'}")


def _list_indexes(
    table: Table,
) -> Iterator[tuple[str, Sequence[ColumnElement[Any]], ColumnElement[bool] | None]]:
    """Yield name, columns and condition of each index, those of keys included."""
    uniques = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    for key in (table.primary_key, *uniques):
        yield str(key.name), list(key.columns), None
    for index in table.indexes:
        yield str(index.name), list(index.columns), index.dialect_options["postgresql"]["where"]


def _count(
    table: Table,
    where: ColumnElement[bool] | None = None,
    order: Sequence[ColumnElement[Any]] = (),
) -> Select[int]:
    rows = select(literal(1)).select_from(table).order_by(*order)
    rows = rows if where is None else rows.where(where)
    return select(func.count()).select_from(rows.subquery())


def _attempt(
    connection: Connection, statement: Executable, *, by_index: bool
) -> tuple[object, str]:
    """Return what a statement finds through indexes alone, or without any; and why it fails."""
    on, off = (_INDEX_SCANS, _OTHER_SCANS) if by_index else (_OTHER_SCANS, _INDEX_SCANS)
    settings = [f"SET LOCAL {name} = on" for name in on] + [
        f"SET LOCAL {name} = off" for name in off
    ]
    nested = connection.begin_nested()
    try:
        for setting in settings:
            connection.exec_driver_sql(setting)
        return connection.scalar(statement), ""
    except DBAPIError as error:
        found = getattr(error.orig, "diag", None)
        is_damage = str(getattr(error.orig, "sqlstate", "")).startswith("XX")
        return None, str(found.message_primary) if found and is_damage else _name(error.orig)
    finally:
        nested.rollback()  # and with it the settings
