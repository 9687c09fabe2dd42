"""Digests of a home's files in the journal: the network file, and the quarantine file of a load.

The network file pairs opposite posts, so an edit of it changes features and alerts. A record of
kind ``network_declared`` holds its digest and its text when a service or a load first uses it, and
again whenever it differs, so that a replay knows which network applied at which time. An edit that
a restart then declares is visible, but is not prevented.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection

from engine.criteria.dual_control import read_approval_states
from engine.domain.network import Network, read_network
from engine.errors import HomeError
from engine.journal.entries import JournalFault
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import (
    HISTORY_ERASED,
    HISTORY_LOADED,
    NETWORK_DECLARED,
    LoadBody,
    NetworkBody,
)
from engine.storage.database import Store
from engine.storage.files import file_digest
from engine.storage.home import Home

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


def declare_network(home: Home, store: Store) -> None:
    """Record the network file where it is new or differs; raises ``HomeError`` for a link."""
    if home.network.is_symlink():
        raise HomeError(home.network.name, _LINK)
    if not home.network.exists():
        return
    content = home.network.read_bytes()
    digest = sha256(content).hexdigest()
    with store.read() as connection:
        known = read_declared_networks(connection)
    if not known or known[-1].digest != digest:
        body: NetworkBody = {"digest": digest, "file": content.decode("utf-8", "replace")}
        Journal(store).append([NETWORK_DECLARED.draft(digest, body)])


def parse_network(text: str) -> Network:
    """Return the network of a declared file."""
    return read_network(Path("network.toml"), text=text)


def find_network_faults(home: Home, connection: Connection) -> Iterator[JournalFault]:
    """Yield a fault where the network file is a link, missing, or not the last declared one."""
    if home.network.is_symlink():
        yield JournalFault(0, "link", f"{home.network.name} {_LINK}")
    known = read_declared_networks(connection)
    if not known:
        return
    last = known[-1]
    if not home.network.is_file():
        yield JournalFault(last.seq, "network", f"{home.network.name} is gone")
    elif file_digest(home.network) != last.digest:
        yield JournalFault(
            last.seq, "network", f"{home.network.name} is not the file that was declared"
        )


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
