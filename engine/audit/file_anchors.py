"""Digests of a home's files in the journal: the network file, and the quarantine file of a load.

The network file pairs opposite posts, so an edit of it would change features and alerts. A record
of kind ``network_declared`` holds its digest and its text when a service or a load first uses it,
so that a replay knows which network applied at which time. From then on the network is that of the
last such record, whatever the file says. A load that names new posts adds them; everything else
changes as the policy setting ``network`` (:mod:`engine.criteria.policy`), which takes effect when
the service next starts.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

from sqlalchemy import Connection

from engine.criteria.dual_control import read_approval_states
from engine.criteria.policy import NETWORK, NetworkText, read_policy
from engine.domain.network import Network, read_home_network, read_network, write_network
from engine.errors import HomeError, InputError
from engine.journal.entries import JournalFault
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import (
    HISTORY_ERASED,
    HISTORY_LOADED,
    NETWORK_DECLARED,
    LoadBody,
    NetworkBody,
)
from engine.journal.power_records import find_first_sequence
from engine.storage.database import Store
from engine.storage.home import Home, file_digest

QUARANTINE_FILE = "quarantine.csv"
_LINK = "is a symbolic link: put the file itself there"


@dataclass(frozen=True, slots=True)
class DeclaredNetwork:
    """The network file as a record holds it."""

    seq: int
    digest: str
    """SHA-256 of the file."""
    text: str


def read_declared_networks(connection: Connection) -> list[DeclaredNetwork]:
    """Return every network file that was declared, in order."""
    return [
        DeclaredNetwork(seq, str(body.get("digest", "")), str(body.get("file", "")))
        for seq, body in JournalReader(connection).bodies_of(NETWORK_DECLARED)
    ]


def read_network_in_force(home: Home, connection: Connection) -> Network:
    """Return the network that was declared last, that of the file where none was.

    Raises ``HomeError`` where the file is not usable.
    """
    known = read_declared_networks(connection)
    return parse_network(known[-1].text) if known else read_home_network(home.network)


def open_network(home: Home, store: Store) -> Network:
    """Do the same as :func:`read_network_in_force` in a snapshot of its own."""
    with store.read() as connection:
        return read_network_in_force(home, connection)


def declare_network(home: Home, store: Store, *, has_new_posts: bool = False) -> None:
    """Record the network file where none was declared yet, or a load has added posts to it.

    Raises ``HomeError`` for a link.
    """
    if home.network.is_symlink():
        raise HomeError(home.network.name, _LINK)
    with store.read() as connection:
        is_first = not read_declared_networks(connection)
    if home.network.exists() and (is_first or has_new_posts):
        _record(store, home.network.read_bytes())


def read_approved_network(connection: Connection) -> str | None:
    """Return the network file that was approved last; None where none was.

    What loads have added since it was proposed is kept, unless the two contradict each other.
    """
    approved = read_policy(connection).find(NETWORK)
    if approved is None:
        return None
    text, known = cast("NetworkText", approved.value).file, read_declared_networks(connection)
    proposed = find_first_sequence(connection, approved.proposed_at)
    before = [one for one in known if one.seq < proposed]
    if not before:
        return text
    network = parse_network(text)
    since, last = (parse_network(one[-1].text) for one in (before, known))
    whole = network.with_additions(last, since=since)
    with suppress(InputError):
        joined = write_network(whole)
        return text if whole == network or parse_network(joined) != whole else joined
    return text


def adopt_network(home: Home, store: Store) -> None:
    """Record the network with which a service starts: one that was approved since the last start.

    Without one it is as it was; raises ``HomeError`` for a link.
    """
    declare_network(home, store)
    with store.read() as connection:
        known = read_declared_networks(connection)
        approved = read_approved_network(connection)
    if approved is None or (known and parse_network(known[-1].text) == parse_network(approved)):
        return
    content = approved.encode()
    _keep_file(home, content, instead_of=known)
    _record(store, content)


def _record(store: Store, content: bytes) -> None:
    digest = sha256(content).hexdigest()
    body: NetworkBody = {"digest": digest, "file": content.decode("utf-8", "replace")}
    Journal(store).append([NETWORK_DECLARED.draft(digest, body)])


def _keep_file(home: Home, content: bytes, *, instead_of: Sequence[DeclaredNetwork]) -> None:
    """Write an approved network where its predecessor lies; an edited file is left as it is."""
    if not instead_of or not home.network.is_file():
        return
    if file_digest(home.network) == instead_of[-1].digest:
        draft = home.network.with_suffix(".part")
        with suppress(OSError):  # the journal holds it, which is what counts
            draft.write_bytes(content)
            draft.replace(home.network)


def note_network(home: Home, connection: Connection) -> str:
    """Return why the network file changes nothing; empty where it says what is in force."""
    known = read_declared_networks(connection)
    if not known:
        return ""
    if not home.network.is_file():
        return f"{home.network.name} is gone: the network of record {known[-1].seq} is in force"
    if file_digest(home.network) == known[-1].digest:
        return ""
    return (
        f"{home.network.name} was edited, which changes nothing: the network of record "
        f"{known[-1].seq} is in force; another one is proposed as policy"
    )


def parse_network(text: str) -> Network:
    """Return the network of a declared file."""
    return read_network(Path("network.toml"), text=text)


def find_network_faults(home: Home) -> Iterator[JournalFault]:
    """Yield a fault where the network file is a link: its target may lie outside."""
    if home.network.is_symlink():
        yield JournalFault(0, "link", f"{home.network.name} {_LINK}")


def find_symbolic_links(folder: Path) -> Iterator[JournalFault]:
    """Yield each symbolic link in a folder: its target lies outside and can change undetected."""
    if folder.is_symlink():
        yield JournalFault(0, "link", f"{folder.name} is a symbolic link")
    elif folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                name = path.relative_to(folder.parent)
                yield JournalFault(0, "link", f"{name} is a symbolic link")


def read_quarantines(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return for each load in the journal the record and the digest of its quarantine file."""
    found: dict[str, tuple[int, str]] = {}
    for seq, load in read_loads(connection):
        found.setdefault(load["digest"], (seq, load["quarantine"]))
    for seq, erased in JournalReader(connection).bodies_of(HISTORY_ERASED):
        found.pop(erased["load"], None)
        found[erased["instead"]] = (seq, erased["quarantine"])
    return found


