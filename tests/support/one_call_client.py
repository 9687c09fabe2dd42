"""A test client whose every request is one call of the service's thread.

Starlette's calls it eight times, for an answer that may come in parts: to wake a thread takes
longer than most answers. What it says, and what it does where the service fails, is the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

import anyio
import httpx2
from starlette.testclient import TestClient

Message = dict[str, Any]


class OneCallTransport(httpx2.BaseTransport):
    """Asks the service of a client, and returns its whole answer."""

    def __init__(self, held: Any) -> None:
        """Take the client's own transport, which knows the service."""
        self._held = held

    def close(self) -> None:
        """Close what the client's own transport has open."""
        self._held.close()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer to one request."""
        call = _Call(request)
        scope = _describe(request, self._held)
        with self._held.portal_factory() as portal:
            failed = portal.call(call.run, self._held.app, scope)
        if failed is not None and self._held.raise_server_exceptions:
            raise failed
        body = b"" if request.method == "HEAD" else b"".join(call.parts)
        return httpx2.Response(
            call.status, headers=call.headers, stream=httpx2.ByteStream(body), request=request
        )


class _Call:
    """One request as the service receives it, and what it sends."""

    def __init__(self, request: httpx2.Request) -> None:
        self.status, self.parts = 500, list[bytes]()
        self.headers: list[tuple[str, str]] = []
        self._waiting = [request]

    async def run(
        self, service: Callable[..., Awaitable[None]], scope: Message
    ) -> Exception | None:
        self._ended = anyio.Event()
        try:
            await service(scope, self._receive, self._send)
        except Exception as error:
            return error
        return None

    async def _receive(self) -> Message:
        if self._waiting:  # a body is read once the service asks for it
            return {"type": "http.request", "body": self._waiting.pop().read()}
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(k.decode(), v.decode()) for k, v in message.get("headers", [])]
        elif message["type"] == "http.response.body":
            self.parts.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._ended.set()


def _describe(request: httpx2.Request, held: Any) -> Message:
    url = request.url
    host = url.raw_host.decode("ascii")
    headers = [(k.lower().encode(), v.encode()) for k, v in request.headers.multi_items()]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.split(b"?", 1)[0],
        "root_path": held.root_path,
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": headers,
        "client": held.client,
        "server": [host, url.port or {"http": 80, "https": 443}[url.scheme]],
        "extensions": {"http.response.debug": {}, "http.response.trailers": {}},
        "state": held.app_state.copy(),
    }


def send_together(
    client: TestClient, requests: Sequence[httpx2.Request], *, address: str
) -> list[int]:
    """Send requests to the service of a client at once, from one address; return the statuses."""
    held: Any = client._transport._held  # type: ignore[attr-defined]
    calls = [_Call(request) for request in requests]

    async def send() -> None:
        scopes = [_describe(one, held) | {"client": (address, 50_000)} for one in requests]
        await asyncio.gather(
            *(call.run(held.app, scope) for call, scope in zip(calls, scopes, strict=True))
        )

    with held.portal_factory() as portal:
        portal.call(send)
    return [call.status for call in calls]


def open_client(service: Any) -> TestClient:
    """Return a client of a service, that answers its faults by 500."""
    made = TestClient(service, raise_server_exceptions=False)
    made._transport = OneCallTransport(made._transport)
    return made


def open_browser(client: TestClient) -> TestClient:
    """Return a client with cookies of its own, of a service that another client runs.

    Its requests go to the thread of that one: a client without a thread makes one for each. Faults
    of the service are raised, and no redirect is followed.
    """
    made = TestClient(client.app, follow_redirects=False)
    held: Any = made._transport
    held.portal_factory = client._portal_factory
    made._transport = OneCallTransport(held)
    return made
