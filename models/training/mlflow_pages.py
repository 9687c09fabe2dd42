"""MLflow's pages behind a key, so that other accounts of the machine cannot use them.

MLflow asks for no name, and listens on an address that every account of the machine can
reach. ``darvoza mlflow`` makes a key at each start and shows it to the person who started it; each
request has to bring it as the password of HTTP basic authentication. The key is passed on in the
environment, which other accounts cannot see, and never on a command line, which they can.

Even with the key no page may name a place in the file system where MLflow would read or write:
experiments of this home are made by training (:mod:`models.training.mlflow_tracking`), not through
the pages. MLflow finds :func:`create_app` by the entry point ``darvoza`` of the group
``mlflow.app``.
"""

import base64
import binascii
import hmac
import json
import os
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

KEY_VARIABLE = "DARVOZA_MLFLOW_KEY"
USER = "analyst"
LONGEST_BODY = 16 << 20
"""Bytes of a body that is looked at; longer ones are refused, uploads of artifacts excepted."""
UPLOADS = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
_LOCATIONS = frozenset({"artifactlocation", "artifacturi", "artifactroot", "source"})
"""Names of fields that may hold a place, without underscores and capitals."""
_LOCAL = ("file:", "/", "\\", ".", "~")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app() -> "KeyGuard":
    """Return MLflow's application behind the key that the environment holds."""
    from mlflow.server.fastapi_app import app

    return KeyGuard(app, os.environ[KEY_VARIABLE])


class KeyGuard:
    """Lets through what brings the key and names no place in the file system; pure ASGI."""

    def __init__(self, app: App, key: str) -> None:
        if not key:
            raise ValueError("the key is empty")
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with 401, 400 or 413."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif not self._is_known(scope):
            await _refuse(send, 401, "the key that darvoza mlflow showed is needed")
        elif scope["method"] in ("GET", "HEAD") or scope["path"].startswith(UPLOADS):
            await self._app(scope, receive, send)
        else:
            await self._check_body(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        kind, _, coded = given.partition(b" ")
        try:
            _, _, password = base64.b64decode(coded, validate=True).partition(b":")
        except binascii.Error:
            return False
        return kind.lower() == b"basic" and hmac.compare_digest(password, self._key)

    async def _check_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a body whole, and pass it on where it names no place in the file system."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > LONGEST_BODY:
                await _refuse(send, 413, "the body is too long")
                return
            if not message.get("more_body", False):
                break
        if any(map(_is_local, _places(_parse_body(bytes(body))))):
            await _refuse(send, 400, "a location in the file system is not taken")
            return
        left = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> MutableMapping[str, Any]:
            return left.pop() if left else await receive()

        await self._app(scope, again, send)


def _parse_body(body: bytes) -> Any:
    """Return a body as MLflow reads it, which also takes JSON within a JSON string."""
    try:
        found = json.loads(body)
        return json.loads(found) if isinstance(found, str) else found
    except ValueError:
        return None


def _places(value: Any) -> Iterator[str]:
    """Yield the values of all fields that may hold a place, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                if name.replace("_", "").lower() in _LOCATIONS:
                    yield inner
            else:
                yield from _places(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner)


def _is_local(place: str) -> bool:
    """Tell whether a place is one of the file system, absolute, relative or as a URL."""
    plain = place.strip().lower()
    has_scheme = ":" in plain.partition("/")[0]
    return plain.startswith(_LOCAL) or ("{" not in plain and bool(plain) and not has_scheme)


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="darvoza mlflow", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
