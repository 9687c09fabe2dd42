"""A post's node and its centre in this process, with a link of kind ``post`` between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from api.audit.home_check import HomeVerdict, check_home
from api.auth.credentials import open_pepper
from api.links.exchanges import ExchangeResult, exchange_all, open_exchange
from api.service.assembly import projections
from engine.audit.file_anchors import open_network
from engine.journal.copies import COPIES
from engine.journal.journal import Journal, JournalReader
from engine.journal.receipts import open_signer
from engine.links.agreement import parse_agreement
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.links.state import Link
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from tests.support.running_service import OTHER, POST
from tests.unit.engine.links.links import post_content

NAME = "oybek_centre"


@dataclass
class Installation:
    """One side of the link."""

    home: Home
    store: Store
    exchange: LinkExchange = field(init=False)

    def __post_init__(self) -> None:
        journal = Journal(
            self.store, projections(current_plan(), open_network(self.home, self.store))
        )
        open_link_keys(self.home)
        self.exchange = open_exchange(self.home, self.store, journal)

    @property
    def link(self) -> Link:
        """The link as it stands here."""
        return self.exchange.find_link(NAME)

    def verify(self) -> HomeVerdict:
        """Check the whole home."""
        return check_home(self.home, self.store)

    def bodies(self, *kinds: Any) -> list[tuple[str, Any]]:
        """Return subject and body of every record of some kinds, in the journal's order."""
        with self.store.read() as connection:
            found = JournalReader(connection).records(*kinds)
            return [(one.subject, one.body) for one in found]

    def copies(self) -> list[int]:
        """Return the numbers of what was copied, in the order in which it arrived."""
        with self.store.read() as connection:
            return list(connection.scalars(select(COPIES.c.number).order_by(COPIES.c.seq)))


def agree(node: Installation, centre: Installation, posts: Sequence[str] = (POST, OTHER)) -> None:
    """Let two people of each side approve the agreement."""
    ours, theirs = node.exchange.keys.identity, centre.exchange.keys.identity
    content = post_content(ours, theirs, posts=list(posts))
    for side in (node, centre):
        side.exchange.propose(parse_agreement(content), by="anna")
        side.exchange.approve(NAME, by="boris")


def sync(node: Installation, centre: Installation) -> ExchangeResult:
    """Let the node exchange with its centre until nothing waits."""

    def carry(parcel: bytes) -> bytes:
        return centre.exchange.answer_parcel(parcel, name=centre.link.name)

    return exchange_all(node.exchange, node.link, carry)


def open_installation(home: Home, url: str | None = None) -> Iterator[Installation]:
    """Open a home, on another store where one is given."""
    with Store(url or home.database_url) as store:
        yield Installation(home, store)


def make_centre(folder: Path, network: str) -> Home:
    """Make the centre's home; its store is another."""
    home = Home(folder).prepare()
    home.network.write_text(network, "utf-8")
    open_pepper(home)
    open_signer(home)
    return home
