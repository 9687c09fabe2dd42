"""A synthetic partner of a home, with which a few envelopes were exchanged."""

from typing import Any

from engine.domain.time_units import DAY, HOUR, MINUTE, rfc3339
from engine.journal.journal import Journal
from engine.links.envelope import Position
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.links.ledger import LinkProjection, list_waiting
from engine.links.messages import Manifest
from engine.links.outbox import OutgoingMessage
from engine.links.requests import RequestProjection
from engine.storage.database import Store
from engine.storage.home import Home
from tests.unit.engine.links.link_agreements import LinkSides, manifest_body

REQUEST = "attention-1"
"""What the partner asks."""


def attention_body(now: int) -> dict[str, Any]:
    """Return the body of an attention that the partner asks for."""
    return {
        "attention": REQUEST,
        "identifier": "plate",
        "value": "01A123BC",
        "action": "search",
        "answer_by": rfc3339(now + HOUR),
        "until": rfc3339(now + DAY),
        "why": "Seen at night at a warehouse that is watched.",
        "source": "B",
        "information": "2",
    }


def link_partner(home: Home, store: Store) -> str:
    """Agree with a partner, once for a home, exchange with it, and return the link's name."""
    journal = Journal(store, [LinkProjection(), RequestProjection()])
    if home.link_keys.exists():
        exchange = LinkExchange(store, journal, open_link_keys(home))
        return exchange.find_link("oybek_fotehobod").name
    sides = LinkSides(tj=open_link_keys(home))
    exchange = LinkExchange(store, journal, sides.tj)
    link = exchange.propose(sides.agreement, by="malika")
    exchange.approve(link, by="olim")
    manifest = Manifest.model_validate(manifest_body(post="TJ-FOT"))
    exchange.send(link, [OutgoingMessage("manifest", manifest)] * 3)
    with store.read() as connection:
        now, rows = journal.now(connection), list_waiting(connection, link)
    receipts = [sides.receipt(row.number, row.digest, sequence=row.number) for row in rows[:2]]
    sent_at, expires = now - MINUTE, now + DAY
    first = sides.seal(manifest_body(), sent_at=sent_at, expires=expires)
    refused = sides.seal(
        manifest_body(driver_ref="d-1"),
        after=Position(1, first.digest),
        sent_at=sent_at,
        expires=expires,
    )
    asked = sides.seal(
        attention_body(now),
        kind="attention",
        handling=("H2",),
        after=Position(2, refused.digest),
        sent_at=sent_at,
        expires=expires,
    )
    envelopes = tuple(one.raw.decode() for one in (first, refused, asked))
    exchange.take_parcel(sides.parcel(envelopes, receipts=tuple(receipts), at=now))
    return link
