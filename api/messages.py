"""Standard messages over HTTP: declarations and arrivals as XML, and answers of the same kind.

Of a message the query parameters say where and when its vehicle crosses or is expected; what they
do not say is taken from the document. The declaration that results is the one that ``darvoza
translate`` makes.

A message is treated as hostile until it is read: its bytes are bounded before the parser starts,
messages are translated one at a time, and large ones in a process of their own, so that many
messages need the memory of a few. The XML parser is imported with the first message.

An answer is a response of the WCO Data Model (RES), written from the JSON answer of the same
request. It is blind if that answer is: green and blue have one code, and no figure has a place in
it. It repeats both identifiers of a declaration and no other text of the sender.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_origin
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from api.http.dependencies import show_name
from api.http.problems import REFUSAL, instance_of, refusal
from api.http.request_bodies import (
    FAULTS_SAID,
    BodyFormats,
    is_sent_as_xml,
    is_xml,
    read_bounded,
    read_json_advance,
)
from api.http.responses import answer, document_problems
from api.service.executors import LARGE_MESSAGES, MESSAGES, run_apart
from api.service.runtime import Runtime
from api.service.structured_logging import log_event
from engine.domain.advance_declarations import AdvanceDeclaration, ExpectedVehicle
from engine.domain.records import Arrival, Crossing, Declaration
from engine.domain.validation import bare, list_faults
from engine.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    MalformedMessageError,
    RiskError,
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
    from features.messages.translation import join_crossing

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


_WHOLE_NUMBER = ("post", "direction", "arrives_from", "arrives_until")
_OF_VEHICLE = tuple(ExpectedVehicle.model_fields)
_LISTS = frozenset({"container_numbers", "travels_with"})
QUERY = (*_WHOLE_NUMBER, "travels_with", *_OF_VEHICLE)
"""Parameters of a message; ``plate`` once for each vehicle."""
_MISFIT = "the declaration does not fit its record"


async def read_advance(request: Request) -> AdvanceDeclaration:
    """Read a declaration ahead: JSON, bare or with what it is expected under, or a message."""
    request.state.references = {}  # the route answers in kind, refusals included
    if is_sent_as_xml(request):
        return await _read_advance_message(request)
    return await read_json_advance(request)


async def _read_advance_message(request: Request) -> AdvanceDeclaration:
    found = await read_message(request, request.app.state.runtime)
    if found.declaration is None:
        fault = {"at": "declaration", "rule": "missing_key", "why": "the message declares no goods"}
        raise MalformedBodyError(_MISFIT, (fault,))
    known = _query_values(request)
    body: dict[str, Any] = {name: known.pop(name) for name in _WHOLE_NUMBER if name in known}
    body |= {"declaration": found.declaration, "travels_with": known.pop("travels_with", ())}
    plates = known.pop("plate", None) or [None]
    document = {name: value for name, value in found.crossing.items() if name in _OF_VEHICLE}
    if len(plates) == 1:
        one = document | known | ({} if plates[0] is None else {"plate": plates[0]})
        body["vehicles"] = [one] if one else []
    else:
        body["vehicles"] = [known | {"plate": plate} for plate in plates]
    try:
        return AdvanceDeclaration.model_validate(body, strict=False)
    except ValidationError as error:
        faults = list_faults(error)[:FAULTS_SAID]
        fields = [
            {"at": ".".join(map(str, where)), "rule": rule, "why": why}
            for where, rule, why in faults
        ]
        raise MalformedBodyError(_MISFIT, tuple(fields)) from None


def _query_values(request: Request) -> dict[str, Any]:
    """Return the query's fields; an empty one is missing."""
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in QUERY:
            fault = _fault(show_name(name), "unknown_field", "no such parameter")
            raise MalformedBodyError(_MISFIT, (fault,))
        if name in _LISTS or name == "plate":
            found.setdefault(name, []).extend([value] if value else [])
        elif name in found:
            raise MalformedBodyError(
                _MISFIT, (_fault(name, "doubled", "the query gives it twice"),)
            )
        elif value:
            found[name] = value
    return found


MEDIA_TYPE = "application/xml"
NAMESPACE = "urn:wco:datamodel:WCO:RES-DMS:2"
TIME_NAMESPACE = "urn:wco:datamodel:WCO:Response_DS:DMS:2"
"""The published schema has the texts of times in the namespace of its data types."""
RECEIVED, REJECTED = "02", "03"
CODES: Mapping[str, str] = {"green": "09", "blue": "09", "yellow": "06", "red": "05"}
"""FunctionCode of each channel: cleared, documents, physical control."""
REJECTIONS = frozenset({400, 409, 413, 415, 422})
"""Statuses of what a sender can mend; others, such as a missing key, stay problems in JSON."""
_LONGEST = {"FunctionalReferenceID": 35, "ID": 70}
_WHOLE_DOCUMENT = (("42A", ""),)
_POINTERS: Mapping[str, Sequence[tuple[str, str]]] = {
    "FunctionCode": (("42A", "017"),),
    "declaration.declaration_id": (("42A", "D014"),),
    "declaration.items": (("42A", ""), ("67A", ""), ("68A", "")),
}
"""Sections and tags of the data model by field; the crossing's own fields are in no message."""


def wants_xml(request: Request) -> bool:
    """Tell whether a caller asks for XML rather than JSON; a wildcard asks for neither."""
    xml = json = 0.0
    for each in request.headers.get("accept", "").split(","):
        kind, _, weight = each.replace(" ", "").lower().partition(";q=")
        quality = float(weight) if weight.replace(".", "", 1).isdecimal() else 1.0
        if is_xml(kind):
            xml = max(xml, quality)
        elif kind.startswith("application/json"):
            json = max(json, quality)
    return xml > json


