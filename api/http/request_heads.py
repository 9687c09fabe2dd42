"""Request heads that two readers could take in two ways, and headers that every answer owes.

Of a header that must be given once and comes twice, one reader takes the first and another the
last: a proxy may have checked the one that the service does not use. Such a request is refused
before anything is looked up. Works on the ASGI level, so it holds for pages, JSON and files alike.
"""

from collections.abc import Sequence

from starlette.types import Scope

from engine.errors import AmbiguousHeadError

ONCE = (b"host", b"authorization", b"idempotency-key")
"""Headers that may be given once."""
OWED = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What an answer says where it says nothing else of it: it is about one moment and one caller."""

_Headers = Sequence[tuple[bytes, bytes]]


def find_ambiguity(scope: Scope) -> AmbiguousHeadError | None:
    """Return what refuses a request whose head is ambiguous, None for every other."""
    why = ambiguity(scope["headers"], scope.get("http_version", ""))
    return None if why is None else AmbiguousHeadError(why)


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
