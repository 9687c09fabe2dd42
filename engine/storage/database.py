"""Access to the store on SQLite and PostgreSQL: snapshots for readers, one writer at a time.

A reader keeps one snapshot for as long as it reads. A writer locks the store against every other
process before its first statement. When ``write`` ends the commit is durable, assuming that the
disk keeps what it was asked to flush.
"""

import logging
import os
import re
import select
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Integer,
    MetaData,
    Table,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InvalidatePoolError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from engine.errors import DamagedStoreError, HomeError, StoreUnavailableError
from engine.storage.dialect import Dialect, copy_from
from engine.storage.statement_queue import StatementQueue, settle

_LOG = logging.getLogger("darvoza")
_LOG.addHandler(logging.NullHandler())  # a command says by itself what failed
Item = TypeVar("Item")
METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    }
)
"""Every layer declares its tables here; ``api.migrations`` creates them."""
Int64: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit integer on both stores; SQLite keeps a rowid only under the name INTEGER."""

PATIENCE_SECONDS = 5
"""How long a request waits for a lock or a connection before the store counts as unavailable."""
LOG_ROWS = 60_000
"""Changed rows after which SQLite's log is written back to its file: a page changed often goes
once."""
IDLE_SECONDS = 10.0
"""After how long a PostgreSQL connection that was not used may have been cut by the network."""
STALLED_SECONDS = 60
"""How long a writer may hold the lock without a word; a load thinks between two statements."""
PROBE_BYTES = 1 << 20
"""What a probe allocates: more than a batch of decisions adds to the store's log."""
FAILED_SECONDS = 10.0
"""How long a store counts as unavailable after a commit that failed and none that succeeded."""
LOG_SECONDS = 60.0
"""How often a store that stays unavailable is logged."""
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "DataCorrupted", "IndexCorrupted")
"""How names of errors begin that say that pages of the store hold what was not written there."""
_MEMORIES: "WeakKeyDictionary[Pool, dict[str, Any]]" = WeakKeyDictionary()
_STATEMENT_FAULTS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""Faults of a statement; every other driver error is a fault of the store."""
_UNDEFINED = ("UndefinedColumn", "UndefinedTable")
_LACKS = re.compile("^no such (?:column|table)|has no column named")
"""How PostgreSQL and SQLite say that the tables are not those that the program declares."""
_USED = "last used"
_ADVISORY_LOCK = int.from_bytes(b"darvoza")
_POSTGRES_LOCK = f"""
SELECT set_config('lock_timeout', '{PATIENCE_SECONDS}s', true),
       set_config('idle_in_transaction_session_timeout', '{STALLED_SECONDS}s', true),
       CASE WHEN current_setting('synchronous_commit') = 'off'
            THEN set_config('synchronous_commit', 'on', true) END,
       pg_advisory_xact_lock({_ADVISORY_LOCK})
