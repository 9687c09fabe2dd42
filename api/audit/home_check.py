"""A whole home checked: journal, receipts, projections, and the files that records name.

For commands alone: it reads the loaded history, for which a running service has no library.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from api.audit.home_verification import ProjectionCheck, bound_faults
from api.service.assembly import open_network, projections
from engine.audit.file_anchors import find_network_faults, read_declared_networks
from engine.audit.store_comparison import find_type_faults
from engine.audit.store_damage import (
    is_damaged,
    note_journal,
    note_unchecked,
    verify_store,
)
from engine.audit.verification import Verdict
from engine.domain.network import Network
from engine.errors import RiskError
from engine.journal.areas import HomeCheck, check_areas, list_declared_tables
from engine.journal.entries import JournalFault
from engine.journal.receipts import KEY_FILE, Receipt, public_key_of
from engine.storage.database import Store, read_any_text
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.online.counter_recount import Recount
from features.online.history_anchor import RULE, history_faults, history_notes, read_anchors
from models.lifecycle.bundle_check import bundle_faults, registered_bundles


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
    case_files: int = 0
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
            loads=len(read_anchors(connection)),
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


def _read_network(home: Home) -> Network:
    """Return the network of the file; one that cannot be read is a fault and stops no check."""
    try:
        return open_network(home)
    except RiskError:
        return Network()


def open_check(
    home: Home, connection: Connection, files: Iterable[JournalFault] | None = None
) -> tuple[ProjectionCheck, Recount]:
    """Return the check of every projection, and what counts the loaded history again for it.

    ``files`` are the faults of the home's files, where they are known already.
    """
    found = _file_faults(home, connection) if files is None else files
    plan, network = current_plan(), _read_network(home)
    recount = Recount(home, connection, plan)
    recount.is_readable = all(fault.rule != RULE for fault in found)
    own = projections(plan, network)
    return ProjectionCheck(connection, network, own, history=recount, fill=recount.fill), recount


def _file_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield what differs of the network file, the loaded history and the bundles."""
    yield from find_network_faults(home, connection)
    yield from history_faults(home, connection)
    yield from bundle_faults(home, connection)


def _notes(home: Home, connection: Connection) -> Iterator[str]:
    yield from note_unchecked(connection)
    yield from history_notes(home, connection)
    if home.network.exists() and not read_declared_networks(connection):
        yield f"{home.network.name}: not anchored; the next start of the service does it"
