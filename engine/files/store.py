"""Files in a home, each named by the SHA-256 of its content.

Assumes an atomic rename. A file is whole and on the disk before the record that holds its digest is
written, so a crash leaves at most a file that no record names, which the next sweep removes. The
process that places a file holds a shared lock until its record stands; a sweep holds the lock
alone. A file that is being received has a lock of its own, so that a sweep can tell it from the
remains of a killed process.

Areas say which files their records name (``Area.files``). A file that another installation's record
names may be on its way (:mod:`engine.cases.files`): until it is whole no reader, sweep or check
counts it. A file that has not arrived is no fault; one that is here is checked as any other.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from sqlalchemy import Connection

from engine.audit.file_anchors import find_symbolic_links
from engine.domain.field_types import HEX_32
from engine.errors import BodyTooLargeError, HomeError
from engine.journal.areas import Findings, HomeCheck, load_areas, load_part
from engine.journal.entries import JournalFault
from engine.storage.database import Store
from engine.storage.home import Home, file_digest, flush_to_disk

_DIGEST = re.compile(HEX_32)
_LOCK, _RECEIVED = ".lock", ".received-"
PARTIAL, FAILED = ".part-", ".failed-"
"""Before the digest: what has arrived of a file, and a byte for each time it arrived otherwise."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a record names."""

    seq: int
    digest: str
    size_bytes: int
    media_type: str
    is_own: bool = True
    """False of a record of another installation, whose file may not have arrived."""


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


def to_named(seq: int, one: Mapping[str, Any], *, is_own: bool) -> NamedFile | None:
    """Return a named file; None where another installation's record has no digest there."""
    match dict(one):
        case {"digest": str() as digest, "size_bytes": int() as size, "media_type": str() as kind}:
            return NamedFile(seq, digest, size, kind, is_own) if _DIGEST.fullmatch(digest) else None
        case _:
            return None


def read_named_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that this home's own records name."""
    return (one for one in _read_every(connection) if one.is_own)


def read_arrived_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that records of other installations name: copied events, offered cases."""
    return (one for one in _read_every(connection) if not one.is_own)


def _read_every(connection: Connection) -> Iterator[NamedFile]:
    for area in load_areas():
        if area.files:
            yield from load_part(area.files)(connection)


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


FILE_RULE = "file"


def find_file_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each file that is gone, changed or reached by a link.

    One that another installation's record names may still be on its way: it is checked once here.
    """
    yield from find_symbolic_links(home.files)
    arrived = (one for one in read_arrived_files(connection) if (home.files / one.digest).exists())
    for named in chain(read_named_files(connection), arrived):
        path, name = home.files / named.digest, f"file {named.digest[:16]}"
        if path.is_symlink():
            continue  # named as a link
        if not path.is_file():
            yield JournalFault(named.seq, FILE_RULE, f"{name} is gone")
        elif path.stat().st_size != named.size_bytes or file_digest(path) != named.digest:
            yield JournalFault(named.seq, FILE_RULE, f"{name} is not the file that was recorded")


def count_files(connection: Connection) -> int:
    """Return how many files the records name, each content once."""
    return len({named.digest for named in read_named_files(connection)})


def note_awaited_files(home: Home, connection: Connection) -> Iterator[str]:
    """Yield a note where files that other installations named are not here."""
    lacking = {
        one.digest
        for one in read_arrived_files(connection)
        if not (home.files / one.digest).exists()
    }
    if lacking:
        yield f"files: {len(lacking)} of other installations that have not arrived here"


def note_stray_files(home: Home, connection: Connection) -> Iterator[str]:
    """Yield a note where files lie that no record names, as a crash leaves them."""
    strays = list_strays(home, connection)
    if strays:
        yield f"files: {len(strays)} that no record names; the next start of the service takes them"


def check_files(check: HomeCheck) -> Findings:
    """Return what is to be said of the files in a home."""
    home, connection = check.home, check.connection
    return Findings(
        find_file_faults(home, connection),
        chain(note_stray_files(home, connection), note_awaited_files(home, connection)),
        {"files": count_files(connection)},
    )
