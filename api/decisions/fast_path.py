"""The fast path of an ordinary request for a decision, past routing and dependencies.

Nearly every request asks for a decision, shows a key that was looked up lately, and says how long
its body is. Finding that out again by the framework's general means costs more than reading the
body. What is not as ordinary as that goes the long way, through the documented route, before a byte
of its body is read. Both ways end in one function, so they answer alike; a test compares them.
"""

from dataclasses import dataclass
from types import SimpleNamespace

from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.callers import Caller
from api.decisions.routes import await_decision
from api.http.dependencies import LONGEST_IDEMPOTENCY_KEY
from api.http.problems import refusal
from api.http.request_bodies import CUT_SHORT, parse_body
from api.http.responses import answer
from api.service.runtime import Runtime
from engine.domain.records import Arrival
from engine.errors import MalformedBodyError, RiskError

_METHOD, _PATH = "POST", "/v1/decisions"
_ROUTE = SimpleNamespace(path=_PATH, path_format=_PATH)
"""The route, by the names that a route of the framework has."""


@dataclass(frozen=True, slots=True)
class _DecisionRequest:
    caller: Caller
    key: str | None
    """The sender's idempotency key."""
    size: int
    """Bytes that the body was said to have."""


class FastPath:
    """Answers ordinary requests for a decision; passes on all others untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != _METHOD:
            return await self._app(scope, receive, send)
        service: Runtime = scope["app"].state.runtime
        asked = _ordinary(scope, service)
        if asked is None:
            return await self._app(scope, receive, send)
        scope["route"] = _ROUTE
        raw = await _body(receive)
        if raw is None:
            return None  # the sender went away
        try:
            if len(raw) != asked.size:
                raise MalformedBodyError(CUT_SHORT)
            result = await await_decision(
                service, asked.caller, parse_body(raw, Arrival), asked.key
            )
        except RiskError as error:
            return await refusal(error, instance=_PATH)(scope, receive, send)
        return await answer(result, 201)(scope, receive, send)


def _ordinary(scope: Scope, service: Runtime) -> _DecisionRequest | None:
    """Return who asks, None where anything about the request needs a closer look."""
    given: dict[bytes, bytes] = dict(scope["headers"])
    size, key = given.get(b"content-length", b""), given.get(b"idempotency-key")
    if (
        len(given) != len(scope["headers"])  # one was given twice
        or scope["query_string"]
        or b"xml" in given.get(b"content-type", b"") + given.get(b"accept", b"")
        or not size.isdigit()
        or len(size) > len(str(service.settings.body_limit_bytes))
        or int(size) > service.settings.body_limit_bytes
        or (key is not None and not 0 < len(key) <= LONGEST_IDEMPOTENCY_KEY)
    ):
        return None
    header = given.get(b"authorization")
    try:
        caller = (
            None if header is None else service.callers.find_remembered(header.decode("latin-1"))
        )
        if caller is None:
            return None
        caller = caller.enter(_METHOD, _PATH)
    except RiskError:
        return None
    return _DecisionRequest(caller, None if key is None else key.decode("latin-1"), int(size))


async def _body(receive: Receive) -> bytes | None:
    """Return the body, None where the sender went away."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
