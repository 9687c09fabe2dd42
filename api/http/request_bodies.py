"""Request bodies: bounded before they are read, checked before they are parsed into a record.

JSON lets one text mean two things: a key given twice, numbers that are none, half a character. Such
a body is refused, because two readers of the record could otherwise disagree on what was said.

Bodies that declare something, and the answers to them, are JSON. The area of standard messages
(:mod:`api.messages`) has a class that reads messages too; without it a message is refused
with 415.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from functools import cache
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from pydantic import Field, ValidationError

from api.areas import find_part
from api.http.dependencies import show_name
from api.http.responses import answer
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.records import (
    Arrival,
    Crossing,
    Declaration,
    InspectionAct,
    NoContent,
    OptionalReason,
    Record,
    StatedReason,
)
from engine.domain.validation import RULES, list_faults
from engine.errors import BodyTooLargeError, MalformedBodyError, UnsupportedMessageError
from engine.queue.documents_asked import DocumentsAsked

DEEPEST = 32
"""Levels of nesting; no record has more than four."""
LARGEST_BATCH = 1000
"""Arrivals in one request."""
BATCH_BODIES = 8
"""How many times as long as another body a batch may be."""
FAULTS_SAID = 20
"""Faults named in one answer."""
NO_JSON = "the body is not JSON"
CUT_SHORT = "the body is shorter or longer than its Content-Length"

Model = TypeVar("Model", bound=Record)
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SPACE = re.compile(r"[ \t\n\r]*")
_BRACKETS = re.compile(rb"[\[\]{}]")
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')
_PLAIN = bytes(set(range(256)) - set(b'"[]{}'))
"""All that says nothing about nesting."""


class ReportedAct(InspectionAct):
    """An inspection act as it is reported: the sender may say officer or counterpart, no more."""

    basis: Literal["officer", "counterpart"] | None = None
    propensity: Annotated[None, Field(exclude=True)] = None
    """The engine's to fill: a sender who sends whole records sends null, and has said nothing."""
    EXAMPLE: ClassVar = {
        "inspection_id": "OYB-ACT-2026-0031",
        "crossing_id": "OYB-2026-000417",
        "started_at": "2026-03-01T09:30:00+05:00",
        "completed_at": "2026-03-01T10:10:00+05:00",
        "recorded_at": "2026-03-01T10:12:00+05:00",
        "methods": ["canine", "physical"],
        "minutes": 40.0,
        "places_searched": ["chassis.frame", "trailer.floor"],
        "outcome": "seizure",
    }


async def reported_act(request: Request) -> ReportedAct | DocumentsAsked:
    """Read an inspection act, or that documents were asked for in place of one."""
    raw = await read_bounded(request)
    check(raw)
    found = json.loads(raw)
    if isinstance(found, dict) and found.get("outcome") == "documents_asked":
        return parse_body(raw, DocumentsAsked)
    return parse_body(raw, ReportedAct)


async def reported_arrival(request: Request) -> Arrival:
    """Read a crossing with its declaration, or a bare crossing, which has none."""
    raw = await read_bounded(request)
    check(raw)
    found = json.loads(raw)
    if isinstance(found, dict) and "crossing_id" in found:
        return Arrival(crossing=parse_body(raw, Crossing))
    return parse_body(raw, Arrival)


def body_of(
    model: type[Model], *, is_owed: bool = True
) -> Callable[[Request], Coroutine[Any, Any, Model]]:
    """Return a dependency that reads the request's body as this record.

    Where it is not owed, no body means the defaults of the record. Raises ``BodyTooLargeError`` and
    ``MalformedBodyError``; the latter names field and rule.
    """

    async def read(request: Request) -> Model:
        raw = await read_bounded(request)
        return parse_body(raw if is_owed else raw or b"{}", model)

    return read


TheReason = Annotated[StatedReason, Depends(body_of(StatedReason))]
TheOptionalReason = Annotated[OptionalReason, Depends(body_of(OptionalReason, is_owed=False))]
TheEmptyBody = Annotated[NoContent, Depends(body_of(NoContent, is_owed=False))]


async def reported_batch(request: Request) -> list[Arrival | MalformedBodyError]:
    """Read an array of arrivals; each row stands or falls by itself."""
    raw = await read_bounded(request, times=BATCH_BODIES)
    rows = _rows(raw)
    if not 0 < len(rows) <= LARGEST_BATCH:
        raise MalformedBodyError(f"the body is not an array of 1 to {LARGEST_BATCH} arrivals")
    return [_row(row) for row in rows]


def _rows(raw: bytes) -> list[str | MalformedBodyError]:
    """Return the rows of an array as they were sent, so that each is read as a single body is.

    A row that readers disagree on is its fault instead. Values are not looked at here: what reads a
    row and what writes it again could disagree, as on 1e999. Reads no further than one row more
    than a batch may have.
    """
    text = _text(raw)
    _check_depth(raw)  # of the array, which nests deeper than each row
    at, rows = _after_space(text, 0), list[str | MalformedBodyError]()
    if text[at : at + 1] != "[":
        raise MalformedBodyError(f"the body is not an array of 1 to {LARGEST_BATCH} arrivals")
    sign, at = ",", _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        return []
    try:
        while sign == "," and len(rows) <= LARGEST_BATCH:
            row, end = _next_row(text, at)
            rows.append(row)
            at = _after_space(text, end)
            sign, at = text[at : at + 1], _after_space(text, at + 1)
    except (ValueError, RecursionError):
        raise MalformedBodyError(NO_JSON) from None
    if sign != "," and (sign != "]" or at != len(text)):
        raise MalformedBodyError(NO_JSON)
    return rows


