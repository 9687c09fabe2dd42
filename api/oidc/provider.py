"""An identity provider: its addresses and keys by discovery, and claims that are verified.

Its documents are read over TLS (or from this machine), without redirects, within a size and a time;
they are kept for a while, and the keys are read again for a token that names an unknown one. Of a
token only signatures by the provider's public keys count. :mod:`api.oidc.sign_on` loads this module
with the first sign-on: a service without a provider imports neither Authlib nor an HTTP client.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from api.auth.oidc_mapping import OidcMapping, is_safe_address
from api.oidc.attempts import Refusal, SignOnError

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
)  # fmt: skip
"""Signatures by a private key; never ``none``, and no shared secret."""
KEY_TYPES = ("RSA", "EC")
LEAST_RSA_BITS = 2048
KEPT_SECONDS = 300.0
"""How long addresses and keys are believed: a key that the provider withdrew lives on so long."""
DOWN_SECONDS = 2.0
"""How long a provider that did not answer is left alone: others who wait are refused at once."""
AGAIN_SECONDS = 10.0
"""The least time between two readings of the keys for tokens that name an unknown one."""
LONGEST_BYTES = 256 * 1024
_DISCOVERY = "/.well-known/openid-configuration"
_METHODS = ("client_secret_basic", "client_secret_post")
_LONGEST_SUBJECT = 255
Key = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the provider says of itself."""

    authorize: str
    token: str
    keys: str
    end_session: str | None
    method: str
    """How a secret is sent to it."""
    names_itself: bool
    """Whether its answers say which provider they come from (RFC 9207)."""


@dataclass(slots=True)
class _CachedDocument:
    value: Any
    at: float


class Provider:
    """One provider, as one mapping names it; threads may share it."""

    def __init__(
        self, mapping: OidcMapping, secret: str | None, *, seconds: float, skew: int
    ) -> None:
        """``seconds`` bounds one answer of the provider, ``skew`` the difference of two clocks."""
        self._mapping = mapping
        self._secret = secret
        self._skew = skew
        self._transport = _BoundedTransport(seconds)
        self._lock = Lock()
        self._kept: dict[str, _CachedDocument] = {}
        self._down_until = 0.0

    def authorization_address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Return where a person is sent to sign on; raises ``SignOnError``."""
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._addresses().authorize, state=state, code_verifier=verifier, nonce=nonce
            )
        return str(address)

    def end_session_address(self, back: str) -> str | None:
        """Return where a person signs out of the provider, None where it offers no such page.

        Raises ``SignOnError``.
        """
        address = self._addresses().end_session
        if address is None:
            return None
        asked = {"client_id": self._mapping.client_id, "post_logout_redirect_uri": back}
        return str(httpx2.URL(address).copy_merge_params(asked))

    def check_origin(self, issuer: str | None) -> None:
        """Refuse an answer of another provider than this one; raises ``SignOnError``."""
        is_owed = self._addresses().names_itself
        if issuer != self._mapping.issuer and (issuer is not None or is_owed):
            raise SignOnError(Refusal.UNVERIFIED)

    def exchange(self, code: str, *, verifier: str, nonce: str) -> Mapping[str, Any]:
        """Return the verified claims for which the provider exchanges a code.

        Raises ``SignOnError``.
        """
        addresses = self._addresses()
        try:
            with self._client(addresses.method) as client:
                found = client.fetch_token(
                    addresses.token,
                    code=code,
                    code_verifier=verifier,
                    grant_type="authorization_code",
                )
        except OAuthError:
            raise SignOnError(Refusal.DECLINED) from None
        except (httpx2.HTTPError, ValueError):
            raise SignOnError(Refusal.PROVIDER_DOWN) from None
        token = found.get("id_token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise SignOnError(Refusal.UNVERIFIED)
        return self.verify(token, nonce=nonce)

    def verify(self, token: str, *, nonce: str) -> Mapping[str, Any]:
        """Return the claims of an ID token; raises ``SignOnError``."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("alg") not in ALGORITHMS:
                raise SignOnError(Refusal.UNVERIFIED)
            found = jwt.decode(token, self._key(header), algorithms=ALGORITHMS)
            self._check_claims(found, nonce)
        except (JoseError, ValueError, TypeError):
            raise SignOnError(Refusal.UNVERIFIED) from None
        return found.claims

    def _check_claims(self, token: jwt.Token, nonce: str) -> None:
        mapping = self._mapping
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": mapping.issuer},
                "aud": {"essential": True, "value": mapping.client_id},
                "sub": {"essential": True},
            },
            params={"client_id": mapping.client_id, "nonce": nonce},
        )
        claims.validate(leeway=self._skew)
        subject = token.claims["sub"]
        is_named = isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT
        if not (is_for(token.claims["aud"], mapping.client_id) and is_named):
            raise ValueError("another audience, or no subject")

    def _client(self, method: str = "none") -> OAuth2Client:
        mapping = self._mapping
        return OAuth2Client(
            client_id=mapping.client_id,
            client_secret=self._secret,
            token_endpoint_auth_method="none" if self._secret is None else method,
            redirect_uri=mapping.redirect_uri,
            scope=" ".join(filter(None, ("openid", mapping.scope))),
            code_challenge_method="S256",
            transport=self._transport,
            trust_env=False,
        )

    def _addresses(self) -> Addresses:
        with self._lock:
            known = self._kept.get("addresses")
            if known is None or time.monotonic() - known.at > KEPT_SECONDS:
                address = self._mapping.issuer.rstrip("/") + _DISCOVERY
                read = _read_addresses(self._get(address), self._mapping.issuer)
                known = self._kept["addresses"] = _CachedDocument(read, time.monotonic())
            found: Addresses = known.value
            return found

    def _key(self, header: Mapping[str, Any]) -> Key:
        """Return the key that a token names; one that names none counts where there is one key."""
        address, name = self._addresses().keys, header.get("kid")
        with self._lock:
            known = self._kept.get("keys")
            age = KEPT_SECONDS + 1 if known is None else time.monotonic() - known.at
            is_unknown = known is None or _find_key(known.value, name) is None
            if known is None or age > (AGAIN_SECONDS if is_unknown else KEPT_SECONDS):
                keys = _read_keys(self._get(address))
                known = self._kept["keys"] = _CachedDocument(keys, time.monotonic())
            key = _find_key(known.value, name)
        if key is None:
            raise SignOnError(Refusal.UNVERIFIED)
        return key

    def _get(self, address: str) -> dict[str, Any]:
        if time.monotonic() < self._down_until:
            raise SignOnError(Refusal.PROVIDER_DOWN)
        try:
            with httpx2.Client(transport=self._transport, trust_env=False) as client:
                found = client.get(address).raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            self._down_until = time.monotonic() + DOWN_SECONDS
            raise SignOnError(Refusal.PROVIDER_DOWN) from None
        if not isinstance(found, dict):
            raise SignOnError(Refusal.PROVIDER_DOWN)
        return found