def read_load_anchors(connection: Connection) -> dict[str, int]:
    """Return the digest of each load in the journal, with the number of the record it first has."""
    found: dict[str, int] = {}
    for seq, load in read_loads(connection):
        found.setdefault(load["digest"], seq)
    for digest, (seq, instead) in read_replaced_loads(connection).items():
        found.pop(digest, None)
        found[instead] = seq
    return found


def read_replaced_loads(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return each load from which rows were erased: the record, and the load instead of it."""
    return {
        body["load"]: (seq, body["instead"])
        for seq, body in JournalReader(connection).bodies_of(HISTORY_ERASED)
    }


def read_loads(connection: Connection) -> Iterator[tuple[int, LoadBody]]:
    """Yield each load that counts, with the record by which it does; withdrawn ones do not."""
    withdrawn = read_withdrawn_loads(connection)
    for seq, body in JournalReader(connection).bodies_of(HISTORY_LOADED):
        load = body["load"]
        if load is not None and seq > withdrawn.get(load["digest"], 0):
            yield seq, load


def read_withdrawn_loads(connection: Connection) -> dict[str, int]:
    """Return each load that two people withdrew, with the last record by which they did.

    Who loads the same folder again has the load again: it counts from that later record on.
    """
    found: dict[str, int] = {}
    for state in read_approval_states(connection, "load_withdrawal").values():
        if state.state == "in_force":
            load = str(state.content["load"])
            found[load] = max(found.get(load, 0), state.sequence)
    return found
