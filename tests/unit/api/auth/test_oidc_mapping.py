"""Mappings of claims: complete and exact, or refused by field and rule."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.auth.oidc_mapping import (
    Grant,
    MissingGrantError,
    OidcMapping,
    check_mapping,
    is_safe_address,
    read_mapping,
)
from engine.domain.rights import Role
from engine.errors import InputError

SAMPLE = Path(__file__).parents[4] / "docs" / "samples" / "oidc.toml"
ROLE = {"claim": "groups", "value": "s", "role": "supervisor"}
POST = {"claim": "groups", "value": "p", "post": "OYB"}
GOOD: dict[str, Any] = {
    "issuer": "https://id.example/realms/border",
    "client_id": "darvoza",
    "redirect_uri": "https://desk.example/login/oidc/callback",
    "roles": [ROLE],
}
PERSON = {"realm_access": {"roles": ["x", "darvoza-officer"]}, "post": "yallama"}
PERSON |= {"organisation": "state-customs-committee"}


def mapping_of(**more: Any) -> OidcMapping:
    return OidcMapping.model_validate(GOOD | more, strict=False)


def resolve_claims(mapping: OidcMapping, claims: dict[str, Any]) -> Grant:
    return mapping.resolve(mapping.match(claims))


def test_the_sample_is_read_as_its_comments_say() -> None:
    mapping, digest = read_mapping(SAMPLE)
    assert len(digest) == 64
    assert resolve_claims(mapping, PERSON) == Grant(Role.CHECKPOINT, "YAL", "customs")
    widest = PERSON | {"realm_access": {"roles": ["darvoza-officer", "darvoza-supervisor"]}}
    widest["post"] = "headquarters"
    assert resolve_claims(mapping, widest) == Grant(Role.SUPERVISOR, None, "customs")


@pytest.mark.parametrize(
    ("claims", "missing"),
    [
        (PERSON | {"realm_access": {"roles": []}}, "role"),
        (PERSON | {"realm_access": "darvoza-officer"}, "role"),
        (PERSON | {"realm_access": {"roles": ["darvoza-officer2", "DARVOZA-OFFICER"]}}, "role"),
        (PERSON | {"post": "yallama "}, "post"),
        (PERSON | {"post": True}, "post"),
        (PERSON | {"post": "headquarters"}, "post"),  # a checkpoint is of one post
        (PERSON | {"organisation": ["another"]}, "agency"),
        ({}, "role"),
    ],
)
def test_who_has_no_exact_value_gets_nothing(claims: dict[str, Any], missing: str) -> None:
    mapping, _ = read_mapping(SAMPLE)
    with pytest.raises(MissingGrantError) as refused:
        resolve_claims(mapping, claims)
    assert refused.value.what == missing


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"issuer": "http://id.example"}, "issuer"),
        ({"issuer": "https://id.example?x=1"}, "issuer"),
        ({"issuer": "https://me@id.example"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"redirect_uri": "https://desk.example/elsewhere"}, "redirect_uri"),
        ({"redirect_uri": "http://desk.example/login/oidc/callback"}, "redirect_uri"),
        ({"scope": "profile"}, "scope"),
        ({"scope": "email"}, "scope"),
        ({"scope": "offline_access"}, "scope"),
        ({"scope": "one two"}, "scope"),
        ({"roles": []}, "roles"),
        ({"roles": [ROLE | {"role": "checkpoint"}]}, "posts"),
        ({"roles": [ROLE | {"role": "owner"}]}, "roles.0.role"),
        ({"roles": [ROLE | {"claim": "email"}]}, "roles.0.claim"),
        ({"roles": [ROLE | {"claim": ["user", "birthdate"]}]}, "roles.0.claim"),
        ({"roles": [ROLE | {"claim": []}]}, "roles.0.claim"),
        ({"roles": [ROLE | {"value": ""}]}, "roles.0.value"),
        ({"roles": [ROLE | {"pattern": ".*"}]}, "roles.0.pattern"),
        ({"agencies": [{"claim": "o", "value": "c", "agency": "Customs"}]}, "agencies.0.agency"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_what_is_wrong_is_named(more: dict[str, Any], field: str, tmp_path: Path) -> None:
    mapping_of()
    with pytest.raises(ValidationError) as refused:
        mapping_of(**more)
    error = refused.value.errors()[0]
    place = error.get("ctx", {}).get("field") or ".".join(map(str, error["loc"]))
    assert str(place).startswith(field)


def test_a_file_names_its_fault(tmp_path: Path) -> None:
    file = tmp_path / "oidc.toml"
    for text, words in (
        ("issuer = 'https://id.example'", "client_id: the name of this service"),
        ("issuer =", "not a TOML file"),
    ):
        file.write_text(text, "utf-8")
        with pytest.raises(InputError, match=words):
            read_mapping(file)
    file.write_text("", "utf-8")
    assert read_mapping(file)[0] == OidcMapping(), "an empty one trusts no provider"


def test_posts_and_agencies_are_those_of_the_network() -> None:
    mapping = mapping_of(posts=[POST, POST | {"post": "*"}])
    check_mapping(mapping, ["OYB"], [])
    check_mapping(mapping, [], [])
    with pytest.raises(InputError, match="OYB"):
        check_mapping(mapping, ["FOT"], [])


def test_addresses_are_of_tls_or_of_this_machine() -> None:
    for text, is_safe in {
        "https://id.example/a": True,
        "http://localhost:1/a": True,
        "http://127.0.0.1/a": True,
        "http://127.0.0.1.example/a": False,
        "http://localhost@evil.example": False,
        "https://": False,
        "https://[": False,
        "javascript:alert(1)": False,
        "https://id.example/\n": False,
        "//id.example": False,
        "https://иd.example": False,
    }.items():
        assert is_safe_address(text) is is_safe, text