def is_for(audience: object, client_id: str) -> bool:
    """Tell whether a token is for this client and no other one besides."""
    return audience in (client_id, [client_id])


class _BoundedTransport(httpx2.BaseTransport):
    """Reads answers whole, within a number of bytes and seconds, however they are sent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._inner = httpx2.HTTPTransport(
            verify=ssl.create_default_context(),  # the certificates that this machine trusts
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return an answer; raises ``httpx2.HTTPError``."""
        until = time.monotonic() + self._seconds
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        request.extensions = request.extensions | {"timeout": limits}
        request.headers["Accept-Encoding"] = "identity"
        answer = self._inner.handle_request(request)
        try:
            body = b"".join(_within(answer, until))
        finally:
            answer.close()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body)

    def close(self) -> None:
        """Keep what is shared: a client that ends closes its transport."""


def _within(answer: httpx2.Response, until: float) -> Iterator[bytes]:
    size = 0
    for part in answer.iter_raw():
        size += len(part)
        if size > LONGEST_BYTES:
            raise httpx2.ReadError("an answer that is too long")
        if time.monotonic() > until:
            raise httpx2.ReadTimeout("an answer that takes too long")
        yield part


def _read_addresses(found: Mapping[str, Any], issuer: str) -> Addresses:
    """Return a provider's addresses; raises ``SignOnError`` for a document of another issuer."""
    given = [found.get(f"{name}_endpoint") for name in ("authorization", "token", "end_session")]
    authorize, token, end_session = given
    keys = found.get("jwks_uri")
    if found.get("issuer") != issuer or not all(map(_is_address, (authorize, token, keys))):
        raise SignOnError(Refusal.UNVERIFIED)
    methods = found.get("token_endpoint_auth_methods_supported") or _METHODS
    return Addresses(
        authorize=str(authorize),
        token=str(token),
        keys=str(keys),
        end_session=str(end_session) if _is_address(end_session) else None,
        method=next((one for one in _METHODS if one in methods), _METHODS[0]),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _is_address(text: object) -> bool:
    return isinstance(text, str) and is_safe_address(text)


def _read_keys(found: Mapping[str, Any]) -> list[Key]:
    """Return the public keys of a document that sign; others are left out."""
    keys: list[Key] = []
    given = found.get("keys")
    for one in given if isinstance(given, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in KEY_TYPES:
            continue
        if one.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(one)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < LEAST_RSA_BITS:
            continue
        if isinstance(key, ECKey | RSAKey):
            keys.append(key)
    return keys


def _find_key(keys: list[Key], name: object) -> Key | None:
    if name is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.kid == name), None)
