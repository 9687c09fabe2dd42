"""Installations of a fault run: stores, clocks, disks, lines, and the messages that they record.

Prepared once with links in force, and put back as they were prepared for every history. All of them
work in one process, each with a store, keys and a clock of its own; only what is to be killed runs
in another one.
"""

import shutil
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, create_engine, delete, insert, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from engine.domain.records import Arrival, Crossing
from engine.domain.time_units import SystemClock
from engine.errors import StoreUnavailableError
from engine.journal.areas import list_declared_tables
from engine.journal.clock import project_anchors
from engine.journal.copies import project_copies
from engine.journal.entries import Draft, Entry
from engine.journal.journal import IDENTITY, Journal, JournalReader
from engine.journal.kinds import COPIED, CROSSING, dump_arrival
from engine.journal.receipts import Receipt, Signer
from engine.links.agreement import Agreement, parse_agreement
from engine.links.area import (
    LINK_ENDED,
    LINK_RECEIPTED,
    LINK_RECEIVED,
    LINK_REFUSED,
    LINK_RESUMED,
    LINK_SENT,
)
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkIdentity, LinkKeys
from engine.links.ledger import ENVELOPES, Direction, project_envelopes, read_position
from engine.links.messages import BundlePart
from engine.links.outbox import OutgoingMessage
from engine.links.parcel import read_parcel
from engine.links.posts.record_intake import RecordIntake
from engine.links.posts.record_outbox import RECORD, send_records
from engine.links.state import Link
from engine.storage.database import Store

CENTRE, MESSAGE = "centre", "bundle"
"""The centre, and the kind of its own messages; what a node records travels as records."""
FILLING = 1_200
"""Characters of a message: about those of a decision's record."""
BYTES_A_SECOND, ROUND_TRIP_SECONDS = 8_000, 0.6
"""A satellite's line of 64 kbit/s."""
KEPT = 5
"""Parcels that are late at once, at most."""
_LEDGER_KINDS = (
    LINK_SENT, LINK_RECEIVED, LINK_REFUSED, LINK_RECEIPTED, LINK_RESUMED, LINK_ENDED,
)  # fmt: skip
"""Records from which the table of envelopes is made."""


class JumpingClock:
    """The wall clock of one installation, which can be set wrong."""

    def __init__(self) -> None:
        self.ahead = 0
        """Microseconds."""

    def now(self) -> int:
        """Return UTC microseconds."""
        return SystemClock().now() + self.ahead


class Disk(ABC):
    """A store next to its copies: as it was prepared, and as it was kept."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the store is."""

    @abstractmethod
    def _copy(self, source: str, target: str) -> None:
        """Put one copy in the place of another; the store itself has no name."""

    def save(self) -> None:
        """Make what the store holds now the prepared state."""
        self._copy("", "prepared")

    def prepare(self) -> None:
        """Put the store back as it was prepared."""
        self._copy("prepared", "")

    def keep(self) -> None:
        """Keep a copy of the store."""
        self._copy("", "kept")

    def restore(self) -> None:
        """Put the copy that was kept in the place of the store."""
        self._copy("kept", "")


@dataclass(frozen=True, slots=True)
class FileDisk(Disk):
    """A SQLite file, its log included."""

    path: Path

    @property
    def url(self) -> str:
        """Where the store is."""
        return f"sqlite:///{self.path}"

    def _copy(self, source: str, target: str) -> None:
        old, new = (self.path.with_name(f"{self.path.name}{name}") for name in (source, target))
        for suffix in ("", "-wal", "-shm"):
            log = new.with_name(new.name + suffix)
            log.unlink(missing_ok=True)
            given = old.with_name(old.name + suffix)
            if suffix != "-shm" and given.exists():
                shutil.copy(given, log)


