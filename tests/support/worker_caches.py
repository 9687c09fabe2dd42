"""Work that each test would do again, done once in the life of a test process, or not at all.

A command of the command line and the text of a statement are the same for all tests: to make them
takes longer than most tests. Nothing that a test may change is kept.
"""

import os
from collections.abc import Callable, Collection
from functools import cache
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.util import LRUCache

from engine.journal.areas import list_declared_tables

STATEMENTS = 5_000
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid"


class DialectCache(LRUCache[Any, Any]):
    """Compiled statements of every engine of one dialect: each engine has a dialect object."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a statement by what it says, whichever engine compiled it."""
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep a statement."""
        super().__setitem__(key[1:], value)


def keep_work() -> None:
    """Keep commands and statements for the life of this process."""
    patched = pytest.MonkeyPatch()
    _keep_commands(patched)
    _keep_statements(patched)
    _keep_structures(patched)
    _flush_nothing(patched)


def _keep_commands(patched: pytest.MonkeyPatch) -> None:
    make: Any = cache(import_module("typer.main").get_command)
    patched.setattr("typer.main.get_command", make)
    patched.setattr("typer.testing._get_command", make)


def _keep_statements(patched: pytest.MonkeyPatch) -> None:
    known = dict[str, DialectCache]()
    create: Callable[..., Engine] = import_module("sqlalchemy").create_engine

    def create_engine(*given: Any, **named: Any) -> Engine:
        made = create(*given, **named)
        name = made.dialect.name
        made._compiled_cache = known.setdefault(name, DialectCache(STATEMENTS))
        return made

    for module in ("engine.storage.database", "engine.audit.projection_replay"):
        patched.setattr(f"{module}.create_engine", create_engine)


def _keep_structures(patched: pytest.MonkeyPatch) -> None:
    """Describe tables of SQLite once: they are what the statements that made them say.

    The empty tables of a replay are made by the statements of the first one.
    """
    structure: Any = import_module("engine.audit.store_check")
    inspect, describe = structure._inspect_tables, structure._describe_table
    known, described = dict[Any, Any](), dict[tuple[Table, str], Any]()

    def inspect_tables(connection: Connection, declared: Collection[str]) -> Any:
        if connection.dialect.name != "sqlite":
            return inspect(connection, declared)
        key = tuple(map(tuple, connection.exec_driver_sql(_SCHEMA))), frozenset(declared)
        if key not in known:
            known[key] = inspect(connection, declared)
        return known[key]

    def describe_table(connection: Connection, table: Table) -> Any:
        key = table, connection.dialect.name
        if key not in described:
            described[key] = describe(connection, table)
        return described[key]

    patched.setattr(structure, "_inspect_tables", inspect_tables)
    patched.setattr(structure, "_describe_table", describe_table)
    tables = _ReplayTables()
    patched.setattr("engine.audit.projection_replay.list_declared_tables", lambda: tables)


class _ReplayTables:
    """Stands in for the declarations of tables where a replay makes all of them."""

    def __init__(self) -> None:
        self._statements: list[str] = []

    def create_all(self, connection: Connection) -> None:
        """Make every table."""
        if not self._statements:
            list_declared_tables().create_all(connection)
            found = connection.exec_driver_sql(_SCHEMA)
            self._statements = [sql for *_, sql in found if sql is not None]
            return
        for statement in self._statements:
            connection.exec_driver_sql(statement)


FLUSHING: set[str] = set()
"""Names a test file while it wants SQLite to flush every commit, as the product does."""


def _flush_nothing(patched: pytest.MonkeyPatch) -> None:
    """Leave flushes to the system: no test cuts the power, and a kill loses nothing.

    To wait for the disk takes longer than most of what is recorded. Processes that tests start
    flush as ever.
    """
    database: Any = import_module("engine.storage.database")
    prepare = database._prepare_sqlite

    def prepare_quickly(raw: Any, record: object, *, cache_kb: int) -> None:
        prepare(raw, record, cache_kb=cache_kb)
        if not FLUSHING:
            raw.execute("PRAGMA synchronous = OFF")

    flush = os.fsync

    def flush_where_asked(file: Any) -> None:
        if FLUSHING:
            flush(file)

    patched.setattr(database, "_prepare_sqlite", prepare_quickly)
    patched.setattr(os, "fsync", flush_where_asked)
