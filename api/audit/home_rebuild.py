"""Every table of a home made again from its journal, in one transaction.

The journal is checked first: tables made from records that were changed would hide the change. Then
its records are replayed into a scratch store, and under the writer's lock the live tables are
replaced by what came out. A crash leaves the old tables or the new ones. Secrets that no record
holds stay where they fit their commitment; the others are dropped, and a record names them.

A store whose pages are damaged is not written to: what can be read of it is copied into a new
store, and the tables are made again there.

Assumes that no service runs on the store: it remembers parts of the tables. Where anything was
recorded between the replay and the lock, nothing is replaced.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, delete, func, inspect, select
from sqlalchemy.exc import DBAPIError

from api.audit.home_check import home_key, open_check
from api.audit.home_verification import BEHIND, PACKED, version_faults
from api.auth.stored_secrets import Row, StoredSecrets, revoked_rows
from engine.audit.foreign_objects import FOREIGN, find_object_faults
from engine.audit.projection_replay import Replay, open_scratch_store
from engine.audit.store_comparison import Comparison
from engine.audit.store_damage import find_damage
from engine.audit.table_structure import find_structure_faults
from engine.audit.verification import verify_snapshot
from engine.errors import DamagedStoreError, HomeError, InputError
from engine.journal.areas import list_declared_tables
from engine.journal.entries import JournalFault
from engine.journal.journal import BODIES, IDENTITY, JOURNAL, Journal
from engine.journal.kinds import SECRETS_DROPPED
from engine.queue.identifier_log import settle as settle_identifiers
from engine.queue.identifier_log import void as void_identifiers
from engine.storage.database import METADATA, Store, insert_rows, read_any_text
from engine.storage.dialect import Dialect
from engine.storage.home import Home
from features.intake.atomic_writer import exclusively
from features.online.counter_log.merge import void
from features.online.counter_store import COUNTERS

_AT_ONCE = 2_000
_MEANWHILE = "records were written meanwhile: stop the service and try again"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild replaced."""

    tables: dict[str, int]
    """Rows by table."""
    dropped: tuple[Row, ...]
    """Secrets that could not be kept: (table, key)."""
    notes: tuple[str, ...]


def rebuild_home(home: Home, store: Store) -> Rebuilt:
    """Replace every table that is derived from the journal.

    Raises HomeError where the journal does not stand as recorded or was written to meanwhile, and
    StoreUnavailableError where another process holds the store.
    """
    with exclusively(home), open_scratch_store() as replayed:
        with store.read() as live, read_any_text(live):
            _refuse_faults(home, live)
            checked, recount = open_check(home, live)
            secrets = StoredSecrets(live)
            secrets.acknowledge()
            replay = checked.replay(secrets.restorers())
            _refuse(list(replay.advance(live, replayed)))
            tables = checked.filled(replayed, replay)
            settle_identifiers(replayed)
        dropped = sorted(secrets.dropped - revoked_rows(replayed))
        with store.write() as live:
            if Journal(store).head(live).seq != replay.seq:
                raise HomeError(home.root.name, _MEANWHILE)
            counts = {t.name: _replace(live, replayed, t, replay=replay) for t in tables}
            if COUNTERS.name in counts:
                void(live)
            void_identifiers(live)
            _restore_indexes(live, tables)
    if dropped:
        rows = [{"table": table, "key": key} for table, key in dropped]
        Journal(store).append([SECRETS_DROPPED.draft("", {"rows": rows})])
    return Rebuilt(counts, tuple(dropped), (*checked.notes, *recount.notes))


def rebuild_into(home: Home, store: Store, made: Store) -> Rebuilt:
    """Copy what can be read of a store into an empty one, and make the tables again there.

    Raises HomeError where the journal cannot be read or does not stand as recorded, and InputError
    where the new store holds records.
    """
    with made.read() as target:
        if target.scalar(select(func.count()).select_from(JOURNAL)):
            raise InputError("--into", "the store holds records: name an empty one")
    with store.read() as live, read_any_text(live), made.write() as target:
        lost = [why for table in METADATA.sorted_tables for why in _copy(live, target, table)]
    rebuilt = rebuild_home(home, made)
    with store.read() as live, made.read() as target:
        if Journal(store).head(live).seq > Journal(made).head(target).seq:
            raise HomeError(home.root.name, _MEANWHILE)
    return replace(rebuilt, notes=(*lost, *rebuilt.notes))


def _copy(live: Connection, target: Connection, table: Table) -> Iterator[str]:
    """Copy the rows of a table; yield why, if only the first of them could be read."""
    target.execute(delete(table))
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    pages = " NOT INDEXED" if Dialect.of(live).is_sqlite else ""
    query = f"SELECT {names} FROM {table.name}{pages}"  # noqa: S608 - our own names
    count = 0
    try:
        with live.begin_nested():
            rows = live.exec_driver_sql(query, execution_options={"yield_per": _AT_ONCE})
            for part in rows.partitions():
                with target.begin_nested():
                    insert_rows(target, table, [tuple(row) for row in part])
                count += len(part)
    except (DBAPIError, UnicodeError) as error:
        why = f"{table.name}: only {count:,} rows could be read ({type(error).__name__})"
        if table in (JOURNAL, BODIES, IDENTITY):
            raise HomeError("journal", f"{why}; restore the last backup that verifies") from error
        yield why


def _refuse_faults(home: Home, live: Connection) -> None:
    """Refuse to make tables from a journal that was changed, or next to a foreign trigger.

    Rows are replaced and no table is: one that was altered is a person's to put right.
    """
    if any(find_damage(live, METADATA)):
        raise HomeError("store", "pages of it are damaged: darvoza rebuild --into makes a new one")
    _refuse(verify_snapshot(live, public_key=home_key(home)).faults)
    tables = list_declared_tables()
    _refuse([fault for fault in find_object_faults(live, tables) if fault.rule == FOREIGN])
    _refuse([*find_structure_faults(live, tables), *version_faults(live)])


def _refuse(faults: Sequence[JournalFault]) -> None:
    if faults:
        first = faults[0]
        why = f"record {first.seq}: {first.rule}: {first.message}; darvoza verify names the rest"
        raise HomeError("journal", why)


def _replace(live: Connection, replayed: Connection, table: Table, *, replay: Replay) -> int:
    """Replace the rows of a table; those that stand on erased records stay as they are."""
    kept = list(Comparison(live, replayed, replay.unread, _BEHIND, PACKED).kept(table))
    live.execute(delete(table))
    rows: Iterator[Sequence[object]] = iter(
        replayed.execute(select(table), execution_options={"yield_per": _AT_ONCE})
    )
    count = 0
    while chunk := [tuple(row) for row in islice(rows, _AT_ONCE)]:
        insert_rows(live, table, chunk)
        count += len(chunk)
    if kept:
        live.execute(table.insert(), kept)
    return count + len(kept)


def _read_or_leave(
    read: Callable[[Connection], Sequence[tuple[Any, ...]]], connection: Connection
) -> Sequence[tuple[Any, ...]]:
    """Return the rows that wait to be merged, none if they cannot be right."""
    try:
        return read(connection)
    except DamagedStoreError:
        return ()


_BEHIND = {name: partial(_read_or_leave, read) for name, read in BEHIND.items()}


def _restore_indexes(live: Connection, tables: Sequence[Table]) -> None:
    """Create indexes that are gone, the unique ones among them."""
    for table in tables:
        present = {one["name"] for one in inspect(live).get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in present:
                index.create(live)
