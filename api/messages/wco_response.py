"""Answers as responses of the WCO Data Model (RES), for senders that speak XML.

A response is written from the JSON answer of the same request, which is blind where that is: green
and blue are one code, and no figure has a place in it. It echoes both identifiers of a declaration
and has no text of the sender besides.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import FastAPI, Request, Response

from api.http.body_formats import is_xml
from api.http.problems import instance_of, refusal
from api.http.responses import answer
from engine.domain.records import Declaration
from engine.errors import RiskError

MEDIA_TYPE = "application/xml"
NAMESPACE = "urn:wco:datamodel:WCO:RES-DMS:2"
TIME_NAMESPACE = "urn:wco:datamodel:WCO:Response_DS:DMS:2"
"""The published schema has the texts of times in the namespace of its data types."""
RECEIVED, REJECTED = "02", "03"
CODES: Mapping[str, str] = {"green": "09", "blue": "09", "yellow": "06", "red": "05"}
"""FunctionCode of each channel: cleared, documents, physical control."""
REJECTIONS = frozenset({400, 409, 413, 415, 422})
"""Statuses of what a sender can mend; others, such as a missing key, stay problems in JSON."""
_TIMES = ("decided_at", "received_at", "recorded_at")
"""Names of an answer's time."""
_LONGEST = {"FunctionalReferenceID": 35, "ID": 70}
_WHOLE = (("42A", ""),)
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


def answer_in_kind(
    request: Request, found: Mapping[str, Any], declaration: Declaration | None
) -> Response:
    """Return a decision or an acknowledgement, as JSON or as a response of the WCO (201)."""
    if not wants_xml(request):
        return answer(found, 201)
    references: Mapping[str, str] = request.state.references
    if not references and declaration is not None:
        references = {"ID": declaration.declaration_id}
    decision = found.get("decision_id")
    body = write_response(
        CODES[found["channel"]] if decision else RECEIVED,
        issued=next(found[name] for name in _TIMES if name in found),
        own=decision or found["id"],
        references=references,
    )
    headers = {"Location": f"/v1/decisions/{decision}"} if decision else {}
    return Response(body, 201, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer refusals in kind too, where a route does so and the caller asks for it."""
    app.add_exception_handler(RiskError, _answer_refusal)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    found = refusal(error, instance=instance_of(request))
    references = getattr(request.state, "references", None)
    if references is None or found.status_code not in REJECTIONS or not wants_xml(request):
        return found
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
        for section, tag in _POINTERS.get(at, _WHOLE):
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
