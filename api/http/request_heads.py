"""Request heads that two readers could take in two ways, and headers that every answer owes.

Of a header that must be given once and comes twice, one reader takes the first and another the
last: a proxy may have checked the one that the service does not use. Such a request is refused
before anything is looked up. Works on the ASGI level, so it holds for pages, JSON and files alike.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import refusal
from engine.errors import AmbiguousHeadError

ONCE = (b"host", b"authorization", b"idempotency-key")
"""Headers that may be given once."""
OWED = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What an answer says where it says nothing else of it: it is about one moment and one caller."""

_Headers = Sequence[tuple[bytes, bytes]]


class HeadCheck:
    """Refuses ambiguous heads, and adds to each answer what it owes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = complete(message.get("headers", ()))
            await send(message)

        why = ambiguity(scope["headers"], scope.get("http_version", ""))
        if why is not None:
            error = AmbiguousHeadError(why)
            return await refusal(error, instance="/")(scope, receive, send_completed)
        return await self._app(scope, receive, send_completed)


def ambiguity(headers: _Headers, version: str) -> str | None:
    """Return what is ambiguous about a request's head, None where nothing is."""
    names = [name for name, _ in headers]
    for name in ONCE:
        if names.count(name) > 1:
            return f"the header {name.decode().title()} is given twice"
    if version == "1.1" and b"host" not in names:
        return "the header Host is missing"
    return None


def complete(headers: _Headers) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers, with those that it owes and does not have."""
    names = {name.lower() for name, _ in headers}
    return [*headers, *(owed for owed in OWED if owed[0] not in names)]
