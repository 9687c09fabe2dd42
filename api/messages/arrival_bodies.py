"""Arrivals in request bodies: JSON, or a standard message with the crossing as query parameters.

Assumes that a message is hostile until it was read: its bytes are bounded before the parser starts,
messages are translated one at a time, and large ones in a process of their own, so that many of
them cost the memory of a few. What it
says of the crossing and the declaration is what `darvoza translate` says. The parser of XML is
imported with the first message: a service that gets none starts without it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, get_origin

from fastapi import Request
from pydantic import ValidationError

from api.http.body_formats import is_sent_as_xml
from api.http.dependencies import show_name
from api.http.request_bodies import FAULTS_SAID, read_bounded
from api.service.executors import LARGE_MESSAGES, MESSAGES, run_apart
from api.service.runtime import Runtime
from engine.domain.records import Arrival, Crossing, Declaration
from engine.domain.validation import bare, list_faults
from engine.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    MalformedMessageError,
    UnsupportedMessageError,
)
from engine.storage.home import Home

if TYPE_CHECKING:
    from features.messages.translation import Translation

_KINDS = {name: bare(info.annotation) for name, info in Crossing.model_fields.items()}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_LONGEST_NUMBER = 9
"""Digits of a length that is read; a longer one is of no message."""
_UNSUPPORTED = frozenset({"unsupported_message", "unsupported_version"})
_FIELDS: Mapping[str, tuple[str, str]] = {
    "not_an_original": (
        "FunctionCode",
        "not an original: send the whole changed declaration to the decision's amendments",
    ),
    "too_many_items": ("declaration.items", "more than 999 goods items"),
}
"""Refusals of a document that was read, by rule: the field and why."""


def arrival_body(
    read_json: Callable[[Request], Awaitable[Arrival]],
) -> Callable[[Request], Awaitable[Arrival]]:
    """Return a dependency that reads an arrival as JSON or as a standard message.

    A message has a media type of XML; one in JSON is known by ``crossing_id`` in the query.
    """

    async def read_arrival(request: Request) -> Arrival:
        request.state.references = {}  # the route answers in kind, refusals included
        is_message = is_sent_as_xml(request)
        if not is_message and "crossing_id" not in request.query_params:
            return await read_json(request)
        return await _read_message(request, request.app.state.runtime)

    return read_arrival


async def read_message(request: Request, service: Runtime) -> "Translation":
    """Return what a request's message says; raises for one that is refused."""
    found = await _translate(request, service)
    request.state.references = found.references
    _check_accepted(found, LARGE_MESSAGES.most_bytes)
    return found


async def _translate(request: Request, service: Runtime) -> "Translation":
    """Return what a message says; a large one is held and read in a place of its own."""
    from features.messages.translation import translate_at

    size = request.headers.get("content-length", "")
    if size.isdecimal() and len(size) <= _LONGEST_NUMBER and int(size) <= MESSAGES.most_bytes:
        raw = await read_bounded(request, most=MESSAGES.most_bytes)
        return await service.executors.messages.run(translate_at, service.home, raw)
    with service.executors.large_messages.hold():
        raw = await read_bounded(request, most=LARGE_MESSAGES.most_bytes)
        return await service.executors.large_messages.do(_translate_apart, service.home, raw)


def _translate_apart(home: Home, raw: bytes) -> "Translation":
    from features.messages.translation import TRANSLATION

    work = "features.messages.translation:translate_apart"
    return TRANSLATION.validate_json(run_apart(home, LARGE_MESSAGES, work, raw))


async def _read_message(request: Request, service: Runtime) -> Arrival:
    from features.messages.arrivals import join_crossing

    found = await read_message(request, service)
    given = _crossing_cells(request.query_params.multi_items())
    crossing, differing = join_crossing(given, found.crossing, declaration=found.declaration)
    try:
        return Arrival(
            crossing=Crossing.model_validate(crossing, strict=False),
            declaration=None
            if found.declaration is None
            else Declaration.model_validate(found.declaration, strict=False),
            document_differences=differing,
        )
    except ValidationError as error:
        faults = list_faults(error)[:FAULTS_SAID]
        fields = [_fault(f"crossing.{where[0]}", rule, why) for where, rule, why in faults]
        raise MalformedBodyError("the crossing does not fit its record", tuple(fields)) from None


def _check_accepted(found: "Translation", limit: int) -> None:
    """Refuse a document by the rule that it breaks; nothing of what was sent is repeated."""
    if found.rule is None:
        return
    if found.rule in _FIELDS:
        at, why = _FIELDS[found.rule]
        raise MalformedBodyError("the message cannot be decided", (_fault(at, found.rule, why),))
    if found.rule == "too_large":
        raise BodyTooLargeError(limit)
    if found.rule in _UNSUPPORTED:
        raise UnsupportedMessageError(found.rule)
    raise MalformedMessageError(found.rule, found.line)


def _crossing_cells(given: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the crossing's own fields, as the query has them; an empty one is missing."""
    cells: dict[str, Any] = {}
    for name, value in given:
        kind = _KINDS.get(name)
        if kind is None:
            raise _query_fault(show_name(name), "unknown_field", "no field of a crossing")
        if get_origin(kind) is tuple:
            cells.setdefault(name, []).extend([value] if value else [])
        elif name in cells:
            raise _query_fault(name, "doubled", "the query gives it twice")
        elif kind is float and "_" in value:
            raise _query_fault(name, "not_a_number", "digits and a point")
        elif value:
            cells[name] = _FLAGS.get(value.lower(), "neither") if kind is bool else value
    return {name: value for name, value in cells.items() if value != []}


def _query_fault(name: str, rule: str, why: str) -> MalformedBodyError:
    return MalformedBodyError(
        "the crossing does not fit its record", (_fault(f"crossing.{name}", rule, why),)
    )


def _fault(at: str, rule: str, why: str) -> dict[str, str]:
    return {"at": at, "rule": rule, "why": why}
