"""A provider that lies, dribbles or overflows: read within bounds, believed in nothing unsafe."""

import json
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc.jwk import OctKey, RSAKey

from api.auth.oidc_mapping import OidcMapping
from api.oidc import provider
from api.oidc.attempts import Refusal, SignOnError
from api.oidc.provider import Addresses, Provider

ROLE = {"claim": "groups", "value": "s", "role": "supervisor"}
Answer = Callable[[socket.socket, str], None]


@contextmanager
def server_of(answer: Answer) -> Iterator[str]:
    """Serve one raw answer a connection, and yield the issuer's address."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                try:
                    answer(connection, address)
                except OSError:
                    continue  # the other side had enough

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    yield address
    listener.shutdown(socket.SHUT_RDWR)
    serving.join(60)  # closed first, its number may be another server's, and this one accept there
    listener.close()


def provider_at(issuer: str, *, seconds: float = 5.0) -> Provider:
    given = {"issuer": issuer, "client_id": "darvoza", "roles": [ROLE]}
    given |= {"redirect_uri": "http://localhost/login/oidc/callback"}
    mapping = OidcMapping.model_validate(given, strict=False)
    return Provider(mapping, None, seconds=seconds, skew=0)


def document_of(issuer: str, /, **more: Any) -> dict[str, Any]:
    known = {"issuer": issuer, "authorization_endpoint": f"{issuer}/a"}
    known |= {"token_endpoint": f"{issuer}/t", "jwks_uri": f"{issuer}/k"}
    return known | more


def answer_with(make: Callable[[str], bytes], head: str = "200 OK", more: str = "") -> Answer:
    def answer(connection: socket.socket, address: str) -> None:
        body = make(address)
        lines = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
        connection.sendall(lines.encode() + body)

    return answer


def dribble(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _number in range(1000):
        connection.sendall(b" ")
        time.sleep(0.02)


def say_document(**more: Any) -> Answer:
    return answer_with(lambda address: json.dumps(document_of(address, **more)).encode())


def refusal_of(answer: Answer, *, seconds: float = 5.0) -> Refusal:
    with server_of(answer) as address, pytest.raises(SignOnError) as refused:
        provider_at(address, seconds=seconds).authorization_address(
            state="s", nonce="n", verifier="v" * 64
        )
    return refused.value.refusal


def test_a_right_document_is_believed() -> None:
    """Positive control of what follows."""
    with server_of(say_document()) as address:
        found = provider_at(address)
        for _ in range(2):
            asked = found.authorization_address(state="s", nonce="n", verifier="v" * 64)
            assert asked.startswith(f"{address}/a?")


def test_an_answer_is_bounded_in_bytes_and_seconds() -> None:
    assert refusal_of(dribble, seconds=0.2) is Refusal.PROVIDER_DOWN
    flood = answer_with(lambda _: b" " * (provider.LONGEST_BYTES + 1))
    assert refusal_of(flood) is Refusal.PROVIDER_DOWN


def test_a_provider_that_is_down_is_not_asked_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def refuse(_: socket.socket, address: str) -> None:
        asked.append(address)

    monkeypatch.setattr(provider, "DOWN_SECONDS", 3600.0)
    with server_of(refuse) as address:
        found = provider_at(address)
        for _ in range(3):
            with pytest.raises(SignOnError):
                found.authorization_address(state="s", nonce="n", verifier="v" * 64)
    assert len(asked) == 1


def test_no_redirect_is_followed_and_no_other_body_is_read() -> None:
    moved = answer_with(lambda _: b"", head="302 Found", more="Location: http://127.0.0.1:1/\r\n")
    for answer in (
        moved,
        answer_with(lambda _: b"[]"),
        answer_with(lambda _: b"no"),
        lambda *_: None,
    ):
        assert refusal_of(answer) is Refusal.PROVIDER_DOWN


@pytest.mark.parametrize(
    "more",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://another.example/t"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"token_endpoint": 7},
    ],
)
def test_a_document_of_another_issuer_or_with_unsafe_addresses_is_refused(
    more: dict[str, Any],
) -> None:
    assert refusal_of(say_document(**more)) is Refusal.UNVERIFIED


def test_an_answer_of_another_provider_is_refused() -> None:
    """Mix-up: a provider that says who it is (RFC 9207) must say so each time."""
    with server_of(say_document(authorization_response_iss_parameter_supported=True)) as address:
        found = provider_at(address)
        found.check_origin(address)
        for other in (None, "https://another.example"):
            with pytest.raises(SignOnError):
                found.check_origin(other)
    with server_of(say_document()) as address:
        found = provider_at(address)
        found.check_origin(None)
        with pytest.raises(SignOnError):
            found.check_origin("https://another.example")


STRANGE: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    0,
    1,
    -1,
    1e308,
    True,
    "x",
    ["darvoza"],
    ["darvoza", "x"],
    "\ud800",
)


def test_no_strange_token_is_a_fault_of_ours() -> None:
    """Whatever stands where, in a token that the provider signed: claims, or a refusal by name."""
    issuer, key = "http://localhost:1/o", RSAKey.generate_key(2048, {"kid": "k"})
    found, private = provider_at(issuer), key.private_key
    assert private is not None
    believed = Addresses("a", "t", "k", None, "client_secret_basic", names_itself=False)
    found._kept = {
        name: provider._CachedDocument(value, time.monotonic() + 600)
        for name, value in {"addresses": believed, "keys": [key]}.items()
    }
    header, now = {"alg": "RS256", "kid": "k"}, int(time.time())
    right = {"iss": issuer, "aud": "darvoza", "sub": "1", "nonce": "n", "iat": now, "exp": now + 60}

    def verify(header: Any, claims: Any) -> Any:
        parts = (json.dumps(part).encode() for part in (header, claims))
        signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        token = signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")
        try:
            return found.verify(token.decode(), nonce="n")
        except SignOnError as refused:
            return refused.refusal

    assert verify(header, right) == right
    for value in STRANGE:
        for name in ("alg", "kid", "crit", "b64", "jwk", "jku", "zip"):
            verify(header | {name: value}, right)
        for name in ("iss", "aud", "exp", "nonce", "sub", "iat", "nbf", "azp"):
            verify(header, right | {name: value})
        assert verify(value, right) is verify(header, value) is Refusal.UNVERIFIED
        for name in ("iss", "nonce"):
            assert verify(header, right | {name: value}) is Refusal.UNVERIFIED
    for token in ("", ".", "..", "a.b.c", "é.é.é", "a." * 9, "a" * 10_000):
        with pytest.raises(SignOnError):
            found.verify(token, nonce="n")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"{}", Refusal.UNVERIFIED),
        (b"[]", Refusal.PROVIDER_DOWN),
        (b'"text"', Refusal.PROVIDER_DOWN),
        (b"null", Refusal.PROVIDER_DOWN),
        (b"<html>", Refusal.PROVIDER_DOWN),
        (b'{"access_token": "a", "token_type": "bearer"}', Refusal.UNVERIFIED),
        (b'{"access_token": "a", "token_type": "bearer", "id_token": 7}', Refusal.UNVERIFIED),
        (b'{"error": "invalid_grant"}', Refusal.DECLINED),
    ],
)
def test_no_strange_answer_is_a_fault_of_ours(body: bytes, refusal: Refusal) -> None:
    with server_of(answer_with(lambda _: body)) as address:
        found = provider_at(address)
        believed = Addresses("a", f"{address}/t", "k", None, "none", names_itself=False)
        found._kept["addresses"] = provider._CachedDocument(believed, time.monotonic() + 600)
        with pytest.raises(SignOnError) as refused:
            found.exchange("c", verifier="v" * 64, nonce="n")
    assert refused.value.refusal is refusal


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_signing_keys_are_long_enough_and_of_the_right_kind() -> None:
    good, short = RSAKey.generate_key(2048), RSAKey.generate_key(1024)
    given = [
        good.as_dict(private=False) | {"kid": "good"},
        good.as_dict(private=False) | {"kid": "for encryption", "use": "enc"},
        short.as_dict(private=False) | {"kid": "short"},
        OctKey.generate_key(256).as_dict(private=True) | {"kid": "shared"},
        {"kty": "RSA", "kid": "broken", "n": "AQ"},
        {"kty": "EC", "kid": "off the curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
        "no key",
    ]
    keys = provider._read_keys({"keys": given})
    assert [key.kid for key in keys] == ["good"]
    assert provider._find_key(keys, None) is keys[0] and provider._find_key(keys, "x") is None
    assert provider._read_keys({}) == [] and provider._find_key([], None) is None
    assert provider._find_key([keys[0], keys[0]], None) is None, "which one is a guess"
