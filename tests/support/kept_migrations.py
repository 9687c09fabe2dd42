"""Migrates an empty SQLite store by the statements that the first one of this process came to.

Forty migrations take longer than most tests. A store that has a table already, any other version
and PostgreSQL are migrated step by step, as ever.
"""

from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from engine.domain.time_units import SystemClock

_SCHEMA = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_IDENTITY = "UPDATE journal_identity SET journal_id = lower(hex(randomblob(16))), created = ?"
_KEPT: list[tuple[str, tuple[Any, ...]]] = []
"""Statements with their values: the schema, then every row."""


def keep_migrations() -> None:
    """Migrate so for the life of this process."""
    patched, migrate = pytest.MonkeyPatch(), command.upgrade
    patched.setattr(command, "upgrade", lambda *asked: upgrade(migrate, *asked))


def upgrade(migrate: Callable[[Config, str], None], config: Config, revision: str) -> None:
    """Stand in for Alembic's command."""
    connection: Connection = config.attributes["connection"]
    is_lite = connection.dialect.name == "sqlite" and revision == "head"
    is_empty = is_lite and not connection.exec_driver_sql(_TABLES).all()
    if not (is_empty and _KEPT):
        migrate(config, revision)
        if is_empty:
            _KEPT.extend(_dump(connection))
        return
    for statement, values in _KEPT:
        connection.exec_driver_sql(statement, values)
    connection.exec_driver_sql(_IDENTITY, (SystemClock().now(),))


def _dump(connection: Connection) -> list[tuple[str, tuple[Any, ...]]]:
    found = [(str(sql), ()) for (sql,) in connection.exec_driver_sql(_SCHEMA)]
    for (name,) in connection.exec_driver_sql(_TABLES).all():
        for row in connection.exec_driver_sql(f"SELECT * FROM {name}"):  # noqa: S608
            places = ", ".join("?" * len(row))
            found.append((f"INSERT INTO {name} VALUES ({places})", tuple(row)))  # noqa: S608
    return found
