"""Files of cases in a home, each named by the SHA-256 of its content, and their way over links.

Assumes an atomic rename. A file is whole and on the disk before the record that holds its digest is
written, so a crash leaves at most a file that no record names, which the next sweep removes. The
process that places a file holds a shared lock until its record stands; a sweep holds the lock
alone. A file that is being received has a lock of its own, so that a sweep can tell it from the
remains of a killed process.

A file is awaited if a record that arrived over a link names it: an event that a post's node copied
here, or an offered case that was accepted here. It arrives in parts, later than its record. A part
is appended if it begins at the end of what is there, so that a transfer goes on after a crash. A
whole file takes its name once it has the digest, the size and the type that were named; until then
no reader, sweep or check counts it. A file that has not arrived is no fault; one that is here is
checked as any other.
"""

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from sqlalchemy import Connection, select

from engine.audit.file_anchors import find_symbolic_links
from engine.cases.area import CASE_EVENT
from engine.cases.case_ledger import CASE_EVENTS
from engine.cases.file_content import LARGEST_FILE, recognise
from engine.domain.records import HEX_32
from engine.errors import BodyTooLargeError, BusyError, HomeError, RecordError
from engine.journal.areas import Findings, HomeCheck
from engine.journal.copies import COPIES
from engine.journal.entries import JournalFault
from engine.journal.journal import JournalReader
from engine.journal.kinds import COPIED
from engine.links.ledger import ENVELOPES, Direction
from engine.links.messages import FILE, FilePart
from engine.links.requests import find_request
from engine.links.state import Link
from engine.storage.database import Store
from engine.storage.files import file_digest, flush_to_disk
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


CASE_FILE_RULE = "case_file"


def find_case_file_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
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
            yield JournalFault(named.seq, CASE_FILE_RULE, f"{name} is gone")
        elif path.stat().st_size != named.size_bytes or file_digest(path) != named.digest:
            yield JournalFault(
                named.seq, CASE_FILE_RULE, f"{name} is not the file that was recorded"
            )


def count_case_files(connection: Connection) -> int:
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
    """Return what is to be said of the files of cases in a home."""
    home, connection = check.home, check.connection
    return Findings(
        find_case_file_faults(home, connection),
        chain(note_stray_files(home, connection), note_awaited_files(home, connection)),
        {"case_files": count_case_files(connection)},
    )


MOST_FAILURES = 3
"""Times that a file arrived otherwise than named, after which it is not asked for until the service
starts again."""
_NEWEST = 2_000
"""Files of a node's cases that are looked through at its centre, and offers of a partner."""
_SENT, _EVENTS = ENVELOPES.c, CASE_EVENTS.c


def list_travelling(
    connection: Connection, link: Link, direction: Direction, *, now: int
) -> list[NamedFile]:
    """Return the files that may travel over a link in a direction, in the order of their records.

    From a post's node to its centre all of the node's cases, between partners those of offered
    cases from when the offer was accepted until the case was returned. ``now`` is in UTC
    microseconds.
    """
    if link.agreement.kind == "post":
        is_upwards = (link.us.role == "node") == (direction == "sent")
        return _list_node_files(connection, link, direction) if is_upwards else []
    query = select(_SENT.seq).where(
        _SENT.link == link.name, _SENT.kind == "case", _SENT.status == "taken"
    )
    query = query.where(_SENT.direction == direction).order_by(_SENT.seq.desc()).limit(_NEWEST)
    bodies = JournalReader(connection).bodies(list(connection.scalars(query)))
    return [
        file
        for seq, body in sorted(bodies.items())
        if (files := read_offered_files(seq, body))
        and _is_accepted(connection, link, body["body"]["case"], now=now)
        for file in files
    ]


