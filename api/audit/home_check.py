"""A whole home checked, and its tables made again from its journal: for commands alone.

A check covers the journal, receipts, projections, and the files that records name. It reads the
loaded history, for which a running service has no library.

A rebuild checks the journal first: tables made from records that were changed would hide the
change. It replays the records into a scratch store, and replaces the live tables by the result
under the writer's lock, in one transaction: a crash leaves the old tables or the new ones. Secrets
that no record holds stay if they fit their commitment; the others are dropped, and a record names
them. A store whose pages are damaged is not written to: what can be read of it is copied into a new
store, and the tables are made again there.

A rebuild assumes that no service runs on the store, because a service remembers parts of the
tables. If anything was recorded between the replay and the lock, nothing is replaced.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Table, delete, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from api.audit.home_verification import (
    BEHIND,
    PACKED,
    ProjectionCheck,
    bound_faults,
    version_faults,
)
from api.auth.tables import Row, StoredSecrets, revoked_rows
from api.service.assembly import projections
from engine.audit.erasures import lock_loads
from engine.audit.file_anchors import (
    find_network_faults,
    note_network,
    read_declared_networks,
    read_load_anchors,
    read_network_in_force,
)
from engine.audit.projection_replay import Comparison, Replay, find_type_faults, open_scratch_store
from engine.audit.store_check import (
    FOREIGN_OBJECT,
    find_damage,
    find_object_faults,
    find_structure_faults,
    is_damaged,
    note_journal,
    note_unchecked,
    verify_store,
)
from engine.audit.verification import Verdict, verify_snapshot
from engine.domain.network import Network
from engine.errors import DamagedStoreError, HomeError, InputError, RiskError
from engine.journal.areas import HomeCheck, check_areas, list_declared_tables
from engine.journal.entries import JournalFault
from engine.journal.journal import BODIES, IDENTITY, JOURNAL, Journal
from engine.journal.kinds import SECRETS_DROPPED
from engine.journal.receipts import KEY_FILE, Receipt, public_key_of
from engine.storage.database import Store, insert_rows, read_any_text
from engine.storage.dialect import Dialect
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.intake.stored_loads import (
    RULE,
    find_history_faults,
    list_history_notes,
)
from features.online.backfill import Recount
from features.online.counter_log import void_log
from features.online.counter_store import COUNTERS
from models.lifecycle.states import bundle_faults, registered_bundles


@dataclass(frozen=True, slots=True)
class HomeVerdict:
    """What a check of a home found."""

    journal: Verdict
    found: int
    """Faults in all, the journal's among them."""
    faults: tuple[JournalFault, ...]
    """The journal's first, then those of files and of projections."""
    notes: tuple[str, ...]
    """What is unfinished or not anchored, and is no fault."""
    tables: dict[str, int]
    """Rows compared, by table."""
    loads: int
    bundles: int
    files: int = 0
    """Files of cases, each content once."""
    witnessed: int = 0
    """Heads that the other side of a link holds."""

    @property
    def ok(self) -> bool:
        """Tell whether all stands as it was recorded."""
        return self.found == 0


def check_home(
    home: Home, store: Store, receipts: Iterable[Receipt] = (), *, witness: Path | None = None
) -> HomeVerdict:
    """Check everything in one snapshot of the store, and what the file of a witness holds."""
    held = list(receipts)
    key = home_key(home, is_owed=bool(held))
    declared = list_declared_tables()
    with store.read() as connection, read_any_text(connection):
        verdict = verify_store(connection, declared, held, public_key=key)
        if is_damaged(verdict):
            return _stop(verdict, note_journal(verdict))
        found, faults = bound_faults(find_type_faults(connection, declared))
        if found:
            return _stop(verdict, "mend these faults first", found, faults)
        files = list(_file_faults(home, connection))
        projected, recount = open_check(home, connection, files)
        areas = check_areas(HomeCheck(home, store, connection, witness))
        of_areas = chain.from_iterable(one.faults for one in areas)
        found, faults = bound_faults(chain(of_areas, files, projected.faults()))
        notes = [*projected.notes, *recount.notes, *_notes(home, connection)]
        notes += chain.from_iterable(one.notes for one in areas)
        counts = {name: count for one in areas for name, count in one.counts.items()}
        return HomeVerdict(
            journal=verdict,
            found=verdict.found + found,
            faults=(*verdict.faults, *faults),
            notes=tuple(notes),
            tables=projected.tables,
            loads=len(read_load_anchors(connection)),
            bundles=len(registered_bundles(connection)),
            **counts,
        )


