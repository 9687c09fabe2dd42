"""Documentation of messages in OpenAPI: their bodies, query parameters and answers."""

from typing import Any

from api.http.responses import document_problems
from api.messages.advance_bodies import QUERY
from api.messages.wco_response import MEDIA_TYPE, REJECTIONS
from engine.domain.advance_declarations import AdvanceDeclaration, ExpectedVehicle
from engine.domain.records import Crossing

_EXAMPLE = "<ASYCUDA>...</ASYCUDA>"
_OF_EXPECTED = "Of a standard message: what it is expected under; plate once for each vehicle."
_ABOUT = "Of a standard message: the crossing's own field."


def takes_messages(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a route that takes arrivals, with what it says of messages."""
    return _add_messages(options, _parameters())


def takes_advance_messages(options: dict[str, Any]) -> dict[str, Any]:
    """Return the same of a route that takes declarations ahead."""
    record, vehicle = (
        model.model_json_schema()["properties"] for model in (AdvanceDeclaration, ExpectedVehicle)
    )
    one = {"plate": {"type": "array", "items": {"type": "string"}}}
    fields = {name: (record | vehicle | one)[name] for name in QUERY}
    return _add_messages(options, _describe(fields, _OF_EXPECTED))


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


def _parameters() -> list[dict[str, Any]]:
    return _describe(Crossing.model_json_schema()["properties"], _ABOUT)


def _describe(fields: dict[str, Any], about: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
        for name, schema in fields.items()
    ]
