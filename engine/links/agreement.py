"""The agreement of a link: what two installations agreed may travel between them.

One side writes it as TOML and both read it; the link's name in envelopes is a digest of its
content, so both sides have the same text in force or no link at all. Nothing travels that an
agreement does not name: kinds, directions and fields are closed lists.

The sender leaves out the fields that were not agreed; the receiver refuses a message that holds
more. Both read one agreement, so a fault on one side alone discloses nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from engine.domain.field_types import Code, Hex32, Identifier, PostCode, Text, Time
from engine.domain.network import IdentifierField
from engine.domain.records import Record
from engine.domain.validation import list_faults, read_toml
from engine.errors import InputError, RecordError
from engine.journal.hash_chain import canonical
from engine.links.identity import LinkIdentity, is_receiving_key
from engine.links.messages import (
    HEAD,
    KIND_OF,
    KINDS,
    KINDS_OF,
    LinkKind,
    dump_message,
    list_fields,
    list_item_fields,
)

_PURPOSE = b"darvoza link 1"
RECORD = "agreement"
"""Name of an agreement in errors."""
NATIONAL_FIELDS: frozenset[str] = frozenset(get_args(IdentifierField))
"""Identifiers of one administration: of no use to another without a common domain."""


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
    if parts.scheme != "https" or not parts.hostname or not is_plain:
        raise PydanticCustomError("malformed_url", "https://host[:port][/path] and nothing more")
    return value.rstrip("/")


def _check_receiving_key(value: str) -> str:
    if not is_receiving_key(bytes.fromhex(value)):
        raise PydanticCustomError("weak_key", "no key that anything can be encrypted to")
    return value


class Party(Record):
    """One of the two installations."""

    name: Code
    administration: Identifier
    role: Literal["partner", "node", "centre"] = "partner"
    """A post's node and its centre, where both are of one administration."""
    signing_key: Hex32
    receiving_key: Annotated[Hex32, AfterValidator(_check_receiving_key)]
    url: Annotated[str, Field(max_length=500), AfterValidator(_check_url)] | None = None
    """Where its service takes envelopes; None where they go to it by file alone."""

    @property
    def identity(self) -> LinkIdentity:
        """Its public keys."""
        return LinkIdentity(bytes.fromhex(self.signing_key), bytes.fromhex(self.receiving_key))


class PostPair(Record):
    """Two posts that face each other, in the order of the parties."""

    posts: Annotated[tuple[PostCode, ...], Field(min_length=2, max_length=2)]


