"""Structure of the store's tables, compared with the declarations in the code.

An altered column, key, default or index changes the effect of later statements without a record and
without a different row: a key that ignores case, an index that refuses a second row, a condition
that refuses a record. Names of objects are compared by :mod:`engine.audit.foreign_objects`. Types
are compared by family, because the two stores name them differently.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import (
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from engine.journal.entries import JournalFault
from engine.storage.database import fetch_rows
from engine.storage.dialect import Dialect

ALTERED = "altered_table"
"""Rule of the faults."""
Structure = Mapping[str, object]
"""By part of a table, such as ``column name``."""
_FAMILIES = (Boolean, Integer, Numeric, LargeBinary, String)
_CLAUSES = re.compile(
    r"\b(CHECK|CONFLICT|COLLATE|REFERENCES|GENERATED|WITHOUT|STRICT)\b", re.IGNORECASE
)
"""Words of a table of SQLite that an inspection does not tell."""
_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
_POSTGRESQL = """
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
                yield JournalFault(0, ALTERED, f"{table.name}, {part}: not as declared", table.name)


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
        return {name: _words(sql) for name, sql in fetch_rows(connection, _SQLITE)}
    rows = fetch_rows(connection, _POSTGRESQL)
    return {name: (bool(unlogged), bool(secured)) for name, unlogged, secured in rows}


def _words(sql: str) -> Counter[str]:
    return Counter(word.upper() for word in _CLAUSES.findall(sql))
