"""Doors of the areas: routes with their roles, pages, menu entries, parts and workers of each.

The modules of an area are named here and not imported: permissions read this table when they are
imported themselves, before any module of an area can be. The other half of an area is in the
engine (:mod:`engine.journal.areas`).
"""

from typing import Final

from sqlalchemy import Connection

from api.areas import Doors, MenuEntry
from engine.cases.area import CASE_EVENT
from engine.domain.rights import Matter, Right, Role
from engine.events.area import WEBHOOK_DISABLED
from engine.links.area import LINK_STOPPED
from engine.storage.home import Home

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
        (Matter.CASES, Right.SEE, frozenset({Role.SUPERVISOR})): """
            GET /v1/cases/{case_id}/connections
            GET /v1/cases/{case_id}/connections.graphml
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
    routers=(
        "api.cases.routes:router",
        "api.cases.routes:file_router",
        "api.cases.connections:router",
    ),
    parts={
        "cases_about": "api.cases.connections:list_cases_about",
        "opened_cases": "engine.cases.case_ledger:find_opened_from",
        "event_bodies": "api.cases.readers:EVENTS",
        "notifications": "api.cases.readers:list_waiting",
    },
    page_routers=(
        "api.cases.page:router",
        "api.cases.page:file_page_router",
        "api.cases.connections:page_router",
    ),
    approvals={CASE_EVENT: ("case", ("GET", "/v1/cases/{case_id}"))},
)
_READERS_OF_CIRCULARS = frozenset({Role.CHECKPOINT, Role.SUPERVISOR, Role.ANALYST})
CIRCULARS: Final = Doors(
    name="circulars",
    rules={
        (Matter.REPORTS, Right.SEE, _READERS_OF_CIRCULARS): """
            GET /v1/circulars
            GET /v1/circulars/{circular_id}/files/{digest}
            """,
        (Matter.REPORTS, Right.ACT, _READERS_OF_CIRCULARS): """
            POST /v1/circulars/{circular_id}/readings
            """,
        (Matter.REPORTS, Right.ACT, frozenset({Role.SUPERVISOR, Role.ANALYST})): """
            POST /v1/circulars
            POST /v1/circulars/{circular_id}/files
            POST /v1/circulars/{circular_id}/ends
            """,
    },
    by_person=("/v1/circulars",),
    menu=(MenuEntry("/circulars", "Circulars", 103),),
    routers=("api.circulars.routes:router",),
    page_routers=("api.circulars.page:router",),
    parts={
        "notifications": "api.circulars.answers:list_unread",
        "unread_circulars": "api.circulars.answers:tell_post",
    },
)
COMPLAINTS: Final = Doors(
    name="complaints",
    rules={
        (Matter.REVIEWS, Right.SEE, frozenset({Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY})): """
            GET /v1/complaints
            """,
        (Matter.REVIEWS, Right.ACT, frozenset({Role.SUPERVISOR})): """
            POST /v1/complaints
            """,
        (Matter.REVIEWS, Right.APPROVE, frozenset({Role.SUPERVISOR, Role.INTEGRITY})): """
            POST /v1/complaints/{sequence}/answers
            """,
    },
    by_person=("/v1/complaints",),
    menu=(MenuEntry("/complaints", "Complaints", 105),),
    routers=("api.complaints.page:router",),
    page_routers=("api.complaints.page:page_router",),
    parts={
        "notifications": "api.complaints.answers:list_waiting",
        "complaints": "api.complaints.answers:read_complaints",
    },
)
_FILES_OF_VEHICLE = "/v1/crossings/{crossing_id}/files"
VEHICLE_FILES: Final = Doors(
    name="vehicle_files",
    rules={
        (Matter.ACTS, Right.SEE, _POST | {Role.ANALYST}): """
            GET /v1/crossings/{crossing_id}/files
            GET /v1/crossings/{crossing_id}/files/{digest}
            """,
        (Matter.ACTS, Right.ACT, _POST): """
            POST /v1/crossings/{crossing_id}/files
            POST /v1/crossings/{crossing_id}/files/{sequence}/marks
            """,
    },
    pages_of={
        ("GET", "/decisions/{decision_id}/files"): ("GET", _FILES_OF_VEHICLE),
        ("POST", "/decisions/{decision_id}/files"): ("POST", _FILES_OF_VEHICLE),
        ("GET", "/decisions/{decision_id}/files/{sequence}"): ("GET", _FILES_OF_VEHICLE),
        ("POST", "/decisions/{decision_id}/files/{sequence}/marks"): (
            "POST",
            f"{_FILES_OF_VEHICLE}/{{sequence}}/marks",
        ),
    },
    routers=("api.vehicle_files.routes:router",),
    page_routers=("api.vehicle_files.page:router",),
)
_SEIZURES = ("POST", "/v1/seizures")
SEIZURE_REPORTS: Final = Doors(
    name="seizure_reports",
    pages_of={("GET", "/cases/reports"): _SEIZURES, ("POST", "/cases/reports"): _SEIZURES},
    page_routers=("api.cases.seizure_reports:router",),
)


_OFFICERS = frozenset({Role.SUPERVISOR, Role.COUNTERPART})
_INTEGRITY = frozenset({Role.INTEGRITY})
_PEOPLE = ("GET", "/v1/people")


def find_need_of_links(home: Home, connection: Connection) -> str:
    """Return why a home needs its links: a post's node and its centre decide in turn."""
    if not home.link_keys.exists():
        return ""
    from engine.journal.power_records import read_last_known_at
    from engine.links.identity import read_fingerprint
    from engine.links.state import read_links

    now = read_last_known_at(connection)
    posts = {
        post
        for link in read_links(connection, read_fingerprint(home)).values()
        if link.agreement.kind == "post" and link.phase(now) in ("in_force", "stopped")
        for post in link.agreement.posts
    }
    return f"a link of kind post is agreed for {', '.join(sorted(posts))}" if posts else ""


