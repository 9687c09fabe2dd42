"""One read-only SQL statement over the tables of a home, by DuckDB.

The statement sees the tables of :class:`HomeHistory` and nothing else: no file, no network, no
other database, no setting.
"""

import re
from dataclasses import dataclass
from typing import Any

import duckdb

from engine.errors import InputError
from experiments.analysis.home_history import NAMES, HomeHistory


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Columns and rows of an answer, and the tables that the statement read."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    tables: tuple[str, ...]


def run_query(query: str, history: HomeHistory) -> QueryResult:
    """Run one SELECT statement.

    Raises
    ------
    InputError
        Not one statement, one that is no SELECT, or one that DuckDB refuses.

    """
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        try:
            used = _list_tables(connection, query)
            for name, table in history.tables(used).items():
                connection.from_arrow(table).create(name)
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            answer = connection.execute(query)
            columns = tuple(one[0] for one in answer.description or ())
            return QueryResult(columns, answer.fetchall(), used)
        except duckdb.Error as error:
            raise InputError("query", str(error)) from error


def _list_tables(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[str, ...]:
    """Return the tables whose names stand in a statement; refuse what is not one SELECT."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError("query", "one SELECT statement, nothing else")
    words = set(re.findall(r"\w+", query.lower()))
    return tuple(name for name in NAMES if name in words)
