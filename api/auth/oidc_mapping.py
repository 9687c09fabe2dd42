"""Mapping of an identity provider's claims (OpenID Connect) to role, post and agency.

The mapping is written as TOML, and what counts is the one that journal records put into force:
proposed by one person, approved by another, with the provider that it trusts. Values are compared
exactly; there are no patterns and no defaults that grant. No claim enters a record: a grant names
the rules of the mapping that held, and is checked against them when it is replayed.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from api.auth.agencies import ANY, RECORDED, DocumentHistory
from api.auth.permissions import BOUND, MACHINES
from engine.domain.field_types import Code, PostCode
from engine.domain.records import Record
from engine.domain.rights import Role
from engine.domain.validation import read_document
from engine.errors import InputError
from engine.journal.kinds import OIDC_APPROVED, OIDC_PROPOSED

MAPPING_KINDS = (OIDC_PROPOSED, OIDC_APPROVED)
CALLBACK = "/login/oidc/callback"
"""Path to which the provider sends people back."""
PREFIX = "oidc-"
"""Beginning of the names of accounts that claims grant."""
PERSONAL = frozenset(
    {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username",
        "profile", "picture", "website", "email", "email_verified", "gender", "sex", "birthdate",
        "nationality", "citizenship", "place_of_birth", "zoneinfo", "locale", "phone_number",
        "phone_number_verified", "address",
    }
)  # fmt: skip
"""Claims about a human that no rule may ask for, and scopes that would ask for them."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFERRED = ConfigDict(defer_build=True)
"""A service without a provider never builds the validators of a mapping."""
_SCOPE = re.compile(r"[!#-\[\]-~]{1,64}")


def is_safe_address(text: str) -> bool:
    """Tell whether an address is of TLS, or of this machine, and names no account."""
    try:
        parts = urlsplit(text)
        is_plain = "@" not in parts.netloc and not parts.fragment and text.isascii()
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
    except ValueError:
        return False
    return is_safe and is_plain and bool(parts.hostname) and text.isprintable() and " " not in text


