"""Kinds of messages between installations, their typed bodies, and the codes in them.

A field that a message need not have is left out if it is absent, so that a body holds exactly what
travels. ``left_at``, ``until`` and other times are RFC 3339 texts in UTC. A field with the name of
a field of :mod:`engine.domain.records` means the same.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, Field

from engine.domain.field_types import (
    Code,
    Country,
    Hex32,
    HsCode,
    Identifier,
    Identifiers,
    Ids,
    Mass,
    OptionalCode,
    OptionalId,
    PostCode,
    Text,
    Time,
    Value,
)
from engine.domain.records import BodyType, Methods, Outcome, Record, SubstanceClass, VehicleClass
from engine.domain.validation import bare
from engine.journal.kinds import CopiedBody

AttentionIdentifier = Literal[
    "plate",
    "trailer_plate",
    "vin",
    "container_number",
    "seal_number",
    "tir_carnet",
    "driver_ref",
    "carrier_id",
    "consignee_id",
    "consignor_id",
]
"""What an attention is about; a national one only where the agreement names its domain."""
AttentionAction = Literal["search", "scan", "papers", "tell", "do_not_stop"]
SourceGrade = Literal["A", "B", "C", "X"]
"""Reliability of the source: always, mostly, mostly not, not known (Europol 4x4)."""
InformationGrade = Literal["1", "2", "3", "4"]
"""Known to be true, known to the source, corroborated, not corroborated (Europol 4x4)."""
QuantityBand = Literal["up_to_100g", "up_to_1kg", "up_to_10kg", "up_to_100kg", "over_100kg"]
MOST_FILES = 50
"""Files of one offered case."""


LinkKind = Literal["post", "partner"]
MOST_RECORDS = 500
"""Records of one batch."""
MOST_CONTENT = 2_500_000
"""Characters of one batch or part of a file."""
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]

_BANDS: tuple[tuple[float, QuantityBand], ...] = (
    (100, "up_to_100g"),
    (1_000, "up_to_1kg"),
    (10_000, "up_to_10kg"),
    (100_000, "up_to_100kg"),
)


def band_of(grams: float) -> QuantityBand:
    """Return the band of a quantity: each includes its upper bound.

    >>> band_of(1000), band_of(1000.5)
    ('up_to_1kg', 'up_to_10kg')
    """
    return next((band for limit, band in _BANDS if grams <= limit), "over_100kg")


def _to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class ManifestItem(Record):
    """One goods item of a vehicle that left."""

    hs_code: HsCode
    net_mass_kg: Mass | None = None
    gross_mass_kg: Mass | None = None
    origin_country: Country | None = None
    customs_value_usd: Value | None = None
    pen_number: OptionalId = None


class Manifest(Record):
    """A vehicle that left one side's post for the other side."""

    movement: Identifier
    """The sender's name of this movement, for outcomes; no identifier of anything else."""
    post: PostCode
    """The post it left."""
    left_at: Time
    vehicle_class: VehicleClass | None = None
    plate: OptionalId = None
    plate_country: Country | None = None
    trailer_plate: OptionalId = None
    vin: OptionalId = None
    container_numbers: Ids = ()
    seal_numbers: Ids = ()
    weighed_mass_kg: Mass | None = None
    is_empty: bool | None = None
    body_type: BodyType | None = None
    body_code: OptionalCode = None
    tir_carnet: OptionalId = None
    cmr_number: OptionalId = None
    driver_ref: OptionalId = None
    carrier_id: OptionalId = None
    declarant_id: OptionalId = None
    consignor_id: OptionalId = None
    consignee_id: OptionalId = None
    dispatch_country: Country | None = None
    destination_country: Country | None = None
    goods: Annotated[
        tuple[ManifestItem, ...], Field(max_length=999), BeforeValidator(_to_tuple)
    ] = ()


class AttentionTerms(Record):
    """What is asked about one identifier; never an order."""

    identifier: AttentionIdentifier
    value: Identifier
    action: AttentionAction
    until: Time
    """It ends by itself then."""
    answer_by: Time
    """Accepted or declined until then."""
    why: Text | None = None
    source: SourceGrade | None = None
    information: InformationGrade | None = None
    movement: Identifier | None = None
    """The requester's manifest of the vehicle, where there was one."""


