"""Files of cases and vehicles on their way over links.

A file is awaited if a record that arrived over a link names it: one that a post's node copied here,
or an offered case that was accepted here. It arrives in parts, later than its record. A part is
appended if it begins at the end of what is there, so that a transfer goes on after a crash. A whole
file takes its name once it has the digest, the size and the type that were named.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from engine.cases.area import CASE_EVENT
from engine.cases.case_ledger import CASE_EVENTS
from engine.errors import BusyError, RecordError
from engine.files.content import LARGEST_FILE, recognise
from engine.files.store import FAILED, PARTIAL, NamedFile, place_file, to_named
from engine.journal.copies import COPIES
from engine.journal.journal import JournalReader
from engine.journal.kinds import COPIED
from engine.links.ledger import ENVELOPES, Direction
from engine.links.messages import FILE, FilePart
from engine.links.requests import find_request
from engine.links.state import Link
from engine.storage.home import Home, file_digest
from engine.vehicle_files.ledger import VEHICLE_FILES

_E = ENVELOPES.c


def read_case_files(connection: Connection) -> Iterator[NamedFile]:
    """Yield the files that events of cases and offered cases name."""
    for seq, body in JournalReader(connection).bodies_of(CASE_EVENT):
        if (named := read_file_event(seq, body)) is not None:
            yield named
    offers = select(_E.seq).where(_E.kind == "case", _E.direction == "received")
    seqs = list(connection.scalars(offers.where(_E.status == "taken")))
    for seq, received in JournalReader(connection).bodies(seqs).items():
        yield from read_offered_files(seq, received)


def read_file_event(seq: int, body: Mapping[str, Any]) -> NamedFile | None:
    """Return the file that an event of a case names, None where it names none."""
    event = body.get("event", {})
    is_own = COPIED not in body
    return to_named(seq, event, is_own=is_own) if event.get("kind") == "file" else None


def read_offered_files(seq: int, body: Mapping[str, Any]) -> list[NamedFile]:
    """Return the files of a case that was offered over a link, by the record of its envelope."""
    found = (to_named(seq, one, is_own=False) for one in body.get("body", {}).get("files", ()))
    return [one for one in found if one is not None]


MOST_FAILURES = 3
"""Times that a file arrived otherwise than named, after which it is not asked for until the service
starts again."""
_NEWEST = 2_000
"""Files of a node that are looked through at its centre, and offers of a partner."""
_SENT, _EVENTS = ENVELOPES.c, CASE_EVENTS.c


def list_travelling(
    connection: Connection, link: Link, direction: Direction, *, now: int
) -> list[NamedFile]:
    """Return the files that may travel over a link in a direction, in the order of their records.

    From a post's node to its centre all of the node's cases and vehicles, between partners those of
    offered cases from when the offer was accepted until the case was returned. ``now`` is in UTC
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
    found: list[NamedFile | None] = []
    for table, where in ((CASE_EVENTS, [_EVENTS.kind == "file"]), (VEHICLE_FILES, [])):
        copied = select(COPIES.c.seq).where(COPIES.c.seq == table.c.seq)
        query = select(table.c.seq).where(*where).order_by(table.c.seq.desc()).limit(_NEWEST)
        if direction == "sent":
            query = query.where(~copied.exists())
        else:
            origin, them = COPIES.c.origin, link.them.identity.fingerprint
            query = query.where(copied.where(origin >= f"{them}:", origin < f"{them};").exists())
        bodies = JournalReader(connection).bodies(list(connection.scalars(query)))
        found += [
            to_named(seq, body.get("file") or body["event"], is_own=direction == "sent")
            for seq, body in bodies.items()
        ]
    return sorted((one for one in found if one is not None), key=lambda one: one.seq)


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
        if part.offset != held or _count_bytes(path) != held:
            return 0
        if held + len(content) > named.size_bytes:
            _fail(home, path, named)
            raise _refuse("too_large", f"is over {named.size_bytes} bytes")
        file.write(content)
        file.flush()
        if held + len(content) == named.size_bytes:
            _settle(home, path, named)
    return len(content)


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
