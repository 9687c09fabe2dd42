"""Files of cases in a home, each named by the SHA-256 of its content.

Assumes an atomic rename. A file is whole and on the disk before the record that holds its digest is
written, so a crash leaves at most a file that no record names, which the next sweep takes away. Who
places a file holds a shared lock until its record stands; a sweep holds it alone. What is being
received holds a lock of its own, so that a sweep tells it from what a killed process left.

Files that another installation's records name arrive over links, in parts and later than the
records (:mod:`engine.cases.travelling_files`): one that is not here is no fault, one that is here
is checked as any other.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from sqlalchemy import Connection, select

from engine.cases.area import CASE_EVENT
from engine.domain.records import HEX_32
from engine.errors import BodyTooLargeError, HomeError
from engine.journal.journal import JournalReader
from engine.journal.payloads import COPIED
from engine.links.ledger import ENVELOPES
from engine.storage.database import Store
from engine.storage.durable_files import flush_to_disk
from engine.storage.file_digests import file_digest
from engine.storage.home import Home

_LOCK, _RECEIVED = ".lock", ".received-"
PARTIAL, FAILED = ".part-", ".failed-"
"""Before the digest: what has arrived of a file, and a byte for each time it arrived otherwise."""
_DIGEST = re.compile(HEX_32)
_E = ENVELOPES.c


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a record names."""

    seq: int
    digest: str
    size_bytes: int
    media_type: str


class ReceivedFile:
    """A file that is being received; nothing of it is kept where it is not placed."""

    def __init__(self, home: Home, *, largest: int) -> None:
        self._home, self._largest = home, largest
        home.files.mkdir(mode=0o700, exist_ok=True)
        with _locked(home, fcntl.LOCK_SH):
            handle, name = mkstemp(prefix=_RECEIVED, dir=home.files)
            fcntl.flock(handle, fcntl.LOCK_EX)
        self.path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._hash = sha256()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Take the next piece; raises ``BodyTooLargeError``."""
        self.size_bytes += len(piece)
        if self.size_bytes > self._largest:
            raise BodyTooLargeError(self._largest)
        self._hash.update(piece)
        self._file.write(piece)

    def finish(self) -> str:
        """Wait until all of it is on the disk, and return its SHA-256 in hex."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._hash.hexdigest()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Give the file its name, and keep sweeps away until its record stands."""
        with _locked(self._home, fcntl.LOCK_SH):
            self.path.rename(self._home.files / self.finish())
            flush_to_disk(self._home.files)
            yield

    def close(self) -> None:
        """Let go of it, and of what was received where it was not placed."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def place_file(home: Home, path: Path, digest: str) -> None:
    """Let a file that is whole take its name; a record names it already."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    with _locked(home, fcntl.LOCK_SH):
        path.rename(home.files / digest)
        flush_to_disk(home.files)


def read_named_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that this home's own records name."""
    for seq, body in JournalReader(connection).bodies_of(CASE_EVENT):
        if COPIED not in body and (named := read_file_event(seq, body)) is not None:
            yield named


def read_arrived_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that records of other installations name: copied events, offered cases."""
    for seq, body in JournalReader(connection).bodies_of(CASE_EVENT):
        if COPIED in body and (named := read_file_event(seq, body)) is not None:
            yield named
    offers = select(_E.seq).where(_E.kind == "case", _E.direction == "received")
    seqs = list(connection.scalars(offers.where(_E.status == "taken")))
    for seq, received in JournalReader(connection).bodies(seqs).items():
        yield from read_offered_files(seq, received)


def read_file_event(seq: int, body: Mapping[str, Any]) -> NamedFile | None:
    """Return the file that an event of a case names, None where it names none."""
    event = body.get("event", {})
    return _to_named(seq, event) if event.get("kind") == "file" else None


def read_offered_files(seq: int, body: Mapping[str, Any]) -> list[NamedFile]:
    """Return the files of a case that was offered over a link, by the record of its envelope."""
    found = (_to_named(seq, one) for one in body.get("body", {}).get("files", ()))
    return [one for one in found if one is not None]


def _to_named(seq: int, one: Mapping[str, Any]) -> NamedFile | None:
    """Return a named file; None where another installation's record has no digest there."""
    match dict(one):
        case {"digest": str() as digest, "size_bytes": int() as size, "media_type": str() as kind}:
            return NamedFile(seq, digest, size, kind) if _DIGEST.fullmatch(digest) else None
        case _:
            return None


def open_file(home: Home, digest: str) -> Path:
    """Return where a file lies; raises ``HomeError`` where it is gone or not what was recorded."""
    path = home.files / digest
    if path.is_symlink() or not path.is_file() or file_digest(path) != digest:
        raise HomeError("files", "a file is gone or not what was recorded: run darvoza verify")
    return path


def list_strays(home: Home, connection: Connection) -> list[Path]:
    """Return the files that no record names."""
    if not home.files.is_dir():
        return []
    lying = {path.name: path for path in home.files.iterdir() if not path.name.startswith(".")}
    for read in (read_named_files, read_arrived_files) if lying else ():
        for named in read(connection):
            lying.pop(named.digest, None)
    return sorted(lying.values())


def sweep_files(home: Home, store: Store, *, is_patient: bool = True) -> int:
    """Remove what no record names, erased content included, and return how many files that were.

    Without patience it leaves the work to a later sweep where a file is just being placed.
    """
    if not home.files.is_dir():
        return 0
    way = fcntl.LOCK_EX if is_patient else fcntl.LOCK_EX | fcntl.LOCK_NB
    with suppress(BlockingIOError), _locked(home, way):
        with store.read() as connection:
            gone = list_strays(home, connection)
            gone += _list_unwanted(home, connection)
        gone += [one for one in home.files.glob(f"{_RECEIVED}*") if _is_abandoned(one)]
        for path in gone:
            path.unlink(missing_ok=True)
        flush_to_disk(home.files)
        return len(gone)
    return 0


def _list_unwanted(home: Home, connection: Connection) -> list[Path]:
    """Return what has arrived of files that no record names any more, and marks of failures."""
    partial = {path.name.removeprefix(PARTIAL): path for path in home.files.glob(f"{PARTIAL}*")}
    for named in read_arrived_files(connection) if partial else ():
        partial.pop(named.digest, None)
    return [*partial.values(), *home.files.glob(f"{FAILED}*")]


def _is_abandoned(path: Path) -> bool:
    """Tell whether no process receives this file any more."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _locked(home: Home, way: int) -> Iterator[None]:
    with (home.files / _LOCK).open("a") as lock:
        fcntl.flock(lock, way)
        yield
