"""The Python client: each route by its path, answers in the service's own types.

Use one client for each thread. Nothing is retried: a request that got no answer may be sent again,
because its identifier, or its key, makes it the same request.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import httpx2
import orjson

from api.http.answers import reader
from engine.domain.records import Record
from engine.errors import RiskError

T = TypeVar("T")
Body = Record | Mapping[str, Any] | Sequence[Record | Mapping[str, Any]] | bytes
"""What is sent: a record or the like as JSON, bytes as they are."""
IDLE_SECONDS = 2.0
"""An idle connection is not used after this time; the service closes it after five seconds."""


class RefusedError(RiskError):
    """The service answered with a problem."""

    status: int
    problem: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.status} {self.problem.get('title', '')}: {self.problem.get('detail', '')}"


class Client:
    """Calls one service with one key.

    Every call names the type of its answer and the route as docs/api.md writes it. Named values
    fill the names in the path; the rest are the query, without those that are None. ``key`` names
    the request (Idempotency-Key). Type ``bytes`` returns the answer as it came. A call raises
    ``RefusedError`` for a problem, ``pydantic.ValidationError`` for an answer of another type, and
    ``httpx2.HTTPError`` if no answer came.
    """

    def __init__(
        self,
        address: str,
        key: str,
        *,
        timeout: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout,
            limits=httpx2.Limits(keepalive_expiry=IDLE_SECONDS),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; nothing can be called afterwards."""
        self._http.close()

    def get(self, kind: type[T], route: str, /, **named: Any) -> T:
        """Return what a route answers."""
        return self.call(kind, "GET", route, **named)

    def post(
        self,
        kind: type[T],
        route: str,
        body: Body | None = None,
        /,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **named: Any,
    ) -> T:
        """Send a body to a route and return the answer."""
        return self.call(kind, "POST", route, body, key=key, headers=headers, **named)

    def call(
        self,
        kind: type[T],
        method: str,
        route: str,
        body: Body | None = None,
        /,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **named: Any,
    ) -> T:
        """Send one request and return its answer."""
        in_path = {name: value for name, value in named.items() if f"{{{name}}}" in route}
        query: dict[str, Any] = {
            name: value
            for name, value in named.items()
            if name not in in_path and value is not None
        }
        sent = httpx2.Headers({"Content-Type": "application/json"})
        sent.update({} if key is None else {"Idempotency-Key": key})
        sent.update(headers)
        answer = self._http.request(
            method,
            route.format(**{name: quote(str(value), safe="") for name, value in in_path.items()}),
            params=query,
            content=body if body is None or isinstance(body, bytes) else _as_json(body),
            headers=sent,
        )
        if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
            raise RefusedError(answer.status_code, answer.json())
        if kind is bytes:
            return cast("T", answer.content)
        read: Any = kind
        found: T = reader(read).validate_json(answer.content)
        return found


def _as_json(body: object) -> bytes:
    return orjson.dumps(body, default=lambda one: one.model_dump(mode="json", exclude_none=True))
