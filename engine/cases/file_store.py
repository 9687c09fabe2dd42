"""Files of cases in a home, each named by the SHA-256 of its content.

Assumes an atomic rename. A file is whole and on the disk before the record that holds its digest is
written, so a crash leaves at most a file that no record names, which the next sweep takes away. Who
places a file holds a shared lock until its record stands; a sweep holds it alone. What is being
received holds a lock of its own, so that a sweep tells it from what a killed process left.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp

from sqlalchemy import Connection

from engine.errors import BodyTooLargeError, HomeError
from engine.journal.journal import JournalReader
from engine.journal.kinds import CASE_EVENT
from engine.journal.payloads import COPIED
from engine.storage.database import Store
from engine.storage.home import Home

_LOCK, _RECEIVED = ".lock", ".received-"
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a record names."""

    seq: int
    digest: str
    size_bytes: int


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
            _to_disk(self._home.files)
            yield

    def close(self) -> None:
        """Let go of it, and of what was received where it was not placed."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def read_named_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that this home's own records name; those of copied records lie elsewhere."""
    for seq, body in JournalReader(connection).bodies_of(CASE_EVENT):
        event = body["event"]
        if event["kind"] == "file" and COPIED not in body:
            yield NamedFile(seq, str(event["digest"]), int(event["size_bytes"]))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    found = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def open_file(home: Home, digest: str) -> Path:
    """Return where a file lies; raises ``HomeError`` where it is gone or not what was recorded."""
    path = home.files / digest
    if path.is_symlink() or not path.is_file() or digest_of(path) != digest:
        raise HomeError("files", "a file is gone or not what was recorded: run darvoza verify")
    return path


def list_strays(home: Home, connection: Connection) -> list[Path]:
    """Return the files that no record names."""
    if not home.files.is_dir():
        return []
    lying = {path.name: path for path in home.files.iterdir() if not path.name.startswith(".")}
    for named in read_named_files(connection) if lying else ():
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
        gone += [one for one in home.files.glob(f"{_RECEIVED}*") if _is_abandoned(one)]
        for path in gone:
            path.unlink(missing_ok=True)
        _to_disk(home.files)
        return len(gone)
    return 0


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


def _to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
