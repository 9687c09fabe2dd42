"""Check of the loaded history against the digests in the journal.

A load lies in files next to the store, and its digest in the journal. Features, training and
backtests read the files: a label changed there would change the next model. Assumes that the
journal itself was checked (:mod:`engine.audit.verification`).

A load is named by a record before its folder is in place, and by another once it counts. Where the
second is missing, the load was interrupted: that is reported as a note and not as a fault, because
only a process that can write to the journal can have put the folder there.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from engine.audit.file_anchors import (
    QUARANTINE_FILE,
    find_links,
    read_loads,
    read_quarantines,
    read_replaced_loads,
    read_withdrawn_loads,
)
from engine.journal.entries import JournalFault
from engine.journal.journal import JournalReader
from engine.journal.kinds import LOAD_BEGUN
from engine.storage.file_digests import file_digest
from engine.storage.home import Home
from features.history.tables import loads
from features.intake.atomic_writer import is_intact

RULE = "history"


def read_anchors(connection: Connection) -> dict[str, int]:
    """Return the digest of each load in the journal, with the number of the record it first has."""
    found: dict[str, int] = {}
    for seq, load in read_loads(connection):
        found.setdefault(load["digest"], seq)
    for digest, (seq, instead) in read_replaced_loads(connection).items():
        found.pop(digest, None)
        found[instead] = seq
    return found


def begun(connection: Connection) -> frozenset[str]:
    """Return the digests of the loads that were begun, finished or not."""
    return frozenset(body["digest"] for _, body in JournalReader(connection).bodies_of(LOAD_BEGUN))


def history_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each load that is gone or changed, and each that the journal does not know."""
    yield from find_links(home.history)
    known, started = read_anchors(connection), begun(connection)
    for digest, seq in known.items():
        if not is_intact(home, digest):
            yield JournalFault(seq, RULE, f"load {digest} is not on the disk as it was recorded")
    erased, withdrawn = read_replaced_loads(connection), read_withdrawn_loads(connection)
    for digest in loads(home):
        if digest in erased:
            why = (
                f"load {digest} was erased and is on the disk: darvoza erase finishes what it began"
            )
            yield JournalFault(erased[digest][0], RULE, why)
        elif digest in withdrawn.keys() - known.keys():
            why = f"load {digest} was withdrawn and is on the disk: darvoza load removes it first"
            yield JournalFault(withdrawn[digest], RULE, why)
        elif digest not in known and not (digest in started and is_intact(home, digest)):
            yield JournalFault(
                0, RULE, f"load {digest} is on the disk and in no record: load it again"
            )
    yield from _quarantine_faults(home, connection)


def _quarantine_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    for load, (seq, digest) in read_quarantines(connection).items():
        path = home.history / load / QUARANTINE_FILE
        if path.is_symlink():
            continue
        if not path.is_file():
            yield JournalFault(seq, "quarantine", f"load {load}: its {QUARANTINE_FILE} is gone")
        elif file_digest(path) != digest:
            yield JournalFault(seq, "quarantine", f"load {load}: its {QUARANTINE_FILE} was changed")


def history_notes(home: Home, connection: Connection) -> Iterator[str]:
    """Yield what is unfinished or not anchored, and is no fault."""
    known, started = read_anchors(connection), begun(connection)
    started -= read_withdrawn_loads(connection).keys()
    for digest in loads(home):
        if digest in started and digest not in known:
            yield f"load {digest}: not finished; load the same folder again, and it will count"
    if home.history.is_dir():
        for path in sorted(home.history.glob(".load-*")):
            yield f"{path.name}: left by a load that was stopped; the next load removes it"
