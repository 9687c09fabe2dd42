"""Bodies and answers of a service that takes standard messages besides JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from api.http.body_formats import BodyFormats
from api.messages.advance_bodies import read_advance
from api.messages.arrival_bodies import arrival_body
from api.messages.documentation import takes_advance_messages, takes_messages
from api.messages.wco_response import answer_in_kind, install
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival, Declaration


class MessageFormats(BodyFormats):
    """Reads and answers JSON and standard messages, whichever a sender speaks."""

    def arrival_body(
        self, read_json: Callable[[Request], Awaitable[Arrival]]
    ) -> Callable[[Request], Awaitable[Arrival]]:
        """Return a dependency that reads an arrival as JSON or as a standard message."""
        return arrival_body(read_json)

    async def read_advance(self, request: Request) -> AdvanceDeclaration:
        """Read a declaration ahead as JSON or as a standard message."""
        return await read_advance(request)

    def document(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a route that takes arrivals, with what it says of messages."""
        return takes_messages(options)

    def document_advance(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the same of a route that takes declarations ahead."""
        return takes_advance_messages(options)

    def answer(
        self, request: Request, found: Mapping[str, Any], declaration: Declaration | None
    ) -> Response:
        """Return a decision or an acknowledgement, in the format that the sender accepts (201)."""
        return answer_in_kind(request, found, declaration)

    def install(self, app: FastAPI) -> None:
        """Answer refusals in kind too, where a route does so and the caller asks for it."""
        install(app)
