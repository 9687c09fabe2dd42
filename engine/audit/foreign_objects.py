"""Foreign and missing objects of the database.

A trigger, a rule or a view changes rows without a record and without a statement of this program;
an index can call a function; without its unique index a name can be taken twice. Assumes that the
database holds this deployment alone; objects of PostgreSQL extensions are skipped.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, MetaData, UniqueConstraint

from engine.journal.entries import JournalFault
from engine.storage.database import fetch_rows
from engine.storage.dialect import Dialect

NamedObject = tuple[str, str]
"""(kind, name)."""
FOREIGN, MISSING = "foreign_object", "missing_object"
"""Rules of the faults."""
_MIGRATIONS = "alembic_version"

_SQLITE = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
_POSTGRESQL = """
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
    query = dialect.choose(sqlite=_SQLITE, postgresql=_POSTGRESQL)
    present = {(kind, name) for kind, name in fetch_rows(connection, query)}
    expected = _list_declared(metadata)
    allowed = expected | {("table", _MIGRATIONS)}
    if not dialect.is_sqlite:
        allowed |= _constraints(metadata)
    for kind, name in sorted(present - allowed):
        yield JournalFault(0, FOREIGN, f"{kind} {name} is no part of this store")
    for kind, name in sorted(expected - present):
        yield JournalFault(0, MISSING, f"{kind} {name} is gone")


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
