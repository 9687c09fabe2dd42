"""Check of copied records: none acts on rows of others than the installation that it came from.

The same is decided before a copy is recorded. One that stands otherwise was recorded by another
version, or written into the store.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select, type_coerce
from sqlalchemy.types import NULLTYPE

from engine.errors import RecordError
from engine.journal.copies import COPIES
from engine.journal.entries import JournalFault
from engine.journal.journal import BODIES, JOURNAL, parse_body
from engine.links.area import POST_RECORD
from engine.links.posts.copy_bounds import NAMED, CopyBounds, Name, list_names
from engine.links.state import read_links

RULE = "foreign_copy"
_AT_ONCE = 500
_J = JOURNAL.c
_COPIED = (
    select(_J.seq, _J.kind, _J.subject, COPIES.c.origin, type_coerce(BODIES.c.body, NULLTYPE))
    .join_from(COPIES, JOURNAL, _J.seq == COPIES.c.seq)
    .join(BODIES, BODIES.c.seq == _J.seq)
    .order_by(_J.seq)
)


def find_foreign_copies(connection: Connection, fingerprint: str) -> Iterator[JournalFault]:
    """Yield each copy that stands as its kind and names what is not of its own installation.

    ``fingerprint`` is that of this installation's link identity.
    """
    bounds = _read_bounds(connection, fingerprint)
    for some in _read_copies(connection, *NAMED):
        named: defaultdict[str, list[tuple[int, list[Name]]]] = defaultdict(list)
        for seq, kind, subject, origin, body in some:
            try:
                named[origin.partition(":")[0]].append((seq, list(list_names(kind, subject, body))))
            except RecordError:  # its replay is a fault
                continue
        for them, records in named.items():
            if them in bounds:
                found = bounds[them].find_misplaced(connection, records)
                for (seq, _), name in zip(records, found, strict=True):
                    if name is not None:
                        why = f"a copy acts on {name}, which is not of its installation"
                        yield JournalFault(seq, RULE, why)


def note_foreign_copies(connection: Connection) -> Iterator[str]:
    """Yield a note where copies were kept without effect because they name rows of others."""
    kept = [
        (seq, body["foreign"])
        for some in _read_copies(connection, POST_RECORD)
        for seq, _, _, _, body in some
        if "foreign" in body
    ]
    if kept:
        yield (
            f"copies: {len(kept)} have no effect because they name what is not of their "
            f"installation; the last is record {kept[-1][0]} ({kept[-1][1]})"
        )


def _read_copies(
    connection: Connection, *kinds: str
) -> Iterator[list[tuple[int, str, str, str, Mapping[str, Any]]]]:
    """Yield the readable copies of some kinds in order, some at a time."""
    query = _COPIED.where(_J.kind.in_(kinds))
    rows = iter(connection.execute(query, execution_options={"yield_per": _AT_ONCE}))
    while some := list(islice(rows, _AT_ONCE)):
        found = []
        for *about, stored in some:
            try:
                body = parse_body(stored)
            except (TypeError, ValueError, RecursionError):  # a fault of the chain
                continue
            if isinstance(body, dict):
                found.append((*about, body))
        yield found


def _read_bounds(connection: Connection, fingerprint: str) -> dict[str, CopyBounds]:
    """Return the bounds of each installation by fingerprint, with the posts of all its links."""
    found: dict[str, CopyBounds] = {}
    for link in read_links(connection, fingerprint).values():
        one = CopyBounds.of_link(link)
        before = found.get(one.them, one)
        found[one.them] = CopyBounds(one.them, one.posts | before.posts, one.is_node)
    return found