@dataclass(frozen=True, slots=True)
class DatabaseDisk(Disk):
    """A PostgreSQL database, next to its copies on the same server."""

    server: str
    """URL of a database whose user may make others."""
    name: str

    @property
    def url(self) -> str:
        """Where the store is."""
        return make_url(self.server).set(database=self.name).render_as_string(hide_password=False)

    def create(self) -> None:
        """Create the database, empty."""
        self._execute(f"CREATE DATABASE {self.name}")

    def drop(self) -> None:
        """Drop the database and its copies."""
        for suffix in ("", "prepared", "kept"):
            self._execute(f"DROP DATABASE IF EXISTS {self.name}{suffix} WITH (FORCE)")

    def _copy(self, source: str, target: str) -> None:
        self._execute(
            f"DROP DATABASE IF EXISTS {self.name}{target} WITH (FORCE)",
            f"CREATE DATABASE {self.name}{target} TEMPLATE {self.name}{source}",
        )

    def _execute(self, *statements: str) -> None:
        admin = create_engine(self.server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with admin.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        admin.dispose()


@dataclass
class Installation:
    """One installation: its process stands between ``open`` and ``close``."""

    name: str
    disk: Disk
    keys: LinkKeys = field(default_factory=LinkKeys.generate)
    clock: JumpingClock = field(default_factory=JumpingClock)
    signer: Signer = field(default_factory=lambda: Signer(Ed25519PrivateKey.generate()))
    is_incomplete: bool = False
    """Rows of its table of envelopes were lost, and nothing has made them again."""
    _names: dict[str, str] = field(default_factory=dict)
    _store: Store | None = None
    _exchange: LinkExchange | None = None

    @property
    def store(self) -> Store:
        """The open store."""
        if self._store is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._store

    @property
    def exchange(self) -> LinkExchange:
        """The links."""
        if self._exchange is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._exchange

    def create_tables(self) -> None:
        """Make the tables of its store."""
        with Store(self.disk.url) as store, store.write() as connection:
            list_declared_tables().create_all(connection)
            identity = {"journal_id": token_hex(16), "created": self.clock.now()}
            connection.execute(insert(IDENTITY), [identity])

    def agree(self, agreement: Agreement) -> None:
        """Put a link into force here, as two people do."""
        self.exchange.propose(agreement, by="anna")
        self.exchange.approve(agreement.name, by="boris")

    def open(self) -> None:
        """Start as a process does; the one before has ended."""
        self.close()
        self._store = Store(self.disk.url)
        kept = project_copies, project_anchors, project_envelopes
        journal = Journal(self._store, kept)
        journal._clock = self.clock  # held against the time since boot, as the machine's is
        handlers = {RECORD: RecordIntake(lambda *_: None)}
        self._exchange = LinkExchange(self._store, journal, self.keys, handlers)

    def close(self) -> None:
        """End the process."""
        if self._store is not None:
            self._store.dispose()
        self._store = self._exchange = None

    def keep_disk(self) -> None:
        """Keep a copy of the store, while no process has it open."""
        self.close()
        self.disk.keep()
        self.open()

    def link(self, name: str) -> Link:
        """Return a link as it stands here."""
        return self.exchange.find_link(name)

    def phase(self, name: str) -> str:
        """Return where a link stands here."""
        with self.store.read() as connection:
            return self.link(name).phase(self.exchange.journal.now(connection))

    def name_in_envelopes(self, name: str) -> str:
        """Return the name of a link in envelopes, which never changes."""
        if name not in self._names:
            self._names[name] = self.link(name).name
        return self._names[name]

    def position(self, name: str, direction: Direction) -> int:
        """Return the number of the last envelope of one direction."""
        with self.store.read() as connection:
            return read_position(connection, self.name_in_envelopes(name), direction).number

    def seal_parcel(self, name: str) -> bytes:
        """Return the bytes of the parcel that waits for the other side."""
        self.seal_records(name)
        return self.exchange.make_parcel(self.link(name)).seal(self.keys)

    def seal_records(self, name: str) -> None:
        """Seal what a node has recorded, as far as batches may wait."""
        if self.name != CENTRE:
            exchange = self.exchange
            send_records(exchange.store, exchange.journal, exchange.keys, self.link(name))

    def record(self, link: str, name: str) -> Receipt:
        """Record a crossing at a node, or a message of the centre, and return its receipt.

        Raises ``ConflictError`` if the centre's link is not in force; a node never waits for it.
        """
        if self.name == CENTRE:
            (entry,) = self.exchange.send(link, [_message(name)])
        else:
            (entry,) = self.exchange.journal.append([_crossing(name, link)])
        return self.signer.sign(entry)

    def list_sent(self) -> dict[str, Receipt]:
        """Return the receipts of what the journal holds as recorded here, by name."""
        with self.store.read() as connection:
            found = {name: seq for seq, name, is_own in self._list_names(connection) if is_own}
            entry = self.exchange.journal.entry
            return {n: self.signer.sign(entry(connection, seq)) for n, seq in found.items()}

    def list_received(self) -> list[str]:
        """Return the names of what the journal holds from elsewhere, as often as it does."""
        with self.store.read() as connection:
            return [name for _, name, is_own in self._list_names(connection) if not is_own]

    @staticmethod
    def _list_names(connection: Connection) -> Iterator[tuple[int, str, bool]]:
        """Yield the record, the name and whether it is of this journal's own."""
        reader = JournalReader(connection)
        for one in reader.records(CROSSING):
            yield one.seq, one.subject, COPIED not in one.body
        for record in reader.records(LINK_SENT, LINK_RECEIVED):
            if record.body["message"] == MESSAGE:
                yield record.seq, record.body["body"]["bundle"], record.kind == LINK_SENT

    def list_refused(self) -> Iterator[str]:
        """Yield the rules by which envelopes were refused for what they say."""
        with self.store.read() as connection:
            for record in JournalReader(connection).records(LINK_REFUSED):
                yield record.body["rule"]

    def resume(self, link: str) -> None:
        """Let two people resume a link, where an alarm stops it."""
        if self.phase(link) == "stopped":
            self.exchange.propose_resumption(link, by="anna", why="a fault run")
            self.exchange.approve(link, by="boris")

    def lose_rows(self, link: str, number: int) -> None:
        """Lose the newest rows of the table of envelopes that arrived on a link."""
        columns = ENVELOPES.c
        last = self.position(link, "received")
        with self.store.write() as connection:
            connection.execute(
                delete(ENVELOPES).where(
                    columns.link == self.name_in_envelopes(link),
                    columns.direction == "received",
                    columns.number > last - number,
                )
            )
        self.is_incomplete = True

    def rebuild(self) -> None:
        """Make the table of envelopes again from the journal, as ``darvoza rebuild`` does."""
        if not self.is_incomplete:
            return
        with self.store.write() as connection:
            connection.execute(delete(ENVELOPES))
            for record in list(JournalReader(connection).records(*_LEDGER_KINDS)):
                about = record.seq, record.known_at, record.kind, record.subject, record.post
                entry = Entry("", *about, leaf=b"", chain=b"")
                draft = Draft(record.kind, record.subject, record.post, record.body)
                project_envelopes(connection, [(entry, draft)])
        self.is_incomplete = False


def _message(name: str) -> OutgoingMessage:
    """Return a message of about a decision's size."""
    part = BundlePart(
        bundle=name, file="synthetic", digest="00" * 32, part=1, parts=1, content="A" * FILLING
    )
    return OutgoingMessage(part)


def _crossing(name: str, link: str) -> Draft[Any]:
    """Return a record of a vehicle at a node, of about a decision's size."""
    crossing = Crossing(
        crossing_id=name,
        post=_post(link),
        direction="entry",
        arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
        vehicle_class="truck",
    )
    filling = token_hex(FILLING // 2)  # it does not compress
    body: Any = {"arrival": dump_arrival(Arrival(crossing=crossing)), "filling": filling}
    return CROSSING.draft(name, body, post=_post(link))


def make_long_crossing(name: str, link: str, filling: str) -> Draft[Any]:
    """Return the same with this filling, which may compress well."""
    draft = _crossing(name, link)
    return replace(draft, body=draft.body | {"filling": filling})


def _post(link: str) -> str:
    return link.upper()


@dataclass(frozen=True, slots=True)
class Deployment:
    """Installations with links in force, as they were prepared."""

    centre: Installation
    nodes: Sequence[Installation]

    def close(self) -> None:
        """End every process."""
        for one in (self.centre, *self.nodes):
            one.close()

    def prepare(self, nodes: int) -> "Deployment":
        """Return the centre and some nodes as they were prepared, opened."""
        found = Deployment(self.centre, self.nodes[:nodes])
        for one in (found.centre, *found.nodes):
            one.close()
            one.disk.prepare()
            one.clock.ahead, one.is_incomplete = 0, False
            one.open()
        return found


def prepare_deployment(
    folder: Path, *, nodes: int, centre: DatabaseDisk | None = None, is_unique: bool = True
) -> Deployment:
    """Make installations whose links two people of each side approved.

    Without ``is_unique`` no store has the constraint that takes an envelope once: the negative
    control.
    """
    disks = [FileDisk(folder / f"node{number}.sqlite") for number in range(1, nodes + 1)]
    made = Deployment(
        Installation(CENTRE, centre or FileDisk(folder / "centre.sqlite")),
        [Installation(f"node{number}", disk) for number, disk in enumerate(disks, 1)],
    )
    if centre is not None:
        centre.create()
    for one in (made.centre, *made.nodes):
        one.create_tables()
        one.open()
        if not is_unique:
            with one.store.write() as connection:
                connection.execute(text("DROP INDEX journal_origin_ix"))
    for node in made.nodes:
        written = write_agreement(node, made.centre.name, made.centre.keys.identity)
        for one in (node, made.centre):
            one.agree(parse_agreement(tomllib.loads(written)))
    for one in (made.centre, *made.nodes):
        one.close()
        one.disk.save()
    return made


@dataclass
class Line:
    """The line between a node and the centre."""

    node: Installation
    centre: Installation
    refused: Callable[[Installation], None]
    """Called if a store refused what it holds already."""
    note: Callable[..., None] = lambda *_: None
    """Called with the words that say what the line did."""
    is_up: bool = True
    faults: list[str] = field(default_factory=list)
    """What happens to the next requests."""
    late: list[tuple[Installation, bytes]] = field(default_factory=list)
    """Parcels on their way, and to whom."""
    seconds: float = 0.0
    """Time on the line."""
    arrived_seconds: float = 0.0
    """Time on the line when the last envelope arrived that was not there before."""
    _positions: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The link that it carries."""
        return self.node.name

    @property
    def ends(self) -> tuple[Installation, Installation]:
        """The node and the centre."""
        return self.node, self.centre

    def other(self, one: Installation) -> Installation:
        """Return the other end."""
        return self.centre if one is self.node else self.node

    def start_watch(self) -> None:
        """Count the time on the line from now on."""
        self.seconds = self.arrived_seconds = 0.0
        self._positions = self._read_positions()

    def note_arrivals(self) -> None:
        """Note the time if either side holds more than it did when watched."""
        found = self._read_positions()
        if found != self._positions:
            self._positions, self.arrived_seconds = found, self.seconds

    def _read_positions(self) -> dict[str, int]:
        return {one.name: one.position(self.name, "received") for one in self.ends}

    def carry_from(self, caller: Installation) -> Callable[[bytes], bytes]:
        """Return what carries a parcel of ``caller`` to the other side and its answer back."""
        return lambda parcel: self._carry(caller, parcel)

    def _carry(self, caller: Installation, parcel: bytes) -> bytes:
        if self._positions:
            self.note_arrivals()
        if not self.is_up:
            raise StoreUnavailableError("the line is cut")
        receiver = self.other(caller)
        if not self.faults:
            return self._answer(receiver, parcel)
        fault = self.faults.pop(0)
        self.note("a request of", caller.name, "on", self.name, "meets", fault)
        if fault == "delay":
            self.late = [*self.late, (receiver, parcel)][-KEPT:]
        if fault in ("lose", "delay"):
            raise StoreUnavailableError("no answer")
        if fault == "late" and self.late:
            self.deliver_late()
        parcel = _disturb(caller, parcel, fault)
        answers = [self._answer(receiver, parcel) for _ in range(2 if fault == "double" else 1)]
        if fault == "lose_answer":
            raise StoreUnavailableError("the answer was lost")
        return answers[-1]

    def _answer(self, receiver: Installation, parcel: bytes) -> bytes:
        name = receiver.name_in_envelopes(self.name)
        try:
            answer = receiver.exchange.answer_parcel(parcel, name=name)
        except IntegrityError:
            self.refused(receiver)
            raise StoreUnavailableError("the other side answered 500") from None
        self.seconds += ROUND_TRIP_SECONDS + (len(parcel) + len(answer)) / BYTES_A_SECOND
        return answer

    def deliver_late(self) -> None:
        """Deliver the oldest late parcel; what it answers is lost."""
        receiver, parcel = self.late.pop(0)
        self.note("a late parcel of", self.name, "arrives at", receiver.name)
        try:
            receiver.exchange.take_parcel(parcel)
        except IntegrityError:
            self.refused(receiver)


def _disturb(sender: Installation, raw: bytes, fault: str) -> bytes:
    """Return a parcel of the sender with its envelopes backwards and one doubled, or some lost."""
    if fault not in ("shuffle", "drop"):
        return raw
    parcel = read_parcel(raw)
    envelopes = parcel.envelopes
    envelopes = envelopes[1::2] if fault == "drop" else (*envelopes[::-1], *envelopes[:1])
    return replace(parcel, envelopes=envelopes).seal(sender.keys)


def write_agreement(node: Installation, centre: str, identity: LinkIdentity) -> str:
    """Return the TOML of the agreement of a node, whose name the link has, with its centre."""
    parties = (node.name, "node", node.keys.identity), (centre, "centre", identity)
    lines = [
        f'name = "{node.name}"',
        'kind = "post"',
        'purposes = ["supervision"]',
        'ground = "a fault run with synthetic records"',
        'expires = "2036-12-31T00:00:00Z"',
        f'posts = ["{_post(node.name)}"]',
    ]
    for name, role, keys in parties:
        lines += ["[[parties]]", f'name = "{name}"', f'role = "{role}"', 'administration = "UZ"']
        lines += [f'signing_key = "{keys.signing_key.hex()}"']
        lines += [f'receiving_key = "{keys.receiving_key.hex()}"']
    lines += ["[[messages]]", f'kind = "{RECORD}"', f'from = "{node.name}"']
    lines += ["[[messages]]", f'kind = "{MESSAGE}"', f'from = "{centre}"', "expires_hours = 8760"]
    return "\n".join(lines) + "\n"
