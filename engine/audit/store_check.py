"""Check of the store itself: foreign objects, altered tables, damaged pages.

A trigger, a rule or a view changes rows without a record and without a statement of this program;
an index can call a function; without its unique index a name can be taken twice. Assumes that the
database holds this deployment alone; objects of PostgreSQL extensions are skipped.

An altered column, key, default or index changes the effect of later statements without a record and
without a different row: a key that ignores case, an index that refuses a second row, a condition
that refuses a record. Types are compared by family, because the two stores name them differently.

Pages of tables and indexes may hold data that was not written there. SQLite checks its own file.
PostgreSQL does so with its extension ``amcheck``; if that is missing, every page of every table and
index is read, and the entries of each index are counted: unreadable pages and missing entries are
found, entries in a wrong order are not.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    UniqueConstraint,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from engine.audit.verification import FAULTS_KEPT, Verdict, verify_snapshot
from engine.journal.entries import JournalFault
from engine.journal.receipts import Receipt
from engine.storage.database import fetch_rows
from engine.storage.dialect import Dialect

NamedObject = tuple[str, str]
"""(kind, name)."""
FOREIGN_OBJECT, MISSING_OBJECT = "foreign_object", "missing_object"
"""Rules of the faults."""
_MIGRATIONS = "alembic_version"

_SQLITE_OBJECTS = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
_POSTGRESQL_OBJECTS = """
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
     brought AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'i' THEN 'index' WHEN 'v' THEN 'view'
       WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'relation' END, c.relname
FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind NOT IN ('t', 'c')
  AND NOT EXISTS (SELECT 1 FROM brought b
                  WHERE b.classid = 'pg_class'::regclass AND b.objid = c.oid)
UNION ALL
SELECT 'trigger', t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'rule', r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE r.rulename <> '_RETURN' AND c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'policy', p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL
SELECT 'function', p.proname FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM ours)
  AND NOT EXISTS (SELECT 1 FROM brought b
                  WHERE b.classid = 'pg_proc'::regclass AND b.objid = p.oid)
