"""Responses and their documentation: JSON made once, problems for everything refused.

The OpenAPI document shows the synthetic ``EXAMPLE`` of each record that is a body.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Response

from api.http.csv_lists import ListRoute
from api.http.problems import MEDIA_TYPE, kinds
from engine.domain.records import Record

_PROBLEMS: Mapping[int, str] = {
    400: "The request's head can be read in two ways, it is no HTTP, or a message is broken.",
    401: "No valid key came with the request.",
    403: "The caller's role or post does not reach this.",
    404: "Nothing of this kind has this identifier, or the caller may not know that it does.",
    406: "The route answers no list, so it has no CSV.",
    409: "The identifier is taken by other content.",
    413: "The body is longer than this service reads.",
    415: "The message has a root, a namespace or a version that is not known.",
    422: "The request is malformed; fields say where and which rule.",
    429: "The movement was amended as often as it may be within 24 hours.",
    503: "The store did not take the record; nothing was acknowledged. Try again.",
}

BODY_MODELS: set[type[Record]] = set()
"""Records that routes read from a request's body themselves, as the routes document them."""


def answer(content: object, status: int = 200) -> Response:
    """Return an answer as JSON; sorted keys, so that the same answer is the same bytes again."""
    body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return Response(body, status, media_type="application/json")


def document_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of these problems, and of any that a route may have."""
    return {
        status: {
            "description": _PROBLEMS[status],
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {kind: {"value": _example(status, kind)} for kind in kinds(status)},
                }
            },
        }
        for status in (400, *statuses)
    }


def json_router(prefix: str, tag: str, *problems: int) -> APIRouter:
    """Return the routes of a subject; any may answer these problems, and those of every caller."""
    documented = document_problems(401, 403, 406, *problems, 422, 503)
    return APIRouter(prefix=prefix, tags=[tag], responses=documented, route_class=ListRoute)


def add_routes(app: FastAPI, *routers: APIRouter) -> None:
    """Add the routes of routers that say all about themselves: prefix, tags, problems.

    ``include_router`` would work each of them out a second time, at the first request that looks
    for it: a tenth of a start. It would also match each request twice.
    """
    for router in routers:
        app.routes.extend(router.routes)


def _example(status: int, kind: str) -> dict[str, Any]:
    fields = {"type": f"/problems/{kind}", "title": kind, "status": status}
    return fields | {"detail": _PROBLEMS[status], "instance": "/v1/decisions"}


def creates(
    kind: object,
    *problems: int,
    body: type[Record] | None = None,
    other: type[Record] | None = None,
    is_owed: bool = True,
) -> dict[str, Any]:
    """Return the options of a route that records something: status 201, answer, body, problems.

    ``other`` is what the body may be instead.
    """
    documented = takes(body, other, is_owed=is_owed) if body is not None else None
    return {
        "status_code": 201,
        "response_model": kind,
        "responses": document_problems(*problems),
        "openapi_extra": documented,
    }


def takes_many(model: type[Record], *, most: int) -> dict[str, Any]:
    """Return what the OpenAPI document says of an array of bodies that the route reads itself."""
    BODY_MODELS.add(model)
    rows = {"$ref": f"#/components/schemas/{model.__name__}"}
    schema = {"type": "array", "items": rows, "minItems": 1, "maxItems": most}
    return _body(schema, [model.EXAMPLE])


def takes(
    model: type[Record], other: type[Record] | None = None, *, is_owed: bool = True
) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that the route reads itself.

    ``other`` is what the body may be instead.
    """
    models = [model] if other is None else [model, other]
    BODY_MODELS.update(models)
    schemas = [{"$ref": f"#/components/schemas/{one.__name__}"} for one in models]
    schema: Mapping[str, Any] = schemas[0] if other is None else {"anyOf": schemas}
    return _body(schema, model.EXAMPLE, is_owed=is_owed)


def _body(schema: Mapping[str, Any], example: object, *, is_owed: bool = True) -> dict[str, Any]:
    content = {"schema": schema, "example": example}
    return {"requestBody": {"required": is_owed, "content": {"application/json": content}}}
