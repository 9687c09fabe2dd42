"""A small client of the service, with nothing but the standard library.

One client is one connection, kept open; use one a thread.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from engine.errors import RiskError


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


class Client:
    """Calls one service with one key."""

    def __init__(self, host: str, port: int, key: str, *, timeout: float = 30.0) -> None:
        self._connection = HTTPConnection(host, port, timeout=timeout)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()

    def decide(self, arrival: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a decision on an arrival."""
        return self._checked("POST", "/v1/decisions", arrival)

    def record(self, arrival: Mapping[str, Any]) -> dict[str, Any]:
        """Record a crossing that asks for no decision."""
        return self._checked("POST", "/v1/crossings", arrival)

    def queue(self, post: str) -> list[dict[str, Any]]:
        """Return what waits at a post, in the order of the search."""
        found: list[dict[str, Any]] = self._checked("GET", f"/v1/posts/{quote(post)}/queue")[
            "waiting"
        ]
        return found

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request and return its answer, whatever its status."""
        content = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, content, self._headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"null"))

    def _checked(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self.call(method, path, body)
        if answer.status >= 400:
            raise RefusedError(answer.status, answer.body)
        found: dict[str, Any] = answer.body
        return found