UNION ALL
SELECT 'event trigger', evtname FROM pg_event_trigger
UNION ALL
SELECT 'inheriting table', c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_class p ON p.oid = i.inhparent WHERE p.relnamespace IN (SELECT oid FROM ours)
"""


def find_object_faults(connection: Connection, metadata: MetaData) -> Iterator[JournalFault]:
    """Yield every foreign object, and every table and index of ours that is missing."""
    dialect = Dialect.of(connection)
    query = dialect.choose(sqlite=_SQLITE_OBJECTS, postgresql=_POSTGRESQL_OBJECTS)
    present = {(kind, name) for kind, name in fetch_rows(connection, query)}
    expected = _list_declared(metadata)
    allowed = expected | {("table", _MIGRATIONS)}
    if not dialect.is_sqlite:
        allowed |= _constraints(metadata)
    for kind, name in sorted(present - allowed):
        yield JournalFault(0, FOREIGN_OBJECT, f"{kind} {name} is no part of this store")
    for kind, name in sorted(expected - present):
        yield JournalFault(0, MISSING_OBJECT, f"{kind} {name} is gone")


def _list_declared(metadata: MetaData) -> set[NamedObject]:
    tables = {("table", table.name) for table in metadata.tables.values()}
    return tables | {
        ("index", str(index.name)) for table in metadata.tables.values() for index in table.indexes
    }


def _constraints(metadata: MetaData) -> set[NamedObject]:
    """Return the indexes that PostgreSQL keeps for keys and unique constraints."""
    own = {("index", "alembic_version_pkc")}
    for table in metadata.tables.values():
        own.add(("index", f"{table.name}_pk"))
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                own.add(("index", str(constraint.name)))
                columns = "_".join(column.name for column in constraint.columns)
                own.add(("index", f"{table.name}_{columns}_uq"))
    return own


ALTERED_TABLE = "altered_table"
"""Rule of the faults."""
Structure = Mapping[str, object]
"""By part of a table, such as ``column name``."""
_FAMILIES = (Boolean, Integer, Numeric, LargeBinary, String)
_CLAUSES = re.compile(
    r"\b(CHECK|CONFLICT|COLLATE|REFERENCES|GENERATED|WITHOUT|STRICT)\b", re.IGNORECASE
)
"""Words of a table of SQLite that an inspection does not tell."""
_SQLITE_CLAUSES = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
_POSTGRESQL_CLAUSES = """
SELECT relname, relpersistence <> 'p', relrowsecurity OR relforcerowsecurity FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
"""


def find_structure_faults(connection: Connection, metadata: MetaData) -> Iterator[JournalFault]:
    """Yield every part of a table that is not as declared; tables that are gone are passed over."""
    present = _inspect_tables(connection, metadata.tables)
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        if table.name not in present:
            continue
        found, declared = present[table.name], _describe_table(connection, table)
        for part in sorted(found.keys() | declared.keys()):
            is_index = part.startswith("index ")  # one too many or too few is a fault of its own
            if is_index and not (part in found and part in declared):
                continue
            if found.get(part) != declared.get(part):
                yield JournalFault(
                    0, ALTERED_TABLE, f"{table.name}, {part}: not as declared", table.name
                )


def _inspect_tables(connection: Connection, declared: Collection[str]) -> Mapping[str, Structure]:
    """Return the declared tables that are there, by name; PostgreSQL is asked once for all."""
    inspector = inspect(connection)
    names = [name for name in inspector.get_table_names() if name in declared]
    columns = inspector.get_multi_columns(filter_names=names)
    keys = inspector.get_multi_pk_constraint(filter_names=names)
    uniques = inspector.get_multi_unique_constraints(filter_names=names)
    indexes = inspector.get_multi_indexes(filter_names=names)
    foreign = inspector.get_multi_foreign_keys(filter_names=names)
    conditions = inspector.get_multi_check_constraints(filter_names=names)
    clauses = _clauses(connection)
    return {
        key[1]: {f"column {one['name']}": _column(dict(one)) for one in columns[key]}
        | {
            "primary key": tuple(keys[key]["constrained_columns"]),
            "unique": frozenset(tuple(one["column_names"]) for one in uniques[key]),
            "foreign keys": len(foreign[key]),
            "conditions": len(conditions[key]),
            "clauses": clauses[key[1]],
        }
        | {
            f"index {one['name']}": _index(dict(one))
            for one in indexes[key]
            if "duplicates_constraint" not in one
        }
        for key in columns
    }


def _describe_table(connection: Connection, table: Table) -> Structure:
    dialect = connection.dialect
    uniques = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    columns = {
        f"column {one.name}": _column(
            {
                "type": one.type.dialect_impl(dialect),
                "nullable": one.nullable,
                "default": getattr(one.server_default, "arg", None),
            }
        )
        for one in table.columns
    }
    written = _words(str(CreateTable(table).compile(dialect=dialect)))
    return columns | {
        "primary key": tuple(one.name for one in table.primary_key),
        "unique": frozenset(tuple(column.name for column in one.columns) for one in uniques),
        "foreign keys": 0,
        "conditions": 0,
        "clauses": written if Dialect.of(connection).is_sqlite else (False, False),
        **{
            f"index {one.name}": (
                tuple(column.name for column in one.columns),
                bool(one.unique),
                one.dialect_options[dialect.name]["where"] is not None,
            )
            for one in table.indexes
        },
    }


def _column(known: Mapping[str, Any]) -> object:
    family: TypeEngine[Any] = known["type"]
    return (
        next((one.__name__ for one in _FAMILIES if isinstance(family, one)), "other"),
        getattr(family, "length", None),
        getattr(family, "collation", None),
        known["nullable"],
        _default(known["default"]),
        any(known.get(name) is not None for name in ("computed", "identity")),
    )


def _default(value: object) -> str | None:
    """Return a default as both stores would spell it."""
    if value is None:
        return None
    bare = re.sub(r"::[\w ]+", "", str(value)).strip("()'")
    return {"false": "0", "true": "1"}.get(bare, bare)


def _index(known: Mapping[str, Any]) -> object:
    columns = tuple(known.get("expressions") or known["column_names"])
    options = known.get("dialect_options", {})
    return columns, bool(known["unique"]), any(name.endswith("_where") for name in options)


def _clauses(connection: Connection) -> Mapping[str, object]:
    if Dialect.of(connection).is_sqlite:
        return {name: _words(sql) for name, sql in fetch_rows(connection, _SQLITE_CLAUSES)}
    rows = fetch_rows(connection, _POSTGRESQL_CLAUSES)
    return {name: (bool(unlogged), bool(secured)) for name, unlogged, secured in rows}


def _words(sql: str) -> Counter[str]:
    return Counter(word.upper() for word in _CLAUSES.findall(sql))


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
