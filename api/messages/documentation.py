"""Documentation of messages in OpenAPI: their bodies, query parameters and answers."""

from typing import Any

from api.http.responses import document_problems
from api.messages.wco_response import MEDIA_TYPE, REJECTIONS
from engine.domain.records import Crossing

_EXAMPLE = "<ASYCUDA>...</ASYCUDA>"
_ABOUT = "Of a standard message: the crossing's own field."


def takes_messages(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a route that takes arrivals, with what it says of messages."""
    xml = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    responses: dict[int | str, Any] = {**options["responses"], **document_problems(415)}
    for status in REJECTIONS & set(responses):
        content = responses[status]["content"]
        responses[status] = {**responses[status], "content": {**content, **xml}}
    responses[201] = {"content": xml, "description": "Recorded."}
    body = options["openapi_extra"]["requestBody"]
    message = {"schema": {"type": "string"}, "example": _EXAMPLE}
    body = {**body, "content": {**body["content"], MEDIA_TYPE: message}}
    extra = {"requestBody": body, "parameters": _parameters()}
    return {**options, "responses": responses, "openapi_extra": extra}


def _parameters() -> list[dict[str, Any]]:
    fields = Crossing.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "required": False, "description": _ABOUT, "schema": schema}
        for name, schema in fields.items()
    ]
