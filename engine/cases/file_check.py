"""Check of the files of cases on the disk against the records that name them."""

from collections.abc import Iterator
from itertools import chain

from sqlalchemy import Connection

from engine.audit.file_anchors import find_links
from engine.cases.file_store import list_strays, read_arrived_files, read_named_files
from engine.journal.areas import Findings, HomeCheck
from engine.journal.entries import JournalFault
from engine.storage.file_digests import file_digest
from engine.storage.home import Home

RULE = "case_file"


def find_case_file_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield each file that is gone, changed or reached by a link.

    One that another installation's record names may still be on its way: it is checked once here.
    """
    yield from find_links(home.files)
    arrived = (one for one in read_arrived_files(connection) if (home.files / one.digest).exists())
    for named in chain(read_named_files(connection), arrived):
        path, name = home.files / named.digest, f"file {named.digest[:16]}"
        if path.is_symlink():
            continue  # named as a link
        if not path.is_file():
            yield JournalFault(named.seq, RULE, f"{name} is gone")
        elif path.stat().st_size != named.size_bytes or file_digest(path) != named.digest:
            yield JournalFault(named.seq, RULE, f"{name} is not the file that was recorded")


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