class MessageRule(Record):
    """One kind of message in one direction."""

    kind: str
    sender: Annotated[Code, Field(alias="from")]
    purpose: Code | None = None
    """One of the agreement's; every message between administrations has one."""
    fields: Annotated[tuple[str, ...], Field(max_length=200)] = ()
    """Paths, such as ``plate`` and ``goods.hs_code``; empty for a link of kind ``post``: all."""
    expires_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24 * 7
    """An envelope that arrives later is refused."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MatchLimits:
    """What one side answers the other within a period when watch lists are compared."""

    elements_per_request: Annotated[int, Field(ge=1, le=10_000)]
    requests_per_day: Annotated[int, Field(ge=1, le=10_000)]
    elements_per_period: Annotated[int, Field(ge=1, le=10_000)]
    """An enumeration gets as many answers: below 1 % of the plates that are worth one."""
    period_days: Annotated[int, Field(ge=1, le=366)]
    entries: Annotated[int, Field(ge=1, le=10_000)]
    """Tokens that the answering side sends: the size of its list."""
    refusals: Annotated[int, Field(ge=1, le=100)]
    """Requests that come too often within a period, from which on the link is stopped too."""


class Agreement(Record):
    """A validated agreement. Its name tells it from others of the same home."""

    name: Code
    kind: LinkKind
    purposes: Annotated[tuple[Code, ...], Field(min_length=1, max_length=16)]
    ground: Text
    """The legal ground, as a lawyer would cite it."""
    expires: Time
    parties: Annotated[tuple[Party, ...], Field(min_length=2, max_length=2)]
    posts: Annotated[tuple[PostCode, ...], Field(max_length=200)] = ()
    """Posts of the node, where the link is of kind ``post``."""
    pairs: Annotated[tuple[PostPair, ...], Field(max_length=200)] = ()
    """Posts that face each other, where the link is of kind ``partner``."""
    identifiers: dict[IdentifierField, Identifier] = Field(default_factory=dict)
    """Domains, such as ``EORI``, within which both sides' national identifiers are compared."""
    matching: MatchLimits | None = None
    """Limits of comparing watch lists; an agreement with messages of kind ``match`` states them."""
    messages: Annotated[tuple[MessageRule, ...], Field(min_length=1, max_length=40)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_parties(self)
        _check_posts(self)
        seen: set[tuple[str, str]] = set()
        for at, rule in enumerate(self.messages):
            if (rule.kind, rule.sender) in seen:
                raise _fault(
                    f"messages.{at}", "duplicate_id", "this kind and direction stand twice"
                )
            seen.add((rule.kind, rule.sender))
            _check_rule(self, rule, f"messages.{at}")
        if self.matching is None and "match" in {rule.kind for rule in self.messages}:
            raise _fault("matching", "missing_key", "watch lists are compared within stated limits")
        return self

    @property
    def link(self) -> str:
        """Name of the link in envelopes: 32 hexadecimal digits that commit to this content."""
        return sha256(_PURPOSE + canonical(self.content())).hexdigest()[:32]

    @property
    def expires_at(self) -> int:
        """When it ends by itself: UTC microseconds."""
        return int(self.expires.timestamp()) * 1_000_000

    def content(self) -> dict[str, Any]:
        """Return the agreement as JSON values."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def party(self, fingerprint: str) -> Party | None:
        """Return the party with this fingerprint, None where it is neither."""
        return next((p for p in self.parties if p.identity.fingerprint == fingerprint), None)

    def other(self, party: Party) -> Party:
        """Return the other party."""
        return self.parties[1] if party == self.parties[0] else self.parties[0]

    def rule(self, kind: str, sender: Party) -> MessageRule | None:
        """Return what was agreed for a kind of message of a party, None where nothing was."""
        found = next((r for r in self.messages if (r.kind, r.sender) == (kind, sender.name)), None)
        if found is None and kind == HEAD:
            return MessageRule.model_validate({"kind": HEAD, "from": sender.name})
        return found

    def posts_of(self, party: Party) -> frozenset[str]:
        """Return the posts of a party that messages may name."""
        if self.kind == "post":
            return frozenset(self.posts)
        return frozenset(pair.posts[self.parties.index(party)] for pair in self.pairs)


def _fault(field: str, rule: str, why: str) -> PydanticCustomError:
    # The type of a custom error must be a literal of its own, so the rule travels as text.
    return PydanticCustomError(rule, "{why}", {"field": field, "why": why})


def _check_parties(agreement: Agreement) -> None:
    one, other = agreement.parties
    keys = {one.signing_key, one.receiving_key, other.signing_key, other.receiving_key}
    if one.name == other.name:
        raise _fault("parties", "duplicate_id", "both parties have one name")
    if len(keys) < 4:
        raise _fault("parties", "duplicate_id", "each party has its own two keys")
    roles = {one.role, other.role}
    if roles != ({"partner"} if agreement.kind == "partner" else {"node", "centre"}):
        why = "two partners, or for a link of kind post one node and one centre"
        raise _fault("parties", "party_roles", why)


def _check_posts(agreement: Agreement) -> None:
    wanted, other = ("pairs", "posts") if agreement.kind == "partner" else ("posts", "pairs")
    if not getattr(agreement, wanted):
        raise _fault(wanted, "missing_key", f"a link of kind {agreement.kind} needs {wanted}")
    if getattr(agreement, other):
        why = f"a link of kind {agreement.kind} has no {other}"
        raise _fault(other, "unknown_field", why)


def _check_rule(agreement: Agreement, rule: MessageRule, at: str) -> None:
    if rule.kind not in KINDS:
        raise _fault(f"{at}.kind", "unknown_kind", f"one of {', '.join(KINDS)}")
    if rule.kind not in KINDS_OF[agreement.kind]:
        why = f"a link of kind {agreement.kind} does not carry it"
        raise _fault(f"{at}.kind", "kind_not_agreed", why)
    if rule.sender not in {party.name for party in agreement.parties}:
        raise _fault(f"{at}.from", "unknown_party", "the name of one of the parties")
    if agreement.kind == "post":
        if rule.fields:
            why = "a link of kind post carries whole messages"
            raise _fault(f"{at}.fields", "unknown_field", why)
        return
    if rule.purpose not in agreement.purposes:
        raise _fault(f"{at}.purpose", "unknown_purpose", "one of the agreement's purposes")
    _check_fields(agreement, rule, at)


def _check_fields(agreement: Agreement, rule: MessageRule, at: str) -> None:
    known, agreed = list_fields(rule.kind), frozenset(rule.fields)
    if unknown := sorted(agreed - known.keys()):
        raise _fault(f"{at}.fields", "unknown_field", f"no field of {rule.kind}: {unknown[0]}")
    needed = {name for name, is_needed in known.items() if is_needed}
    for name, of_item in list_item_fields(rule.kind).items():
        if any(path.startswith(f"{name}.") for path in agreed):
            needed |= of_item
    if missing := sorted(needed - agreed):
        why = f"a {rule.kind} cannot be without {missing[0]}"
        raise _fault(f"{at}.fields", "missing_key", why)
    national = (agreed & NATIONAL_FIELDS) - agreement.identifiers.keys()
    if national:
        why = f"[identifiers] names no common domain of {min(national)}"
        raise _fault(f"{at}.fields", "not_comparable", why)


def parse_agreement(content: Mapping[str, Any]) -> Agreement:
    """Return the agreement of parsed TOML or of a record; raises ``RecordError``."""
    try:
        return Agreement.model_validate(_without_dates(content), strict=False)
    except ValidationError as error:
        where, rule, why = list_faults(error)[0]
        raise RecordError(RECORD, ".".join(map(str, where)), rule, why) from None


def read_agreement(path: Path) -> Agreement:
    """Read an agreement's TOML file; raises ``InputError`` naming the field and the rule."""
    try:
        return parse_agreement(read_toml(path))
    except RecordError as error:
        raise InputError(path.name, f"{error.field}: {error.message} ({error.rule})") from None


def _without_dates(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with whole seconds of UTC: equal instants have one digest."""
    expires = content.get("expires")
    if isinstance(expires, datetime) and expires.tzinfo is not None:
        return {**content, "expires": expires.astimezone(UTC).replace(microsecond=0)}
    return dict(content)


def select_fields(agreement: Agreement, *, sender: Party, message: Record) -> dict[str, Any]:
    """Return the body that may travel: the agreed fields of a message.

    Raises ``RecordError`` where the kind was not agreed in this direction, or where what is left
    is no valid message or names what the agreement does not cover.
    """
    kind = KIND_OF[type(message)]
    rule = _find_rule(agreement, kind, sender)
    body = dump_message(message)
    if rule.fields:
        body = _keep(body, frozenset(rule.fields))
    check_body(agreement, kind=kind, sender=sender, body=body)
    return body


def check_body(
    agreement: Agreement, *, kind: str, sender: Party, body: Mapping[str, Any]
) -> Record:
    """Return the message of a body that arrived; raises ``RecordError`` for the first fault."""
    rule = _find_rule(agreement, kind, sender)
    try:
        message = KINDS[kind].model_validate(dict(body))
    except ValidationError as error:
        where, broken, why = list_faults(error)[0]
        raise RecordError(kind, ".".join(map(str, where)), broken, why) from None
    if rule.fields:
        agreed = frozenset(rule.fields)
        if extra := next((path for path in list_paths(body) if path not in agreed), None):
            raise RecordError(kind, extra, "field_not_agreed", "the agreement does not name it")
    _check_values(agreement, kind, sender, message)
    return message


def _find_rule(agreement: Agreement, kind: str, sender: Party) -> MessageRule:
    if kind not in KINDS:
        raise RecordError("message", "kind", "unknown_kind", "no kind of message")
    rule = agreement.rule(kind, sender)
    if rule is None:
        why = "the agreement does not let this side send it"
        raise RecordError(kind, "kind", "kind_not_agreed", why)
    return rule


def _check_values(agreement: Agreement, kind: str, sender: Party, message: Record) -> None:
    """Refuse posts and identifiers that are outside the agreement."""
    post = getattr(message, "post", None)
    is_free = not post or (agreement.kind == "post" and sender.role == "centre")
    if not is_free and post not in agreement.posts_of(sender):
        raise RecordError(kind, "post", "post_not_agreed", "the agreement does not name this post")
    named = getattr(message, "identifier", None)
    if named in NATIONAL_FIELDS and named not in agreement.identifiers:
        why = "the agreement names no common domain of this identifier"
        raise RecordError(kind, "identifier", "not_comparable", why)


def list_paths(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of a body's fields, those of a list's items as ``list.field``."""
    for name, value in body.items():
        items = value if isinstance(value, list) and any(map(_is_object, value)) else None
        if items is None:
            yield name
        else:
            yield from dict.fromkeys(f"{name}.{key}" for item in items for key in item)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _keep(body: Mapping[str, Any], agreed: frozenset[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in body.items():
        if name in agreed:
            kept[name] = value
        elif isinstance(value, list) and any(map(_is_object, value)):
            items = [{k: v for k, v in item.items() if f"{name}.{k}" in agreed} for item in value]
            if filled := [item for item in items if item]:
                kept[name] = filled
    return kept
