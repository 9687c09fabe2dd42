"""Differences of SQLite and PostgreSQL: the one place where code asks which of the two it is."""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Self, TypeVar

from sqlalchemy import Connection, String, Table
from sqlalchemy.engine import Dialect as Driver
from sqlalchemy.engine import make_url

Value = TypeVar("Value")


class Dialect(StrEnum):
    """The database behind a store, and its spelling of what the two spell differently."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"

    @classmethod
    def of(cls, connection: Connection) -> "Dialect":
        """Return the dialect of a connection."""
        return _NAMED[connection.dialect.name]

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Return the dialect of a SQLAlchemy URL; raises ``ValueError`` for any other database."""
        return cls(make_url(url).get_backend_name())

    @property
    def is_sqlite(self) -> bool:
        """Tell whether it is SQLite."""
        return self is Dialect.SQLITE

    def choose(self, *, sqlite: Value, postgresql: Value) -> Value:
        """Return the one of two values that belongs to this database."""
        return sqlite if self.is_sqlite else postgresql

    def spell(self, sql: str) -> str:
        """Return a statement with the driver's sign of a parameter in the place of each ``?``."""
        return sql if self.is_sqlite else _spell_postgresql(sql)

    def among(self, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        """Return a condition that a column is one of some values, and its parameters."""
        if self.is_sqlite:
            return f"IN ({', '.join('?' * len(values))})", values
        return "= ANY(?)", [list(values)]

    def insert(self, table: Table) -> str:
        """Return the insertion of one row with a value for every column in order."""
        return _insert(table, self)

    def insert_together(self, table: Table, rows: int) -> str:
        """Return the insertion of several rows in one statement.

        On SQLite a row that is refused fails the statement and leaves those before it, for the
        transaction to undo: to be able to undo a statement by itself costs more than the insertion.
        """
        return _insert_together(table, self, rows)

    def upsert(self, table: Table) -> str:
        """Return the same, replacing the row with the same value of the first column, the key."""
        first, *others = (column.name for column in table.columns)
        changed = ", ".join(f"{name} = excluded.{name}" for name in others)
        return f"{self.insert(table)} ON CONFLICT ({first}) DO UPDATE SET {changed}"

    def order_by(self, table: Table, name: str) -> str:
        """Return a column as a term of an order by bytes, the same on both."""
        is_text = isinstance(table.c[name].type, String)
        return f'"{name}" COLLATE "C"' if is_text and not self.is_sqlite else f'"{name}"'


_NAMED = {dialect.value: dialect for dialect in Dialect}


@lru_cache
def _spell_postgresql(sql: str) -> str:
    return sql.replace("?", "%s")


@lru_cache
def _insert(table: Table, dialect: Dialect) -> str:
    names = [f'"{column.name}"' for column in table.columns]  # one is a word of SQL
    signs = ", ".join("?" * len(names))
    return dialect.spell(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({signs})")  # noqa: S608


@lru_cache
def _insert_together(table: Table, dialect: Dialect, rows: int) -> str:
    head, values = _insert(table, dialect).split(" VALUES ")
    if dialect.is_sqlite:
        head = head.replace("INSERT", "INSERT OR FAIL", 1)
    return f"{head} VALUES {', '.join([values] * rows)}"


@lru_cache
def copy_from(table: Table, driver: Driver) -> tuple[str, Sequence[str]]:
    """Return the binary COPY of rows with a value for every column, and the columns' types."""
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    types = [str(column.type.compile(driver)).lower() for column in table.columns]
    spelled = ["float8" if name.startswith("float") else name for name in types]
    return f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)", spelled
