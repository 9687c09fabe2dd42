"""Responses and their documentation: JSON made once, problems for everything refused.

The OpenAPI document shows one synthetic body of each kind, which the service accepts as it is.
Bodies that name something (a crossing, a seizure's act) name what the body before them made; a test
sends them in this order.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Response

from api.http.csv_lists import ListRoute
from api.http.problems import MEDIA_TYPE, kinds
from engine.domain.records import Record

ARRIVAL: dict[str, Any] = {
    "crossing": {
        "crossing_id": "OYB-2026-000417",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T09:14:00+05:00",
        "vehicle_class": "truck",
        "plate": "01 A 123 BC",
        "plate_country": "TJ",
        "trailer_plate": "01 4567 AA",
        "container_numbers": ["MSKU0000008"],
        "driver_ref": "p-5d2c0f",
        "carrier_id": "carrier-12",
        "seal_numbers": ["S-88121"],
        "weighed_mass_kg": 17350.0,
        "is_empty": False,
        "declaration_id": "26UZ-0009981",
    },
    "declaration": {
        "declaration_id": "26UZ-0009981",
        "lodged_at": "2026-03-01T07:40:00+05:00",
        "procedure": "import",
        "declarant_id": "broker-3",
        "consignor_id": "farm-77",
        "consignee_id": "market-5",
        "dispatch_country": "TJ",
        "destination_country": "UZ",
        "items": [
            {
                "item_no": 1,
                "hs_code": "08062010",
                "description": "raisins in boxes",
                "origin_country": "TJ",
                "packages": 900,
                "net_mass_kg": 9000.0,
                "gross_mass_kg": 9450.0,
                "customs_value_usd": 13500.0,
                "duty_rate": 0.05,
            }
        ],
    },
}

BODIES: dict[str, Any] = {
    "Arrival": ARRIVAL,
    "AdvanceDeclaration": {
        "declaration": ARRIVAL["declaration"],
        "post": "OYB",
        "direction": "entry",
        "arrives_from": "2026-03-01T06:00:00+05:00",
        "arrives_until": "2026-03-01T18:00:00+05:00",
        "vehicles": [{"vehicle_class": "truck", "plate": "01A123BC", "plate_country": "UZ"}],
    },
    "Cancellation": {"reason": "The transport was called off."},
    "ReportedAct": {
        "inspection_id": "OYB-ACT-2026-0031",
        "crossing_id": "OYB-2026-000417",
        "started_at": "2026-03-01T09:30:00+05:00",
        "completed_at": "2026-03-01T10:10:00+05:00",
        "recorded_at": "2026-03-01T10:12:00+05:00",
        "methods": ["canine", "physical"],
        "minutes": 40.0,
        "places_searched": ["chassis.frame", "trailer.floor"],
        "outcome": "seizure",
    },
    "ReportedSeizure": {
        "seizure_id": "OYB-SZ-2026-0004",
        "inspection_id": "OYB-ACT-2026-0031",
        "crossing_id": "OYB-2026-000417",
        "seized_at": "2026-03-01T10:05:00+05:00",
        "recorded_at": "2026-03-01T10:15:00+05:00",
        "substance_class": "narcotic",
        "substance": "hashish",
        "quantity_g": 2000.0,
        "place": "chassis.frame",
        "concealment": "magnet",
    },
    "ActCorrection": {
        "outcome": "seizure",
        "methods": ["canine", "physical"],
        "places_searched": ["chassis.frame"],
        "minutes": 45.0,
        "reason": "The floor of the trailer was not searched.",
    },
    "SeizureCorrection": {
        "substance_class": "narcotic",
        "substance": "hashish",
        "quantity_g": 2300.0,
        "place": "chassis.frame",
        "reason": "Weighed again on the laboratory's scales.",
    },
    "Roster": {"minutes": {"physical": 600.0, "xray": 240.0, "canine": 180.0}},
    "Review": {
        "verdict": "override",
        "channel": "red",
        "reason_code": "officer_observation",
        "reason": "Fresh weld on the frame.",
    },
    "ReleaseReason": {"reason_code": "capacity", "reason": "No bay was free until midnight."},
    "TakingRequest": {"over": 1042},
    "AttentionRequest": {
        "link": "oybek_fotehobod",
        "identifier": "plate",
        "value": "01A123BC",
        "action": "search",
        "answer_by": "2024-03-07T11:00:00Z",
        "until": "2024-03-08T11:00:00Z",
        "why": "Seen at night at a warehouse that is watched.",
        "source": "B",
        "information": "2",
        "handling": ["H2"],
    },
    "CaseRequest": {
        "link": "oybek_fotehobod",
        "answer_by": "2024-03-14T11:00:00Z",
        "summary": "Three finds of one carrier on both sides.",
        "attentions": ["attention-5f2c0d9b7a1e4c33"],
    },
    "RequestAnswer": {"answer": "declined", "reason": "The vehicle left an hour ago."},
    "RequestWithdrawal": {"reason": "It was another vehicle."},
    "CaseOpening": {
        "post": "OYB",
        "summary": "Heroin in the fuel tank of a truck, found by a dog.",
        "substance_class": "narcotic",
        "substance": "heroin",
        "quantity_g": 2300.0,
        "place": "fuel.tank",
        "concealment": "built_in",
        "handling": ["H1"],
    },
    "CaseEvent": {
        "event": {"kind": "stop", "place": "lane 2, after the scales"},
        "happened_at": "2024-03-07T09:40:00Z",
    },
    "AuditClosure": {"reason_code": "not_reachable", "reason": "The goods were sold on."},
    "HandoverNote": {"note": "The scanner stopped at 02:00; lane 2 is closed."},
    "TakeoverNote": {"note": "Lane 2 was opened again."},
    "ModelApproval": {"note": "Read the report of the random stream."},
    "RollBack": {"reason": "It flags every empty truck."},
    "EndOfTrial": {"reason": "It finds less than what is in force."},
    "DriftAsked": {"days": 28},
    "RulesOnly": {"reason": "The scale of lane 2 was found to be off."},
    "ProfileProposal": {
        "code": "NEW-CARRIER",
        "title": "An import by a carrier not seen for a month",
        "expression": 'declaration.procedure == "import" && features.carrier_crossings_30d == 0',
        "channel": "yellow",
        "percentage": 50.0,
        "post": "OYB",
        "valid_until": "2026-12-31T00:00:00+05:00",
    },
    "BacktestAsked": {"expression": "crossing.weighed_mass_kg > 17000.0", "days": 30},
    "CheckAsked": {"expression": "features.night == 1 && features.carrier_crossings_30d == 0"},
    "Period": {"days": 30},
    "Approval": {"shadow": False, "note": "As discussed at the morning briefing."},
    "Retirement": {"reason": "The route is closed."},
    "WatchEntry": {
        "plate": "01 A 123 BC",
        "look_alikes": True,
        "source_post": "OYB",
        "reason": "seen with a false tank",
        "expiry": "2026-04-01T00:00:00+05:00",
    },
    "PreviewRequest": {"plate": "01 A 123 BC", "look_alikes": True, "days": 30},
    "Notice": {
        "trailer": "01 4567 AA",
        "source_post": "FOT",
        "reason": "magnets under the frame, 1 March",
        "expiry": "2026-03-20T00:00:00+05:00",
    },
    "WebhookRequest": {
        "url": "https://hub.example.org/darvoza",
        "events": ["decision.changed", "decision.overridden"],
        "role": "checkpoint",
        "post": "OYB",
    },
    "Rotation": {"overlap_hours": 24},
    "WebhookRetry": {},
    "ProposalRequest": {"matter": "watchlist", "leaves": "watch-5d2c0f", "why": "It is over."},
    "AccountWithdrawal": {},
    "AccountRemoval": {"name": "dilshod"},
}
"""By the record's name; times are those of an example, not of today."""


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
    is_owed: bool = True,
) -> dict[str, Any]:
    """Return the options of a route that records something: status 201, answer, body, problems."""
    documented = takes(body, is_owed=is_owed) if body is not None else None
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
    return _body(schema, [BODIES[model.__name__]])


def takes(model: type[Record], *, is_owed: bool = True) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that the route reads itself."""
    BODY_MODELS.add(model)
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return _body(schema, BODIES[model.__name__], is_owed=is_owed)


def _body(schema: Mapping[str, Any], example: object, *, is_owed: bool = True) -> dict[str, Any]:
    content = {"schema": schema, "example": example}
    return {"requestBody": {"required": is_owed, "content": {"application/json": content}}}
