"""One synthetic body of each kind for the OpenAPI document; the service accepts each as it is.

Bodies that name something (a crossing, a seizure's act) name what the body before them made; a
test sends them in this order.
"""

from typing import Any

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
    "Seizure": {
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
    "Roster": {"minutes": {"physical": 600.0, "xray": 240.0, "canine": 180.0}},
    "Review": {
        "verdict": "override",
        "channel": "red",
        "reason_code": "own-observation",
        "reason": "Fresh weld on the frame.",
    },
    "ReleaseReason": {"reason_code": "capacity", "reason": "No bay was free until midnight."},
    "AuditClosure": {"reason_code": "not_reachable", "reason": "The goods were sold on."},
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
}
"""By the record's name; times are those of an example, not of today."""