def _stop(
    verdict: Verdict, note: str, found: int = 0, faults: tuple[JournalFault, ...] = ()
) -> HomeVerdict:
    """Return what was found where nothing else can be read from the tables."""
    return HomeVerdict(
        journal=verdict,
        found=verdict.found + found,
        faults=(*verdict.faults, *faults),
        notes=(f"tables and files were not compared: {note}",),
        tables={},
        loads=0,
        bundles=0,
    )


def home_key(home: Home, *, is_owed: bool = False) -> Ed25519PublicKey | None:
    """Return what checks signatures; raises ``HomeError`` where receipts need it and it is gone."""
    return public_key_of(home) if is_owed or (home.keys / KEY_FILE).exists() else None


def _read_network(home: Home, connection: Connection) -> Network:
    """Return the network in force; a file that cannot be read stops no check."""
    try:
        return read_network_in_force(home, connection)
    except RiskError:
        return Network()


def open_check(
    home: Home, connection: Connection, files: Iterable[JournalFault] | None = None
) -> tuple[ProjectionCheck, Recount]:
    """Return the check of every projection, and what counts the loaded history again for it.

    ``files`` are the faults of the home's files, where they are known already.
    """
    found = _file_faults(home, connection) if files is None else files
    plan, network = current_plan(), _read_network(home, connection)
    recount = Recount(home, connection, plan)
    recount.is_readable = all(fault.rule != RULE for fault in found)
    own = projections(plan, network)
    return ProjectionCheck(connection, network, own, history=recount, fill=recount.fill), recount


def _file_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield what differs of the network file, the loaded history and the bundles."""
    yield from find_network_faults(home)
    yield from find_history_faults(home, connection)
    yield from bundle_faults(home, connection)


def _notes(home: Home, connection: Connection) -> Iterator[str]:
    yield from note_unchecked(connection)
    yield from list_history_notes(home, connection)
    if note := note_network(home, connection):
        yield note
    if home.network.exists() and not read_declared_networks(connection):
        yield f"{home.network.name}: not anchored; the next start of the service does it"


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
    with lock_loads(home), open_scratch_store() as replayed:
        with store.read() as live, read_any_text(live):
            _refuse_faults(home, live)
            checked, recount = open_check(home, live)
            secrets = StoredSecrets(live)
            secrets.acknowledge()
            replay = checked.replay(secrets.restorers())
            _refuse(list(replay.advance(live, replayed)))
            tables = checked.filled(replayed, replay)
        dropped = sorted(secrets.dropped - revoked_rows(replayed))
        with store.write() as live:
            if Journal(store).head(live).seq != replay.seq:
                raise HomeError(home.root.name, _MEANWHILE)
            counts = {t.name: _replace(live, replayed, t, replay=replay) for t in tables}
            if COUNTERS.name in counts:
                void_log(live)
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
        lost = [
            why
            for table in list_declared_tables().sorted_tables
            for why in _copy(live, target, table)
        ]
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
            typed = text(query).columns(*table.columns)
            rows = live.execute(typed, execution_options={"yield_per": _AT_ONCE})
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
    if any(find_damage(live, list_declared_tables())):
        raise HomeError("store", "pages of it are damaged: darvoza rebuild --into makes a new one")
    _refuse(verify_snapshot(live, public_key=home_key(home)).faults)
    tables = list_declared_tables()
    _refuse([fault for fault in find_object_faults(live, tables) if fault.rule == FOREIGN_OBJECT])
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
