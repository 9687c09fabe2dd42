"""Formats of the bodies that declare something, and of the answers to them: JSON.

The area of standard messages (:mod:`api.messages`) has a class that reads messages too. Without it
a message is refused with 415.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response

from api.areas import find_part
from api.http.request_bodies import check, parse_body, read_bounded
from api.http.responses import answer
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import Arrival, Declaration
from engine.errors import UnsupportedMessageError


def is_xml(media_type: str) -> bool:
    """Tell whether a media type is one of XML; parameters are not looked at."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind in ("application/xml", "text/xml") or kind.endswith("+xml")


def is_sent_as_xml(request: Request) -> bool:
    """Tell whether the body of a request is XML, by its media type."""
    return is_xml(request.headers.get("content-type", ""))


async def read_json_advance(request: Request) -> AdvanceDeclaration:
    """Read a declaration ahead, bare or with what it is expected under."""
    raw = await read_bounded(request)
    check(raw)
    found = json.loads(raw)
    if isinstance(found, dict) and "declaration_id" in found:
        return AdvanceDeclaration(declaration=parse_body(raw, Declaration))
    return parse_body(raw, AdvanceDeclaration)


class BodyFormats:
    """Reads JSON and answers in JSON."""

    def arrival_body(
        self, read_json: Callable[[Request], Awaitable[Arrival]]
    ) -> Callable[[Request], Awaitable[Arrival]]:
        """Return a dependency that reads an arrival; it raises ``UnsupportedMessageError``."""

        async def read_arrival(request: Request) -> Arrival:
            if is_sent_as_xml(request):
                raise UnsupportedMessageError("unsupported_message")
            return await read_json(request)

        return read_arrival

    async def read_advance(self, request: Request) -> AdvanceDeclaration:
        """Read a declaration ahead; raises ``UnsupportedMessageError``."""
        if is_sent_as_xml(request):
            raise UnsupportedMessageError("unsupported_message")
        return await read_json_advance(request)

    def document(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a route that takes arrivals, with what it says of its body."""
        return options

    def document_advance(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the same of a route that takes declarations ahead."""
        return options

    def answer(
        self, _request: Request, found: Mapping[str, Any], _declaration: Declaration | None
    ) -> Response:
        """Return a decision or an acknowledgement (201)."""
        return answer(found, 201)

    def install(self, _app: FastAPI) -> None:
        """Let refusals be answered in the format of the request."""


@cache
def find_formats() -> BodyFormats:
    """Return the formats of this service."""
    part = find_part("body_formats")
    formats: BodyFormats = BodyFormats() if part is None else part()
    return formats
