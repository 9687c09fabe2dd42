"""Declarations ahead in request bodies: JSON, or a standard message with query parameters.

A bare declaration says nothing of what it is expected under. Of a message the query says where,
when and in which vehicle it is expected; what it does not say is taken from the document.
"""

from typing import Any

from fastapi import Request
from pydantic import ValidationError

from api.http.body_formats import is_sent_as_xml, read_json_advance
from api.http.dependencies import show_name
from api.http.request_bodies import FAULTS_SAID
from api.messages.arrival_bodies import read_message
from engine.domain.advance_declarations import AdvanceDeclaration, ExpectedVehicle
from engine.domain.validation import list_faults
from engine.errors import MalformedBodyError

_WHOLE = ("post", "direction", "arrives_from", "arrives_until")
_OF_VEHICLE = tuple(ExpectedVehicle.model_fields)
_LISTS = frozenset({"container_numbers", "travels_with"})
QUERY = (*_WHOLE, "travels_with", *_OF_VEHICLE)
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
    body: dict[str, Any] = {name: known.pop(name) for name in _WHOLE if name in known}
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


def _fault(at: str, rule: str, why: str) -> dict[str, str]:
    return {"at": at, "rule": rule, "why": why}