class Attention(AttentionTerms):
    """A request about one identifier."""

    attention: Identifier
    """The requester's name of this request."""


class Answer(Record):
    """The answer to an attention or to the offer of a case."""

    about: Identifier
    """The attention or the case."""
    answer: Literal["accepted", "declined", "returned"]
    reason: Text | None = None


class OutcomeTerms(Record):
    """What became of a vehicle."""

    post: PostCode
    is_searched: bool
    methods: Methods = ()
    outcome: Outcome | None = None
    """None where it was not searched."""
    substance_class: SubstanceClass | None = None
    quantity_band: QuantityBand | None = None
    goods_class: Code | None = None
    """Class of the goods; without it the receiver counts the find as a load."""


class OutcomeReport(OutcomeTerms):
    """What became of a movement that the other side told of or asked about."""

    outcome_of: Identifier
    """The movement or the attention."""
    recorded_at: Time


MatchStep = Literal[
    "blinded",
    "evaluated",
    "tokens",
    "refused",
    "hits",
    "ask",
    "release",
    "decline",
    "withdraw",
]
"""Steps of a set intersection, then those about the details of a hit."""


class Match(Record):
    """One step of a set intersection by an oblivious PRF (RFC 9497), or of what follows a hit."""

    exchange: Identifier
    step: MatchStep
    elements: Annotated[tuple[Hex32, ...], Field(max_length=10_000), BeforeValidator(_to_tuple)]
    """Group elements, tokens, or the token that a later step is about; none where refused."""
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] | None = None
    answer_by: Time | None = None
    """Of hits: details of them can be asked for and released until then."""
    why: Text | None = None
    """Why details are asked for, declined or no longer asked for; the rule of a refusal."""
    reason: Text | None = None
    """Of a release: the reason of the entry."""
    note: Text | None = None
    until: Time | None = None
    """Of a release: when the entry expires."""


class Withdraw(Record):
    """The end of an attention before its time."""

    attention: Identifier
    reason: Text | None = None


class OfferedFile(Record):
    """A file of the case that is offered; its content follows once the offer is accepted."""

    digest: Hex32
    """SHA-256 of the content."""
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=64)]
    size_bytes: Number
    shows: Code | None = None


class CaseTerms(Record):
    """What is offered with a common case; its owner stays until it is accepted."""

    answer_by: Time
    summary: Text | None = None
    attentions: Identifiers = ()
    movements: Identifiers = ()


class CaseOffer(CaseTerms):
    """The offer of a common case with its ownership."""

    case: Identifier
    files: Annotated[
        tuple[OfferedFile, ...], Field(max_length=MOST_FILES), BeforeValidator(_to_tuple)
    ] = ()


class HeadStatement(Record):
    """The head of the sender's journal; the receipt of it is the countersignature."""

    journal_id: Identifier
    sequence: Number
    chain: Hex32
    known_at: Time


class RecordCopy(Record):
    """One record of the sender's journal, with what proves its place in it."""

    sequence: Number
    known_at: Annotated[int, Field(ge=0)]
    """UTC microseconds."""
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    subject: str
    post: Annotated[str, Field(max_length=16)] = ""
    origin: str = ""
    origin_seq: Number | None = None
    leaf: Hex32
    previous: Hex32
    """Chain value of the record before it."""
    chain: Hex32
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    body: str | None = None
    """The stored bytes, which are UTF-8 text; None where they are erased, or are the receiver's."""


def build_proof(copy: RecordCopy, *, journal_id: str, branch: int) -> CopiedBody:
    """Return what the body of a copy says of the record that it copies."""
    proof: CopiedBody = {
        "journal_id": journal_id,
        "branch": branch,
        "sequence": copy.sequence,
        "known_at": copy.known_at,
        "leaf": copy.leaf,
        "previous": copy.previous,
        "chain": copy.chain,
    }
    if copy.salt is not None:
        proof["salt"] = copy.salt
    if copy.origin_seq is not None:
        proof["origin"], proof["origin_seq"] = copy.origin, copy.origin_seq
    return proof