"""
"""One statement, because each is a round trip on the way of every decision. A writer that stops
talking is cut off, so that it cannot keep the lock; a server set to answer before its log is
flushed is overruled, one set to do more than flush is left alone."""


def declare_columns(
    kind: type[TypeEngine[Any]] | TypeEngine[Any], *names: str
) -> list[Column[Any]]:
    """Return columns of one type that are never null."""
    return [Column(name, kind, nullable=False) for name in names]


def record_table(name: str, *items: SchemaItem) -> Table:
    """Return a table whose rows are numbered by the records of the journal they follow from."""
    return Table(
        name, METADATA, Column("seq", Int64, primary_key=True, autoincrement=False), *items
    )


class CommitUnknownError(StoreUnavailableError):
    """The store failed during a commit: it is unknown whether the batch was stored."""


class Store:
    """One database, identified by its URL."""

    def __init__(self, url: str) -> None:
        self.dialect = Dialect.of_url(url)
        is_sqlite = self.dialect.is_sqlite
        self._folder = Path(str(make_url(url).database)).parent if is_sqlite else None
        """Of SQLite's file, which this process must not open by itself: to close it again would end
        the locks that SQLite holds for the same process."""
        self._changed = 0
        """Rows since SQLite's log was last written back."""
        self._failed: tuple[float, str] | None = None
        """When and why a commit failed last, if none succeeded since."""
        self._damage = ""
        """The first damage that this process met."""
        self._logged = -LOG_SECONDS
        self.engine = _sqlite(url) if is_sqlite else _postgresql(url)
        self._lock = None if is_sqlite else _POSTGRES_LOCK
        more = _SNAPSHOT if is_sqlite else _SNAPSHOT | _POSTGRES_READ
        self._reading = self.engine.execution_options(**more)
        self._writing = self.engine.execution_options(
            **({"begin": "BEGIN IMMEDIATE"} if is_sqlite else _POSTGRES_WRITE)
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Hold one snapshot, fixed by its first statement; nothing written in it stays."""
        with self._log_failures(), _translate_errors(), self._reading.connect() as connection:
            connection.begin()
            yield connection
            if not self.dialect.is_sqlite:  # after a rollback the driver forgets what it prepared
                with suppress(DBAPIError):  # what was read was read
                    connection.commit()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Hold the store alone, from before the first statement until the durable commit.

        Raises ``StoreUnavailableError``, and then nothing was written, or its subclass
        ``CommitUnknownError``. Faults of a statement pass through; they undo everything too.
        """
        try:
            with self._log_failures(), self._locked() as connection:
                before = self._count_changes(connection)
                yield connection
                _settle(connection)
                with _translate_errors(CommitUnknownError):
                    connection.commit()
                self._changed += self._count_changes(connection) - before
        except StoreUnavailableError as error:
            self._failed = (time.monotonic(), error.why)
            raise
        self._failed = None
        if self._changed >= LOG_ROWS:
            with suppress(StoreUnavailableError):  # the next commit says so
                self._write_back()

    def _count_changes(self, connection: Connection) -> int:
        """Return the rows that a connection to SQLite changed since it was opened, else 0."""
        driver: Any = connection.connection.dbapi_connection
        return driver.total_changes if isinstance(driver, sqlite3.Connection) else 0

    def _write_back(self) -> None:
        """Write SQLite's log back to its file.

        Holds the store alone, because SQLite before 3.51.3 may lose a commit that begins the log
        again meanwhile.
        """
        with (
            _translate_errors(),
            self.engine.connect() as reader,  # first: the lock is held for the writing alone
            self._locked(),
            _raise_as_ours(reader),
        ):
            reader.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").close()
            self._changed = 0  # one that failed is tried again after the next commit

    @property
    def is_damaged(self) -> bool:
        """Tell whether this process met damage in the store."""
        return bool(self._damage)

    def probe(self) -> None:
        """Try to write, leaving nothing; raises ``StoreUnavailableError`` where it fails.

        It also fails for a while after a commit that did, and always once this process met damage:
        what it reads next may be wrong without an error. On SQLite it takes the lock and allocates
        disk space next to the store; on PostgreSQL it writes to the server's log.
        """
        if self._damage:
            raise DamagedStoreError(self._damage)
        failed = self._failed
        if failed is not None and time.monotonic() - failed[0] < FAILED_SECONDS:
            raise StoreUnavailableError(f"the last commit failed: {failed[1]}")
        with self._log_failures():
            with self._locked() as connection:
                if self._folder is None:
                    connection.exec_driver_sql(_POSTGRES_PROBE)
                    connection.commit()
            if self._folder is not None:
                _allocate(self._folder)

    @contextmanager
    def _log_failures(self) -> Iterator[None]:
        """Log that the store fails, now and then while it does; remember damage."""
        try:
            yield
        except StoreUnavailableError as error:
            is_damage = isinstance(error, DamagedStoreError)
            event = "store_damaged" if is_damage else "store_unavailable"
            now = time.monotonic()
            if now - self._logged >= LOG_SECONDS or (is_damage and not self._damage):
                self._logged = now
                _LOG.error(event, exc_info=error)
            if is_damage:
                self._damage = self._damage or error.why
            raise

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """Hold the store alone; what is not committed within the block is undone."""
        with _translate_errors(), self._writing.connect() as connection:
            connection.begin()
            if self._lock is None:
                yield connection
                return
            queue = _queue_of(connection)
            queue.begin()
            try:
                fetch_rows(connection, self._lock)
                yield connection
            finally:
                queue.end()

    def __enter__(self) -> Self:
        """Open a block at whose end every connection is closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.dispose()

    def dispose(self) -> None:
        """Close every connection: one that a thread still holds, when it gives it back."""
        left = self.engine.pool
        self.engine.dispose()
        event.listen(left, "checkin", _close)


def is_snapshot(connection: Connection) -> bool:
    """Tell whether a connection reads one snapshot, as :meth:`Store.read` has it, and nothing else.

    What a transaction that writes sees may be undone.
    """
    return bool(connection.get_execution_options().get("is_snapshot"))


@contextmanager
def read_any_text(connection: Connection) -> Iterator[None]:
    """Read text that is no UTF-8, which an edit may have left in SQLite, instead of failing on it.

    Its other bytes come as lone surrogates.
    """
    if not Dialect.of(connection).is_sqlite:
        yield
        return
    raw = _driver(connection)
    raw.text_factory = lambda found: found.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = str


def memory_of(connection: Connection) -> dict[str, Any]:
    """Return what this process remembers of the store behind a connection, by name.

    One dictionary for all connections of a store. What is in it outlives transactions: a caller
    that keeps anything there answers for its being true in each.
    """
    return _MEMORIES.setdefault(connection.engine.pool, {})


def fetch_rows(
    connection: Connection, sql: str, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Return the rows of a textual statement, executed on the driver without SQLAlchemy.

    For the few statements of every decision where SQLAlchemy takes longer than the store.
    ``?`` stands for a parameter on both stores.
    """
    dialect = Dialect.of(connection)
    rows: list[tuple[Any, ...]]
    try:
        if dialect.is_sqlite:
            rows = _driver(connection).execute(sql, parameters).fetchall()
        else:
            rows = _queue_of(connection).fetch(dialect.spell(sql), parameters)
    except connection.dialect.loaded_dbapi.Error as found:
        raise _wrap_driver_error(connection, found) from found
    return rows


def fetch_rows_among(
    connection: Connection, sql: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that ends with a column, restricted to these values."""
    condition, parameters = Dialect.of(connection).among(values)
    return fetch_rows(connection, f"{sql} {condition}", parameters)


def insert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[Sequence[object]],
    *,
    skips_known: bool = False,
) -> None:
    """Insert rows, each with a value for every column in order, on the driver itself.

    Where a row is refused the transaction must be undone: some may be inserted. ``skips_known``
    leaves a row as it is whose key is there already.
    """
    dialect = Dialect.of(connection)
    known = " ON CONFLICT DO NOTHING" if skips_known else ""
    if len(rows) >= _MANY and not dialect.is_sqlite and not skips_known:
        sql, types = copy_from(table, connection.dialect)
        with _raise_as_ours(connection):
            _queue_of(connection).copy(sql, types, rows)
        return
    together = max(1, _PARAMETERS // len(table.columns))
    whole = len(rows) // together * together
    starts = range(0, whole, together)
    joined = [list(chain.from_iterable(rows[at : at + together])) for at in starts]
    execute_many(connection, dialect.insert_together(table, together) + known, joined)
    execute_many(connection, dialect.insert(table) + known, rows[whole:])


_MANY = 256
"""Rows that PostgreSQL is given by a copy."""
_PARAMETERS = 50
"""Parameters of one insertion. The driver of PostgreSQL parses a longer one again each time."""


def take_statistics(connection: Connection, tables: Iterable[Table]) -> None:
    """Let PostgreSQL take new statistics of tables that were filled, before it plans on them.

    It would do so by itself within a minute, and until then plan as for what stood there before.
    """
    if not Dialect.of(connection).is_sqlite:
        names = ", ".join(table.name for table in tables)
        connection.exec_driver_sql(f"ANALYZE {names}")


@contextmanager
def indexes_apart(connection: Connection, table: Table) -> Iterator[None]:
    """Fill a table without its indexes, and make them of all its rows at the end, on SQLite.

    Rows that come in another order than an index has them change a page of it each; sorted at once
    they do not. PostgreSQL would keep every reader waiting for that long, and keeps its indexes.
    """
    indexes = sorted(table.indexes, key=str) if Dialect.of(connection).is_sqlite else []
    for index in indexes:
        index.drop(connection, checkfirst=True)
    yield
    for index in indexes:
        index.create(connection)


def upsert_rows(connection: Connection, table: Table, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows, or replace those with the same value of the first column, the key."""
    execute_many(connection, Dialect.of(connection).upsert(table), rows)


def execute_rows(
    connection: Connection, statement: Executable, rows: Sequence[Mapping[str, object]]
) -> None:
    """Execute a statement once for each row, and not at all without one."""
    if rows:
        connection.execute(statement, rows)


def execute_many(connection: Connection, sql: str, rows: Sequence[Sequence[object]]) -> None:
    """Execute a statement without a result once for each row, on the driver itself."""
    if not rows:
        return
    try:
        if Dialect.of(connection).is_sqlite:
            _driver(connection).executemany(sql, rows)
        else:
            _queue_of(connection).execute(sql, rows)
    except connection.dialect.loaded_dbapi.Error as found:
        raise _wrap_driver_error(connection, found) from found


def _driver(connection: Connection) -> Any:
    if not connection.in_transaction():
        connection.begin()  # as SQLAlchemy would: no statement commits by itself
    return connection.connection.dbapi_connection


def _queue_of(connection: Connection) -> StatementQueue:
    return StatementQueue.of(_driver(connection), connection.info)


def _settle(connection: Connection, *_: object) -> None:
    """Execute what waits on a connection."""
    with _raise_as_ours(connection):
        settle(connection.info)


@contextmanager
def _raise_as_ours(connection: Connection) -> Iterator[None]:
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as found:
        raise _wrap_driver_error(connection, found) from found


def _wrap_driver_error(connection: Connection, found: Exception) -> BaseException:
    """Return a driver's error as SQLAlchemy would have raised it."""
    dialect: Any = connection.dialect
    if dialect.is_disconnect(found, connection.connection.dbapi_connection, None):
        connection.invalidate(found)
    base = dialect.loaded_dbapi.Error
    result: BaseException = DBAPIError.instance(
        None, None, found, base, hide_parameters=True, dialect=dialect
    )
    return result


@contextmanager
def _translate_errors(error: type[StoreUnavailableError] = StoreUnavailableError) -> Iterator[None]:
    try:
        yield
    except DBAPIError as found:
        # The driver's message may quote values: the name of the error is enough.
        name = getattr(found.orig, "sqlite_errorname", type(found.orig).__name__)
        if name in _UNDEFINED or _LACKS.search(str(found.orig)):
            raise HomeError("the store", "its tables are of another version") from found
        if isinstance(found, _STATEMENT_FAULTS):
            raise
        if name.startswith(_DAMAGE) and error is StoreUnavailableError:
            error = DamagedStoreError
        raise error(name) from found
    except PoolTimeoutError as found:
        raise error("no free connection") from found


_POSTGRES_PROBE = """
WITH refused AS (UPDATE alembic_version SET version_num = version_num WHERE false RETURNING 1)
SELECT pg_logical_emit_message(true, 'darvoza', repeat('0', 65536))
"""
"""A server that only reads refuses the first part; the second writes to its log and no table."""


def _allocate(folder: Path) -> None:
    """Take and give back disk space; raises ``StoreUnavailableError`` where there is none."""
    try:
        with TemporaryFile(dir=folder, buffering=0) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, PROBE_BYTES)
            else:
                file.write(bytes(PROBE_BYTES))
    except OSError as error:
        raise StoreUnavailableError(f"the disk cannot be written to: {error.strerror}") from error


_SNAPSHOT: dict[str, Any] = {"is_snapshot": True}
_POSTGRES_READ: dict[str, Any] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}
_POSTGRES_WRITE: dict[str, Any] = {"isolation_level": "READ COMMITTED"}
"""Each statement sees the newest commit: the head is read after the lock, so it is the last one."""
_POOL: dict[str, Any] = {
    "pool_size": 16,
    "max_overflow": 24,  # a web server's worker has up to 40 threads
    "pool_timeout": PATIENCE_SECONDS,
    "pool_use_lifo": True,  # a few warm connections rather than many cold ones
}


