"""Statements on the driver of PostgreSQL: kept cursors, and insertions that wait for each other.

A record is some ten insertions. Inside a write they are kept until the next statement that has
rows, or until the write settles them, and go to the server together: it is waited for once. What is
wrong with one of them is raised there. Nothing lies half sent in between, so that a server that
hears nothing more knows that the writer stalls.
"""

from collections.abc import Iterable, MutableMapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a service on SQLite loads no driver of PostgreSQL
    from psycopg import Connection, Cursor, Pipeline

_NAME = "statement queue"
LARGE = 1_000
"""Rows from which on an answer is not kept with its cursor, and insertions wait for nothing."""

Parameters = Sequence[Sequence[object]]


class StatementQueue:
    """Of one connection of the driver."""

    def __init__(self, driver: "Connection[Any]") -> None:
        self._driver = driver
        self._is_writing = False
        self._waiting: list[tuple[str, Parameters]] = []
        self._line: Pipeline | None = None
        self._lines = ExitStack()
        self._reader: Cursor[Any] = driver.cursor(binary=True)
        self._writer: Cursor[Any] = driver.cursor(binary=True)

    @classmethod
    def of(cls, driver: Any, info: MutableMapping[Any, Any]) -> "StatementQueue":
        """Return that of a connection; ``info`` is what the pool keeps with the connection."""
        found: StatementQueue | None = info.get(_NAME)
        if found is None or found._driver is not driver:
            found = info[_NAME] = cls(driver)
        return found

    def begin(self) -> None:
        """Keep statements without rows from here on, until ``end``."""
        self._is_writing = True

    def end(self) -> None:
        """Let go what waits, and what is wrong with it: its transaction will be undone."""
        self._is_writing = False
        self._waiting.clear()
        with suppress(self._driver.Error):
            self.settle()

    def fetch(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; what waits goes with it, and so does the BEGIN."""
        if self._is_writing and (self._line is not None or self._waiting or self._is_idle()):
            line = self._open()
            self._send()
            self._reader.execute(sql, parameters)
            self._flush()
            line.sync()
        else:
            self._reader.execute(sql, parameters)
        rows = self._reader.fetchall()
        if len(rows) > LARGE:
            self._reader = self._driver.cursor(binary=True)
        return rows

    def execute(self, sql: str, rows: Parameters) -> None:
        """Execute a statement without rows once for each of its parameters."""
        if self._is_writing:
            self._waiting.append((sql, list(rows)))
            if len(rows) > LARGE:
                self.settle()
        else:
            self._execute(sql, rows)

    def copy(self, sql: str, types: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert rows by a binary COPY; ``types`` are those of its columns, by name."""
        self.settle()
        with self._driver.cursor().copy(sql) as target:
            target.set_types(types)
            for row in rows:
                target.write_row(row)

    def settle(self) -> None:
        """Execute what waits; raises what is wrong with the first statement that fails."""
        if self._waiting:
            self._open()
        self._line = None
        with self._lines.pop_all():
            self._send()

    def _flush(self) -> None:
        """Send all that was executed: the driver's ``sync`` waits for answers to what it has not.

        From some megabytes on, of one record or many, it would wait for good.
        """
        from psycopg.generators import send

        self._driver.wait(send(self._driver.pgconn))

    def _is_idle(self) -> bool:
        return not self._driver.pgconn.transaction_status

    def _open(self) -> "Pipeline":
        # Open until the write settles: to close it costs a round trip, and a server that was sent
        # what the driver sends last would not notice that the writer stalls.
        if self._line is None:
            self._line = self._lines.enter_context(self._driver.pipeline())
        return self._line

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sql, rows in waiting:
            self._execute(sql, rows)

    def _execute(self, sql: str, rows: Parameters) -> None:
        if len(rows) == 1:
            self._writer.execute(sql, rows[0], prepare=True)
        else:
            self._writer.executemany(sql, rows)


def settle(info: MutableMapping[Any, Any]) -> None:
    """Settle what waits on a connection, if anything does; ``info`` is as above."""
    found: StatementQueue | None = info.get(_NAME)
    if found is not None:
        found.settle()
