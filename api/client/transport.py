"""One connection to a service: requests and answers, problems raised.

Use one a thread. Nothing is retried here: a request that got no answer may be sent again, because
its identifier, or its key, makes it the same request.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from engine.domain.records import Record
from engine.errors import RiskError

T = TypeVar("T")


class RefusedError(RiskError):
    """The service answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.status} {self.problem.get('title', '')}: {self.problem.get('detail', '')}"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service."""

    status: int
    body: Any


@cache
def reader(kind: Any) -> TypeAdapter[Any]:
    """Return what reads an answer as the service's own type."""
    return TypeAdapter(kind)


class Calls:
    """Calls one service with one key; ``key`` of a call names the request (Idempotency-Key)."""

    def __init__(
        self, host: str, port: int, key: str, *, timeout: float = 30.0, encrypted: bool = False
    ) -> None:
        made = HTTPSConnection if encrypted else HTTPConnection
        self._connection = made(host, port, timeout=timeout)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> Answer:
        """Send one request and return its answer, whatever its status."""
        content = None if body is None else as_json(body)
        named = {} if key is None else {"Idempotency-Key": key}
        self._connection.request(method, path, content, self._headers | named)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"null"))

    def _get(self, kind: type[T], path: str) -> T:
        return self._asked(kind, "GET", path)

    def _post(self, kind: type[T], path: str, body: object, key: str | None = None) -> T:
        return self._asked(kind, "POST", path, body, key)

    def _asked(
        self, kind: type[T], method: str, path: str, body: object = None, key: str | None = None
    ) -> T:
        read: Any = kind
        found: T = reader(read).validate_python(self._checked(method, path, body, key))
        return found

    def _checked(self, method: str, path: str, body: object = None, key: str | None = None) -> Any:
        answer = self.call(method, path, body, key=key)
        if answer.status >= 400:
            raise RefusedError(answer.status, answer.body)
        return answer.body


def as_json(body: object) -> bytes:
    """Return a body as it is sent."""
    if isinstance(body, Record):
        return body.model_dump_json(exclude_none=True).encode()
    return json.dumps(body).encode()


def part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")
