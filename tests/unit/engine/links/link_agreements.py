"""Agreements and keys of two installations, for tests of links."""

from dataclasses import dataclass, field
from typing import Any

from engine.links.agreement import Agreement, Party, parse_agreement
from engine.links.envelope import Envelope, EnvelopeHead, LinkReceipt, Position, seal_envelope
from engine.links.identity import LinkIdentity, LinkKeys
from engine.links.messages import list_fields
from engine.links.parcel import Parcel

MANIFEST_FIELDS = tuple(
    name
    for name in list_fields("manifest")
    if name not in ("driver_ref", "declarant_id", "consignor_id", "consignee_id")
)
NOW = 1_709_800_000_000_000
HOUR = 3_600_000_000


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
            "expires": NOW + HOUR,
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