def _list_node_files(connection: Connection, link: Link, direction: Direction) -> list[NamedFile]:
    copied = select(COPIES.c.seq).where(COPIES.c.seq == _EVENTS.seq)
    query = (
        select(_EVENTS.seq)
        .where(_EVENTS.kind == "file")
        .order_by(_EVENTS.seq.desc())
        .limit(_NEWEST)
    )
    if direction == "sent":
        query = query.where(~copied.exists())
    else:
        origin, them = COPIES.c.origin, link.them.identity.fingerprint
        query = query.where(copied.where(origin >= f"{them}:", origin < f"{them};").exists())
    bodies = JournalReader(connection).bodies(list(connection.scalars(query)))
    found = (read_file_event(seq, body) for seq, body in sorted(bodies.items()))
    return [one for one in found if one is not None]


def _is_accepted(connection: Connection, link: Link, case: str, *, now: int) -> bool:
    held = find_request(connection, case, link=link.name)
    return held.state(now) == "accepted"


def list_awaited(home: Home, files: Iterable[NamedFile]) -> Iterator[tuple[NamedFile, int]]:
    """Yield the files that are not here, each once, with how many bytes have arrived of it."""
    for named in {one.digest: one for one in files}.values():
        is_taken = 0 < named.size_bytes <= LARGEST_FILE
        if is_taken and not (home.files / named.digest).exists() and not _has_failed(home, named):
            yield named, _count_bytes(name_partial(home, named.digest))


def name_partial(home: Home, digest: str) -> Path:
    """Return where a file lies until it is whole."""
    return home.files / f"{PARTIAL}{digest}"


def read_part(home: Home, named: NamedFile, *, offset: int, most: int) -> bytes:
    """Return a part of a file; none of one that is gone, or is not what was recorded."""
    path = home.files / named.digest
    if path.is_symlink() or not path.is_file() or path.stat().st_size != named.size_bytes:
        return b""
    if not offset and file_digest(path) != named.digest:
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(most)


def keep_part(
    home: Home, part: FilePart, content: bytes, *, awaited: Mapping[str, NamedFile]
) -> int:
    """Append a part that arrived, and let a file that is whole take its name.

    Returns how many bytes were new: none where the part does not begin at the end of what is here.
    Raises ``RecordError`` for a file that is not awaited, is longer than it was named, or whose
    content has another digest or type; nothing of it stays.
    """
    named = awaited.get(part.digest)
    if named is None or part.size_bytes != named.size_bytes:
        raise _refuse("not_awaited", "no record here names such a file")
    home.files.mkdir(mode=0o700, exist_ok=True)
    path = name_partial(home, part.digest)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        held = file.tell()
        if part.offset != held or _was_moved(path, held):
            return 0
        if held + len(content) > named.size_bytes:
            _fail(home, path, named)
            raise _refuse("too_large", f"is over {named.size_bytes} bytes")
        file.write(content)
        file.flush()
        if held + len(content) == named.size_bytes:
            _settle(home, path, named)
    return len(content)


def _was_moved(path: Path, held: int) -> bool:
    """Tell whether another process took the file away while this one waited for it."""
    return _count_bytes(path) != held


def _settle(home: Home, path: Path, named: NamedFile) -> None:
    if file_digest(path) != named.digest:
        _fail(home, path, named)
        raise _refuse("other_digest", "is not the content that its record names")
    try:
        if recognise(home, path) != named.media_type:
            raise _refuse("other_type", "is not of the type that its record names")
    except BusyError:  # it is asked for again
        path.unlink()
        raise _refuse("not_looked_into", "could not be looked into in time") from None
    except RecordError:
        _fail(home, path, named, times=MOST_FAILURES)
        raise
    place_file(home, path, named.digest)


def _refuse(rule: str, why: str) -> RecordError:
    return RecordError(FILE, "content", rule, why)


def _fail(home: Home, path: Path, named: NamedFile, *, times: int = 1) -> None:
    path.unlink(missing_ok=True)
    with (home.files / f"{FAILED}{named.digest}").open("ab") as mark:
        mark.write(b"x" * times)


def _has_failed(home: Home, named: NamedFile) -> bool:
    return _count_bytes(home.files / f"{FAILED}{named.digest}") >= MOST_FAILURES


def _count_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