class RecordBatch(Record):
    """Records of the sender's journal in their order, as :mod:`engine.links.posts` packs them."""

    journal_id: Identifier
    branch: Annotated[int, Field(ge=0)] = 0
    """How often this journal went on from an older state of its disk."""
    first: Number
    last: Number
    """Records between the two that are absent are envelopes of links, which are not copied."""
    records: Annotated[int, Field(ge=1, le=MOST_RECORDS)]
    content: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=MOST_CONTENT)]
    """Base 64 of the compressed :class:`RecordCopy` objects, one a line."""


class BundlePart(Record):
    """One part of a file of a signed bundle."""

    bundle: Identifier
    file: Identifier
    digest: Hex32
    """SHA-256 of the whole file."""
    part: Number
    parts: Number
    content: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$", max_length=3_000_000)]
    """Base 64."""


class FilePart(Record):
    """One part of a file of a case, whose content stands next to it; in no envelope."""

    digest: Hex32
    """SHA-256 of the whole file."""
    size_bytes: Number
    """Of the whole file."""
    offset: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Where this part begins in it."""


class AccountState(Record):
    """A person or a key of a post as its centre states it; the node records what follows."""

    account: Literal["user", "key"]
    name: Identifier
    post: PostCode
    commitment: Hex32
    """What the centre's record commits to: it tells one secret from another, and no more."""
    role: Code | None = None
    """None where it is removed or revoked."""
    owner: Identifier | None = None
    agency: Code | None = None
    secret: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=2_000)] | None = None
    """Base 64, encrypted to the node: the key, or what is kept of the password."""


KINDS: Mapping[str, type[Record]] = MappingProxyType(
    {
        "manifest": Manifest,
        "attention": Attention,
        "answer": Answer,
        "outcome": OutcomeReport,
        "match": Match,
        "withdraw": Withdraw,
        "case": CaseOffer,
        "head": HeadStatement,
        "record": RecordBatch,
        "bundle": BundlePart,
        "account": AccountState,
        "file": FilePart,
    }
)
"""Every kind of message, with the type of its body."""
KIND_OF: Mapping[type[Record], str] = {model: kind for kind, model in KINDS.items()}
KINDS_OF: Mapping[LinkKind, frozenset[str]] = MappingProxyType(
    {
        "partner": frozenset({*KINDS} - {"record", "bundle", "account"}),
        "post": frozenset({"record", "bundle", "account", "file", "head"}),
    }
)
"""Kinds of messages that a kind of link can carry."""
BUNDLE = "bundle"
"""Parts of a centre's models, to its nodes."""
ACCOUNT = "account"
"""People and keys of a post, from its centre."""
FILE = "file"
"""Parts of files of cases, next to the envelopes: :mod:`engine.links.parcel`."""
HEAD = "head"
"""Part of every agreement: it holds nothing of a vehicle, a firm or a person."""


def list_fields(kind: str) -> Mapping[str, bool]:
    """Return the fields of a kind by path, such as ``goods.hs_code``, and which must be there."""
    return dict(_walk_fields(KINDS[kind]))


def _walk_fields(model: type[Record], prefix: str = "") -> Iterator[tuple[str, bool]]:
    for name, field in model.model_fields.items():
        item = _item_model(field.annotation)
        if item is None:
            yield prefix + name, field.is_required() and not prefix
        else:
            yield from _walk_fields(item, f"{prefix}{name}.")


def list_item_fields(kind: str) -> Mapping[str, frozenset[str]]:
    """Return the fields that each item of a list must have, by the list's name."""
    found: dict[str, frozenset[str]] = {}
    for name, field in KINDS[kind].model_fields.items():
        if (item := _item_model(field.annotation)) is not None:
            fields = item.model_fields.items()
            found[name] = frozenset(f"{name}.{key}" for key, one in fields if one.is_required())
    return found


def _item_model(annotation: Any) -> type[Record] | None:
    """Return the model of a list's items, None where they are plain values."""
    kind = bare(annotation)
    items = get_args(kind) if get_origin(kind) is tuple else ()
    is_model = bool(items) and isinstance(items[0], type) and issubclass(items[0], Record)
    return items[0] if is_model else None


def dump_message(message: Record) -> dict[str, Any]:
    """Return a message as JSON values, without absent fields."""
    return message.model_dump(mode="json", exclude_defaults=True)
