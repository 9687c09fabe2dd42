"""Two installations with a link in force between them, each with a store and keys of its own."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from engine.journal.entries import Clock, Kind
from engine.journal.idempotency import project_answers
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.links.agreement import parse_agreement
from engine.links.exchange import LinkExchange, TakenParcel
from engine.links.identity import LinkKeys
from engine.links.ledger import EnvelopeRow, list_envelopes, project_envelopes
from engine.links.list_comparison import follow_matches
from engine.links.messages import Manifest
from engine.links.outbox import OutgoingMessage
from engine.links.requests import project_requests
from engine.links.state import Link
from engine.storage.database import Store
from tests.unit.engine.links.links import manifest_body, partner_content

NAME = "oybek_fotehobod"


@dataclass
class Side:
    """One installation."""

    url: str
    keys: LinkKeys
    post: str
    handlers: dict[str, Any] = field(default_factory=dict)
    clock: Clock | None = None

    def __post_init__(self) -> None:
        self.store = Store(self.url)
        self.open()

    def open(self) -> None:
        """Open the store, as a process that starts does; the one before has ended."""
        self.store.dispose()
        self.store = Store(self.url)
        tables = project_answers, project_envelopes, project_requests
        journal = Journal(self.store, tables, self.clock)
        followers = (follow_matches,)
        self.exchange = LinkExchange(self.store, journal, self.keys, self.handlers, followers)

    @property
    def link(self) -> Link:
        """The link as it stands here."""
        return self.exchange.find_link(NAME)

    @property
    def phase(self) -> str:
        """Where the link stands here."""
        with self.store.read() as connection:
            return self.link.phase(self.exchange.journal.now(connection))

    def send(self, *movements: str) -> None:
        """Record a manifest of each movement as an envelope."""
        messages = [
            Manifest.model_validate(manifest_body(movement=one, post=self.post))
            for one in movements
        ]
        self.exchange.send(NAME, [OutgoingMessage(one) for one in messages])

    def parcel(self, **more: Any) -> bytes:
        """Return the bytes of the parcel that waits."""
        return self.exchange.make_parcel(self.link, **more).seal(self.keys)

    def sync(self, other: "Side") -> TakenParcel:
        """Hand a parcel to the other side and take its answer, as a client does."""
        answer = other.exchange.answer_parcel(self.parcel(), name=other.link.name)
        return self.exchange.take_parcel(answer)

    def rows(self, direction: Any = "sent") -> list[EnvelopeRow]:
        """Return the envelopes of one direction, oldest first."""
        with self.store.read() as connection:
            return list_envelopes(connection, self.link.name, direction, most=1000)[::-1]

    def bodies(self, kind: Kind[Any]) -> list[Any]:
        """Return the bodies of one kind of record."""
        with self.store.read() as connection:
            return [one.body for one in JournalReader(connection).records(kind)]

    def origins(self) -> list[int]:
        """Return the numbers of what came from elsewhere, in the journal's order."""
        query = select(JOURNAL.c.origin_seq).where(JOURNAL.c.origin_seq.is_not(None))
        with self.store.read() as connection:
            return list(connection.scalars(query.order_by(JOURNAL.c.seq)))

    def resume(self) -> None:
        """Let two people resume the link."""
        self.exchange.propose_resumption(NAME, by="anna", why="looked into")
        self.exchange.approve(NAME, by="boris")


@dataclass
class Disk:
    """The file of a SQLite store, as it stood at one time."""

    side: Side
    copy: Path

    @classmethod
    def keep(cls, side: Side, copy: Path) -> "Disk":
        """Copy the store of a side."""
        side.store.dispose()
        shutil.copy(side.url.removeprefix("sqlite:///"), copy)
        side.open()
        return cls(side, copy)

    def restore(self) -> None:
        """Put the copy in the place of the store."""
        self.side.store.dispose()
        path = Path(self.side.url.removeprefix("sqlite:///"))
        for log in path.parent.glob(f"{path.name}-*"):
            log.unlink()
        shutil.copy(self.copy, path)
        self.side.open()


def open_sides(uz_url: str, tj_url: str, *, approve: bool = True, **more: Any) -> tuple[Side, Side]:
    """Return two sides with an agreement that two people approved on each."""
    uz, tj = (
        Side(uz_url, LinkKeys.generate(), "UZ-OYB", **more),
        Side(tj_url, LinkKeys.generate(), "TJ-FOT", **more),
    )
    agreement = parse_agreement(partner_content(uz.keys.identity, tj.keys.identity))
    for side in (uz, tj) if approve else ():
        side.exchange.propose(agreement, by="anna")
        side.exchange.approve(NAME, by="boris")
    return uz, tj