def _check_claim(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    path = path_of(value)
    if not path or not all(path):
        raise ValueError("names a claim, or the path of one within others")
    if personal := PERSONAL.intersection(path):
        raise ValueError(f"a claim about a human grants nothing: {min(personal)}")
    return value


ClaimName = Annotated[
    str | Annotated[tuple[str, ...], Field(max_length=8)], AfterValidator(_check_claim)
]
Value = Annotated[str, Field(min_length=1, max_length=256)]


def path_of(claim: str | Sequence[str]) -> tuple[str, ...]:
    """Return a claim's path: one name, or the names from the outermost to the innermost."""
    return (claim,) if isinstance(claim, str) else tuple(claim)


class ClaimRule(Record):
    """A value that a claim must have, or hold in its list."""

    model_config = _DEFERRED

    claim: ClaimName
    value: Value

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether claims have exactly this value, as text."""
        found: Any = claims
        for name in path_of(self.claim):
            found = found.get(name) if isinstance(found, Mapping) else None
        values = found if isinstance(found, list) else [found]
        return any(isinstance(one, str) and one == self.value for one in values)


class RoleRule(ClaimRule):
    """A value that grants a role."""

    role: Role


class PostRule(ClaimRule):
    """A value that grants one post, or every post (``*``)."""

    post: PostCode | Literal["*"]


class AgencyClaimRule(ClaimRule):
    """A value that tells an agency."""

    agency: Code


class OidcMapping(Record):
    """One provider, and what its claims grant: of several rules that hold the first one counts.

    An empty one trusts no provider. Where there are rules of posts or agencies, one of them must
    hold; without any, a role is for every post, and of no agency.
    """

    model_config = _DEFERRED

    issuer: Annotated[str, Field(max_length=500)] = ""
    client_id: Annotated[str, Field(max_length=200)] = ""
    redirect_uri: Annotated[str, Field(max_length=500)] = ""
    """The callback's address of this service, as browsers reach it."""
    scope: Annotated[str, Field(max_length=64)] = ""
    """A scope that is asked for next to ``openid``."""
    roles: Annotated[tuple[RoleRule, ...], Field(max_length=200)] = ()
    posts: Annotated[tuple[PostRule, ...], Field(max_length=500)] = ()
    agencies: Annotated[tuple[AgencyClaimRule, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _check_completeness(self, info: ValidationInfo) -> Self:
        if info.context is RECORDED or self == type(self).model_construct():
            return self
        roles = {rule.role for rule in self.roles}
        is_issuer = is_safe_address(self.issuer) and "?" not in self.issuer
        for name, why, is_right in (
            ("issuer", "an address of https, without a query", is_issuer),
            ("client_id", "the name of this service at the provider", bool(self.client_id)),
            ("redirect_uri", f"an address of https that ends in {CALLBACK}", self._is_ours()),
            ("scope", "one scope, and none about a human", self._is_lean()),
            ("roles", "at least one rule", bool(self.roles)),
            ("roles", "no role of machines alone", MACHINES.isdisjoint(roles)),
            (
                "posts",
                "a role of one post needs rules of posts",
                bool(self.posts) or BOUND.isdisjoint(roles),
            ),
        ):
            if not is_right:
                raise PydanticCustomError("mapping", "{why}", {"field": name, "why": why})
        return self

    def _is_ours(self) -> bool:
        is_callback = urlsplit(self.redirect_uri).path == CALLBACK
        return is_safe_address(self.redirect_uri) and is_callback and "?" not in self.redirect_uri

    def _is_lean(self) -> bool:
        is_known = self.scope in {"openid", "phone", "offline_access", *PERSONAL}
        return not self.scope or (_SCOPE.fullmatch(self.scope) is not None and not is_known)

    def match(self, claims: Mapping[str, Any]) -> "Rules":
        """Return which rules hold; raises ``MissingGrantError`` where one is missing."""
        found = Rules(
            *(
                next((at for at, rule in enumerate(rules) if rule.holds(claims)), None)
                for rules in (self.roles, self.posts, self.agencies)
            )
        )
        self.resolve(found)
        return found

    def resolve(self, found: "Rules") -> "Grant":
        """Return what rules grant; raises ``MissingGrantError``, ``IndexError``."""
        if found.role is None:
            raise MissingGrantError("role")
        role = self.roles[found.role].role
        post = self._resolve_post(found.post)
        if post is None and role in BOUND:
            raise MissingGrantError("post")
        if found.agency is None and self.agencies:
            raise MissingGrantError("agency")
        agency = None if found.agency is None else self.agencies[found.agency].agency
        return Grant(role, post, agency)

    def _resolve_post(self, at: int | None) -> str | None:
        if at is None and self.posts:
            raise MissingGrantError("post")
        post = None if at is None else self.posts[at].post
        return None if post == ANY else post


@dataclass(frozen=True, slots=True)
class Rules:
    """Places of the rules that hold, in their lists."""

    role: int | None
    post: int | None
    agency: int | None

    def dump(self) -> list[int | None]:
        """Return them as a record holds them."""
        return [self.role, self.post, self.agency]


@dataclass(frozen=True, slots=True)
class Grant:
    """What rules grant; a post of None means every post."""

    role: Role
    post: str | None
    agency: str | None


class MissingGrantError(Exception):
    """No rule grants a role, a post or an agency; ``what`` is one of these words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class MappingHistory(DocumentHistory[OidcMapping]):
    """The mappings, and the one in force; a broken one trusts no provider."""

    def __init__(self) -> None:
        super().__init__(OidcMapping.model_construct(), name="mapping", approved=OIDC_APPROVED)

    @property
    def in_force(self) -> OidcMapping | None:
        """The mapping that counts, None where no provider is trusted."""
        return None if self.is_broken or not self.document.issuer else self.document

    def grant(self, body: Mapping[str, Any]) -> Grant | None:
        """Return what a record of a grant is good for: what its rules say now, else nothing."""
        if self.in_force is None or body.get("mapping") != self.sequence or "role" not in body:
            return None
        try:
            found = self.in_force.resolve(Rules(*body["rules"]))
        except (MissingGrantError, IndexError, TypeError, KeyError):
            return None
        return found if found.role == body["role"] else None


def read_mapping(path: Path) -> tuple[OidcMapping, str]:
    """Return a mapping and the SHA-256 of its file; raises ``InputError``."""
    found = read_document(path, OidcMapping)
    return found, hashlib.sha256(path.read_bytes()).hexdigest()


def check_mapping(mapping: OidcMapping, posts: Iterable[str], agencies: Iterable[str]) -> None:
    """Refuse posts and agencies that a network file does not name; raises ``InputError``.

    Where the network file names none, any will do.
    """
    for name, known, used in (
        ("posts", {*posts}, [rule.post for rule in mapping.posts if rule.post != ANY]),
        ("agencies", {*agencies}, [rule.agency for rule in mapping.agencies]),
    ):
        if known and (stray := sorted(set(used) - known)):
            raise InputError(name, f"the network file does not name {', '.join(stray)}")