def _postgresql(url: str) -> Engine:
    engine = create_engine(url, connect_args={"connect_timeout": PATIENCE_SECONDS}, **_POOL)
    event.listen(engine, "connect", _note_use)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_check_line, engine.dialect))
    # SQLAlchemy looks at every statement's answer at once.
    event.listen(engine, "before_cursor_execute", _settle)
    return engine


def _note_use(_raw: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _check_line(dialect: Any, raw: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Replace the connections of a server that was restarted, so that this costs no request.

    A server that ends a connection says so on the line. Only where something lies there, or the
    line was left alone for long, is the server asked, which takes a round trip.
    """
    if raw is None or not _may_be_lost(raw, time.monotonic() - record.info[_USED]):
        return
    try:
        dialect.do_ping(raw)
    except dialect.loaded_dbapi.Error as found:
        raise InvalidatePoolError from found


def _may_be_lost(raw: Any, idle_seconds: float) -> bool:
    if idle_seconds > IDLE_SECONDS:
        return True
    look = select.poll()
    look.register(raw.fileno(), select.POLLIN)
    return bool(look.poll(0))


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, poolclass=QueuePool, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(raw: sqlite3.Connection, _record: object) -> None:
    raw.isolation_level = None  # transactions begin where we say, not where the driver guesses
    raw.execute(f"PRAGMA busy_timeout = {PATIENCE_SECONDS * 1000}")
    if raw.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raw.close()  # the pool does not know this connection yet and would not close it
        raise StoreUnavailableError("SQLite cannot keep a write-ahead log here")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA wal_autocheckpoint = 0")  # the store does it, under its lock


def _close(raw: object, record: ConnectionPoolEntry) -> None:
    if raw is not None:
        record.invalidate()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def at_posts(
    column: ColumnElement[Any], post: str | None, hidden: Collection[str] = ()
) -> list[ColumnElement[bool]]:
    """Return the conditions for rows of a post, or of every post but hidden ones without it."""
    of_post = [] if post is None else [column == post]
    return [*of_post, column.not_in(hidden)] if hidden else of_post


def split_in_slices(seqs: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    """Yield a list in parts: a statement takes only so many parameters."""
    return (seqs[start : start + size] for start in range(0, len(seqs), size))
