"""A mapping of the test provider's groups, put into force by two people."""

from typing import Any

from api.auth.oidc_mapping import CALLBACK, OidcMapping
from api.oidc.sign_on import CLIENT_FILE, OIDC, MappingProposal
from api.service.runtime import Runtime
from tests.integration.service.auth.provider_process import IdentityProvider
from tests.support.people import approve, propose
from tests.support.running_service import POST

GROUPS: dict[str, Any] = {
    "roles": [
        {"claim": "groups", "value": "supervisors", "role": "supervisor"},
        {"claim": "groups", "value": "analysts", "role": "analyst"},
    ],
    "posts": [
        {"claim": "groups", "value": "oybek", "post": POST},
        {"claim": "groups", "value": "every-post", "post": "*"},
    ],
}


def mapping_of(issuer: str, service: str, **more: Any) -> OidcMapping:
    """Return a mapping; ``service`` is where browsers reach the service."""
    given = {"issuer": issuer, "client_id": "darvoza", "scope": "groups"} | GROUPS
    given |= {"redirect_uri": service + CALLBACK}
    return OidcMapping.model_validate(given | more, strict=False)


def put_into_force(runtime: Runtime, mapping: OidcMapping) -> None:
    """Let an administrator propose a mapping and a supervisor approve it."""
    proposed = MappingProposal(mapping=mapping, file="0" * 64)
    subject = propose(runtime, OIDC, proposed, by="the-administrator")
    approve(runtime, OIDC, subject, by="the-supervisor")


def trust_provider(runtime: Runtime, provider: IdentityProvider, service: str) -> None:
    """Let a service trust the test provider."""
    provider.control(service=[service])
    secret = runtime.home.keys / CLIENT_FILE
    secret.touch(0o600)
    secret.write_text(provider.secret, "ascii")
    put_into_force(runtime, mapping_of(provider.issuer, service))