def _next_row(text: str, at: int) -> tuple[str | MalformedBodyError, int]:
    """Return the row that begins at a place, or its fault, and where it ends."""
    try:
        _, end = _CHECKER.raw_decode(text, at)
    except MalformedBodyError as fault:
        return fault, _SCANNER.raw_decode(text, at)[1]
    except ValueError:  # no JSON, or a number that is too long for the one and not for the other
        return MalformedBodyError(NO_JSON), _SCANNER.raw_decode(text, at)[1]
    return text[at:end], end


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _row(row: str | MalformedBodyError) -> Arrival | MalformedBodyError:
    try:
        return row if isinstance(row, MalformedBodyError) else _validate(row, Arrival)
    except MalformedBodyError as fault:
        return fault


async def read_bounded(request: Request, *, times: int = 1, most: int | None = None) -> bytes:
    """Return the body; refuse it as soon as it is, or says it is, longer than the limit."""
    limit: int = most or request.app.state.runtime.settings.body_limit_bytes * times
    return b"".join([chunk async for chunk in stream_bounded(request, limit)])


async def stream_bounded(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; refuse it as soon as it is, or says it is, longer."""
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 15 or int(length) > limit:
        raise BodyTooLargeError(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(limit)
        yield chunk
    if "content-length" in request.headers and size != int(length):
        raise MalformedBodyError(CUT_SHORT)


def parse_body(raw: bytes, model: type[Model]) -> Model:
    """Return the record that a body holds."""
    check(raw)
    return _validate(raw, model)


def _validate(raw: bytes | str, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        fields = tuple(_describe(model, *fault) for fault in list_faults(error)[:FAULTS_SAID])
        raise MalformedBodyError("the body does not fit its record", fields) from None


def check(raw: bytes) -> None:
    """Refuse what JSON's readers disagree on: depth, doubled keys, NaN, NUL, broken text."""
    _check_depth(raw)
    try:
        _CHECKER.decode(_text(raw))
    except (ValueError, RecursionError):
        raise MalformedBodyError(NO_JSON) from None


def _text(raw: bytes) -> str:
    """Return a body's text, which is UTF-8 without a byte order mark (RFC 8259, section 8.1)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedBodyError(NO_JSON) from None
    if text.startswith("\ufeff"):
        raise MalformedBodyError(NO_JSON)
    return text


def _check_depth(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and not _is_flat(raw) and _depth(raw) > DEEPEST:
        raise MalformedBodyError(f"the body nests deeper than {DEEPEST} levels")


def _is_flat(raw: bytes) -> bool:
    """Tell quickly of an ordinary long body that it nests no deeper than it may.

    Without escapes, what stands between every other quote is outside of texts. There the innermost
    pairs of brackets are taken away, two levels a turn at most, until none is left.
    """
    if b"\\" in raw:
        return False
    left = b"".join(raw.translate(None, _PLAIN).split(b'"')[::2])
    for _ in range(DEEPEST // 2):
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    return not left


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise MalformedBodyError("the body gives a key twice")


def _not_a_number(_: str) -> NoReturn:
    raise MalformedBodyError("the body holds a number that JSON does not have")


_CHECKER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_not_a_number)
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len)
"""Finds where a value ends. What a number is worth is not asked: ``len`` is the cheapest answer."""


def _describe(
    model: type[Record], where: tuple[int | str, ...], rule: str, why: str
) -> dict[str, str]:
    """Return a fault as it is answered; of the sender's own text it repeats a plain name alone."""
    known, is_unknown = _fields(model), rule == RULES["extra_forbidden"]
    names = {*known, *chain.from_iterable(known.values())}
    parts = [str(part) if part in names or isinstance(part, int) else "?" for part in where]
    if is_unknown:
        parts[-1] = show_name(str(where[-1]))
        holder = next((part for part in parts[-2::-1] if not part.isdigit()), "")
        why = f"no field of this record, which has: {', '.join(sorted(known.get(holder, ())))}"
    return {"at": ".".join(parts), "rule": rule, "why": why}


@cache
def _fields(model: type[Record]) -> Mapping[str, frozenset[str]]:
    """Return the fields of a record, and of those inside it by the field or kind that names them.

    Those of the record itself stand under an empty name.
    """
    schema = model.model_json_schema()
    inner = {name: part.get("properties", {}) for name, part in schema.get("$defs", {}).items()}
    found = {"": frozenset(schema.get("properties", {}))}
    for fields in (schema.get("properties", {}), *inner.values()):
        for name, field in fields.items():
            refers = _REFERENCE.findall(json.dumps(field))
            named = [field["const"]] if "const" in field else []
            held = frozenset(fields if named else chain.from_iterable(inner[to] for to in refers))
            for one in named or [name]:
                found[one] = found.get(one, frozenset()) | held
    return found


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
        self, _request: Request, found: object, _declaration: Declaration | None
    ) -> Response:
        """Return a decision or an acknowledgement (201)."""
        return answer(found, 201)

    def install(self, _app: FastAPI) -> None:
        """Let refusals be answered in the format of the request."""

    def report(self) -> None:
        """Log which formats installed packages add, and which of them are not read."""


@cache
def find_formats() -> BodyFormats:
    """Return the formats of this service."""
    part = find_part("body_formats")
    formats: BodyFormats = BodyFormats() if part is None else part()
    return formats
