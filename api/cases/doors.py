"""The doors of two areas: cases, and old reports of seizures that are read into records."""

from typing import Final

from api.areas import Doors, MenuEntry
from engine.cases.area import CASE_EVENT
from engine.domain.rights import Matter, Right, Role

_POST = frozenset({Role.CHECKPOINT, Role.SUPERVISOR})
CASES: Final = Doors(
    name="cases",
    rules={
        (Matter.CASES, Right.SEE, _POST): """
            GET /v1/cases
            GET /v1/cases/{case_id}
            GET /v1/cases/{case_id}/files/{digest}
            GET /v1/cases/{case_id}/dossier.pdf
            """,
        (Matter.CASES, Right.ACT, _POST): """
            POST /v1/cases
            POST /v1/cases/{case_id}/events
            POST /v1/cases/{case_id}/files
            """,
    },
    pages_of={
        ("GET", "/cases/new"): ("POST", "/v1/cases"),
        ("GET", "/cases/{case_id}/events"): ("POST", "/v1/cases/{case_id}/events"),
    },
    menu=(MenuEntry("/cases", "Cases", 100),),
    routers=("api.cases.routes:router", "api.cases.file_routes:router"),
    parts={
        "opened_cases": "engine.cases.case_ledger:find_opened_from",
        "event_bodies": "api.cases.event_bodies:EVENTS",
        "notifications": "api.cases.event_bodies:list_escalated",
    },
    page_routers=("api.cases.page:router", "api.cases.file_page:router"),
    approvals={CASE_EVENT: ("case", ("GET", "/v1/cases/{case_id}"))},
)
_SEIZURES = ("POST", "/v1/seizures")
SEIZURE_REPORTS: Final = Doors(
    name="seizure_reports",
    pages_of={("GET", "/cases/reports"): _SEIZURES, ("POST", "/cases/reports"): _SEIZURES},
    page_routers=("api.cases.report_page:router",),
)
