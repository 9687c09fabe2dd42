"""Agreements and keys of two installations, and a synthetic partner of a home."""

from dataclasses import dataclass, field
from typing import Any

from engine.domain.time_units import DAY, HOUR, MINUTE, rfc3339
from engine.journal.journal import Journal
from engine.links.agreement import Agreement, Party, parse_agreement
from engine.links.envelope import Envelope, EnvelopeHead, LinkReceipt, Position, seal_envelope
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkIdentity, LinkKeys, open_link_keys
from engine.links.ledger import list_waiting, project_envelopes
from engine.links.messages import Manifest, list_fields
from engine.links.outbox import OutgoingMessage
from engine.links.parcel import Parcel
from engine.links.requests import project_requests
from engine.storage.database import Store
from engine.storage.home import Home

MANIFEST_FIELDS = tuple(
    name
    for name in list_fields("manifest")
    if name not in ("driver_ref", "declarant_id", "consignor_id", "consignee_id")
)
NOW = 1_709_800_000_000_000
AN_HOUR = 3_600_000_000


LIMITS = {
    "elements_per_request": 50,
    "requests_per_day": 1,
    "elements_per_period": 90,
    "period_days": 365,
    "entries": 1_000,
    "refusals": 3,
}


def partner_content(one: LinkIdentity, other: LinkIdentity, **changes: Any) -> dict[str, Any]:
    """Return an agreement of two administrations, as its TOML reads."""
    rules = [
        {"kind": kind, "from": sender, "purpose": "smuggling", "fields": list(fields)}
        for sender in ("uz", "tj")
        for kind, fields in (
            ("manifest", MANIFEST_FIELDS),
            ("attention", tuple(list_fields("attention"))),
            ("answer", tuple(list_fields("answer"))),
            ("outcome", tuple(list_fields("outcome"))),
            ("withdraw", ("attention",)),
            ("match", tuple(list_fields("match"))),
            ("case", tuple(list_fields("case"))),
            ("file", tuple(list_fields("file"))),
        )
    ]
    content: dict[str, Any] = {
        "name": "oybek_fotehobod",
        "kind": "partner",
        "purposes": ["smuggling"],
        "ground": "Protocol of November 2019, article 3",
        "expires": "2030-12-31T00:00:00Z",
        "parties": [party_content("uz", one), party_content("tj", other)],
        "pairs": [{"posts": ["UZ-OYB", "TJ-FOT"]}],
        "identifiers": {"carrier_id": "TIR"},
        "matching": LIMITS,
        "messages": rules,
    }
    return content | changes


def post_content(node: LinkIdentity, centre: LinkIdentity, **changes: Any) -> dict[str, Any]:
    """Return an agreement of a post's node and its centre, as its TOML reads."""
    content: dict[str, Any] = {
        "name": "oybek_centre",
        "kind": "post",
        "purposes": ["supervision"],
        "ground": "Order 17 of the administration",
        "expires": "2030-12-31T00:00:00Z",
        "parties": [
            party_content("oybek", node, role="node"),
            party_content("tashkent", centre, role="centre"),
        ],
        "posts": ["UZ-OYB"],
        "messages": [
            {"kind": "record", "from": "oybek"},
            {"kind": "record", "from": "tashkent"},
            {"kind": "bundle", "from": "tashkent"},
            {"kind": "file", "from": "oybek"},
        ],
    }
    return content | changes


def party_content(name: str, identity: LinkIdentity, **changes: Any) -> dict[str, Any]:
    """Return one party as TOML reads it."""
    keys = {
        "signing_key": identity.signing_key.hex(),
        "receiving_key": identity.receiving_key.hex(),
    }
    return {"name": name, "administration": name.upper()} | keys | changes


def manifest_body(**changes: Any) -> dict[str, Any]:
    """Return the body of a manifest of a truck that left Oybek."""
    body: dict[str, Any] = {
        "movement": "m-1",
        "post": "UZ-OYB",
        "left_at": "2024-03-07T09:30:00Z",
        "vehicle_class": "truck",
        "plate": "01A123BC",
        "container_numbers": ["MSCU1234567"],
        "is_empty": False,
        "goods": [{"hs_code": "080610", "net_mass_kg": 18_000.0}],
    }
    return body | changes


@dataclass
class LinkSides:
    """Two installations with an agreement of two administrations: ``uz`` sends to ``tj``."""

    uz: LinkKeys = field(default_factory=LinkKeys.generate)
    tj: LinkKeys = field(default_factory=LinkKeys.generate)

    def __post_init__(self) -> None:
        content = partner_content(self.uz.identity, self.tj.identity)
        self.agreement: Agreement = parse_agreement(content)

    @property
    def sender(self) -> Party:
        """The party ``uz``."""
        return self.agreement.parties[0]

    def seal(
        self, body: dict[str, Any], *, after: Position | None = None, **changes: Any
    ) -> Envelope:
        """Return the next envelope from ``uz`` to ``tj``."""
        last = after or Position()
        about: dict[str, Any] = {
            "link": self.agreement.link,
            "sender": self.uz.identity.fingerprint,
            "receiver": self.tj.identity.fingerprint,
            "number": last.number + 1,
            "previous": last.digest,
            "sent_at": NOW,
            "expires": NOW + AN_HOUR,
            "kind": "manifest",
        }
        head = EnvelopeHead(**(about | changes))
        return seal_envelope(head, body, keys=self.uz, receiver=self.tj.identity)

    def receipt(self, number: int, digest: str, *, sequence: int) -> LinkReceipt:
        """Return the receipt by ``uz`` of an envelope that ``tj`` sent."""
        receipt = LinkReceipt(
            link=self.agreement.link,
            sender=self.tj.identity.fingerprint,
            receiver=self.uz.identity.fingerprint,
            number=number,
            envelope=digest,
            status="taken",
            rule="",
            journal_id="journal-uz",
            sequence=sequence,
            known_at=NOW,
            chain="ab" * 32,
        )
        return receipt.signed_by(self.uz)

    def parcel(self, envelopes: tuple[str, ...], *, at: int, **more: Any) -> bytes:
        """Return a parcel from ``uz`` to ``tj``."""
        fingerprints = self.uz.identity.fingerprint, self.tj.identity.fingerprint
        parcel = Parcel(self.agreement.link, *fingerprints, at, envelopes, **more)
        return parcel.seal(self.uz)


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
    journal = Journal(store, [project_envelopes, project_requests])
    if home.link_keys.exists():
        exchange = LinkExchange(store, journal, open_link_keys(home))
        return exchange.find_link("oybek_fotehobod").name
    sides = LinkSides(tj=open_link_keys(home))
    exchange = LinkExchange(store, journal, sides.tj)
    link = exchange.propose(sides.agreement, by="malika")
    exchange.approve(link, by="olim")
    manifest = Manifest.model_validate(manifest_body(post="TJ-FOT"))
    exchange.send(link, [OutgoingMessage(manifest)] * 3)
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