def install(app: FastAPI) -> None:
    """Answer refusals in kind too, where a route does so and the caller asks for it."""
    app.add_exception_handler(RiskError, _answer_refusal)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    found = refusal(error, instance=instance_of(request))
    references = getattr(request.state, "references", None)
    if references is None or found.status_code not in REJECTIONS or not wants_xml(request):
        return found
    request.scope[REFUSAL] = found.body
    fields = getattr(error, "fields", None) or [{"at": "", "rule": type(error).__name__}]
    body = write_response(
        REJECTED,
        issued=datetime.now(UTC).isoformat(),
        own=None,
        references=references,
        errors=[(f"DZ{found.status_code}", one["at"], one["rule"]) for one in fields],
    )
    return Response(body, found.status_code, media_type=MEDIA_TYPE)


def write_response(
    code: str,
    *,
    issued: str,
    own: str | None,
    references: Mapping[str, str],
    errors: Sequence[tuple[str, str, str]] = (),
) -> bytes:
    """Return a response as XML.

    ``issued`` is RFC 3339. ``own`` names the exchange, ``references`` are the declaration's; one
    that is longer than the data model allows is left out. An error is a code of at most 8
    characters, the field and the rule.
    """
    root = Element("Response", {"xmlns": NAMESPACE, "xmlns:ds": TIME_NAMESPACE})
    SubElement(root, "FunctionCode").text = code
    _refer(root, {} if own is None else {"FunctionalReferenceID": own})
    _write_time(root, "IssueDateTime", issued)
    for validation, at, rule in errors:
        error = SubElement(root, "Error")
        SubElement(error, "Description").text = f"{at}: {rule}" if at else rule
        SubElement(error, "ValidationCode").text = validation
        for section, tag in _POINTERS.get(at, _WHOLE_DOCUMENT):
            pointer = SubElement(error, "Pointer")
            SubElement(pointer, "DocumentSectionCode").text = section
            if tag:
                SubElement(pointer, "TagID").text = tag
    declaration = SubElement(root, "Declaration")
    _refer(declaration, references)
    if code == REJECTED:
        _write_time(declaration, "RejectionDateTime", issued)
    found: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return found


def _refer(parent: Element, references: Mapping[str, str]) -> None:
    for name, longest in _LONGEST.items():
        value = references.get(name, "")
        if 0 < len(value) <= longest and value.isprintable():
            SubElement(parent, name).text = value


def _write_time(parent: Element, name: str, moment: str) -> None:
    """Write a time in format 304: year to second, and the zone."""
    text = datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
    SubElement(SubElement(parent, name), "ds:DateTimeString", {"formatCode": "304"}).text = text


_EXAMPLE = "<ASYCUDA>...</ASYCUDA>"
_OF_EXPECTED = "Of a standard message: what it is expected under; plate once for each vehicle."
_ABOUT = "Of a standard message: the crossing's own field."


def _add_messages(options: dict[str, Any], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    xml = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    responses: dict[int | str, Any] = {**options["responses"], **document_problems(415)}
    for status in REJECTIONS & set(responses):
        content = responses[status]["content"]
        responses[status] = {**responses[status], "content": {**content, **xml}}
    responses[201] = {"content": xml, "description": "Recorded."}
    body = options["openapi_extra"]["requestBody"]
    message = {"schema": {"type": "string"}, "example": _EXAMPLE}
    body = {**body, "content": {**body["content"], MEDIA_TYPE: message}}
    extra = {"requestBody": body, "parameters": parameters}
    return {**options, "responses": responses, "openapi_extra": extra}


def _describe(fields: dict[str, Any], about: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
        for name, schema in fields.items()
    ]


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
        fields = Crossing.model_json_schema()["properties"]
        return _add_messages(options, _describe(fields, _ABOUT))

    def document_advance(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the same of a route that takes declarations ahead."""
        models = (AdvanceDeclaration, ExpectedVehicle)
        record, vehicle = (model.model_json_schema()["properties"] for model in models)
        one = {"plate": {"type": "array", "items": {"type": "string"}}}
        fields = {name: (record | vehicle | one)[name] for name in QUERY}
        return _add_messages(options, _describe(fields, _OF_EXPECTED))

    def answer(self, request: Request, found: Any, declaration: Declaration | None) -> Response:
        """Return a decision or an acknowledgement, as JSON or as a response of the WCO (201).

        A decision is a dictionary; an acknowledgement is a dataclass with ``id``.
        """
        if not wants_xml(request):
            return answer(found, 201)
        references: Mapping[str, str] = request.state.references
        if not references and declaration is not None:
            references = {"ID": declaration.declaration_id}
        if not isinstance(found, dict):
            issued = getattr(found, "received_at", None) or found.recorded_at
            body = write_response(RECEIVED, issued=issued, own=found.id, references=references)
            return Response(body, 201, media_type=MEDIA_TYPE)
        own = found["decision_id"]
        body = write_response(
            CODES[found["channel"]], issued=found["decided_at"], own=own, references=references
        )
        return Response(body, 201, {"Location": f"/v1/decisions/{own}"}, MEDIA_TYPE)

    def install(self, app: FastAPI) -> None:
        """Answer refusals in kind too, where a route does so and the caller asks for it."""
        install(app)

    def report(self) -> None:
        """Log which formats installed packages add, and which of them are not read.

        If no package adds any, the parser is not imported before the first message.
        """
        from importlib.metadata import entry_points

        if not entry_points(group="darvoza.formats"):
            return
        from features.messages.installed import list_formats

        for one in (one for one in list_formats() if one.package):
            kind = f"{one.name} ({one.package})"
            if one.rule:
                log_event("format_refused", kind=kind, why=one.rule)
            else:
                log_event("format_added", logging.INFO, kind=kind)