LINKS: Final = Doors(
    name="links",
    rules={
        (Matter.WATCHLIST, Right.ACT, _OFFICERS): """
            POST /v1/attentions
            POST /v1/attentions/cases
            POST /v1/attentions/{request_id}/answers
            POST /v1/attentions/{request_id}/withdrawals
            """,
        (Matter.WATCHLIST, Right.SEE, _OFFICERS | _INTEGRITY): """
            GET /v1/attentions
            GET /v1/attentions/{request_id}
            GET /v1/attentions/{request_id}/files/{digest}
            """,
        (Matter.INTEGRITY, Right.SEE, _INTEGRITY): """
            GET /v1/links
            GET /v1/links/{link}
            """,
    },
    by_person=("/v1/attentions",),
    open_routes=frozenset({("POST", "/v1/links/{link}/parcels")}),
    menu=(
        MenuEntry("/attentions", "Partners", 174),
        MenuEntry("/links", "Links", 210),
    ),
    routers=("api.attentions.routes:router", "api.links.routes:router", "api.links.routes:door"),
    page_routers=("api.attentions.page:router", "api.links.routes:pages"),
    parts={"decision_notes": "api.links.movements:read_notes"},
    workers=("api.links.worker:LinkWorker",),
    matters=("api.links.proposals:LINK", "api.links.proposals:LINK_RESUMPTION"),
    alarms={LINK_STOPPED: ("link_stopped", _PEOPLE)},
    find_need=find_need_of_links,
)


_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
WEBHOOKS: Final = Doors(
    name="webhooks",
    rules={
        (Matter.PEOPLE, Right.SEE, _ADMINISTRATOR): """
            GET /v1/webhooks
            GET /v1/webhooks/{webhook_id}
            """,
        (Matter.PEOPLE, Right.ACT, _ADMINISTRATOR): """
            POST /v1/webhooks
            POST /v1/webhooks/{webhook_id}/rotations
            POST /v1/webhooks/{webhook_id}/retries
            POST /v1/webhooks/{webhook_id}/tests
            DELETE /v1/webhooks/{webhook_id}
            """,
    },
    by_person=("/v1/webhooks",),
    pages_of={("POST", "/webhooks/{webhook_id}/ends"): ("DELETE", "/v1/webhooks/{webhook_id}")},
    menu=(MenuEntry("/webhooks", "Webhooks", 200),),
    routers=("api.webhooks.routes:router",),
    page_routers=("api.webhooks.page:router",),
    parts={"outbox_figures": "engine.events.webhooks:read_queue_figures"},
    workers=("api.webhooks.delivery:DeliveryWorker",),
    alarms={WEBHOOK_DISABLED: ("webhook_disabled", ("GET", "/v1/webhooks"))},
)


MESSAGES: Final = Doors(
    name="messages",
    parts={
        "body_formats": "api.messages:MessageFormats",
        "message_formats": "features.messages.installed:list_formats",
    },
)


SIGN_ON: Final = Doors(
    name="sign_on",
    open_pages=frozenset({("GET", "/login/oidc"), ("GET", "/login/oidc/callback")}),
    page_routers=("api.oidc.page:router",),
    parts={"sign_on": "api.oidc.sign_on:SignOn"},
    matters=("api.oidc.sign_on:OIDC",),
)


EXERCISES: Final = Doors(name="exercises")


_ANALYSTS = frozenset({Role.ANALYST, Role.SUPERVISOR})
ANALYSIS: Final = Doors(
    name="analysis",
    rules={
        (Matter.MODELS, Right.ACT, _ANALYSTS): """
            POST /v1/jobs
            POST /v1/jobs/files
            DELETE /v1/jobs/{job_id}
            POST /v1/queries
            """,
        (Matter.MODELS, Right.SEE, _ANALYSTS | _ADMINISTRATOR): """
            GET /v1/jobs
            GET /v1/jobs/{job_id}
            GET /v1/jobs/{job_id}/files/{name}
            """,
    },
    by_person=("/v1/queries", "/v1/jobs"),
    pages_of={
        ("GET", "/queries"): ("POST", "/v1/queries"),
        ("POST", "/jobs/{job_id}/ends"): ("DELETE", "/v1/jobs/{job_id}"),
        ("POST", "/jobs/{job_id}/loads"): ("POST", "/v1/jobs"),
    },
    menu=(MenuEntry("/queries", "Queries", 132), MenuEntry("/jobs", "Jobs", 133)),
    routers=("api.analysis.queries:router", "api.analysis.routes:router"),
    page_routers=("api.analysis.queries:page_router", "api.analysis.page:router"),
    parts={"notifications": "api.analysis.routes:list_ended"},
    workers=("api.analysis.worker:JobWorker",),
    matters=("api.analysis.jobs:LOAD",),
)
