"""Permissions: the roles of each route and its subject, in one complete, tested table.

A table of agencies (:mod:`api.auth.agencies`) may narrow what a role of an agency does in a matter.

A caller bound to a post reaches that post alone, whatever its role. Health and metrics need no key:
they say nothing about any vehicle.
"""

from dataclasses import dataclass

from api.areas import Rules, list_doors
from engine.domain.rights import Matter, Right, Role


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Who may call a route, and what it is about."""

    roles: frozenset[Role]
    matter: Matter | None
    """None of a route about several matters, which says itself who may take which step."""
    right: Right


BOUND = frozenset({Role.CHECKPOINT, Role.COUNTERPART})
"""Roles whose keys must name a post."""

MACHINES = frozenset({Role.DECLARANT})
"""Roles that no person has: their keys are of machines."""

OWNED = frozenset(Role) - BOUND - MACHINES
"""Roles that propose or approve: their keys must have an owner."""

_READERS = frozenset({Role.SUPERVISOR, Role.ANALYST})
_CHECKPOINT = frozenset({Role.CHECKPOINT})
_SUPERVISOR = frozenset({Role.SUPERVISOR})
_INTEGRITY = frozenset({Role.INTEGRITY})
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
_POST = _CHECKPOINT | _SUPERVISOR
_SENDERS = _CHECKPOINT | MACHINES

_RULES: Rules = {
    (Matter.DECISIONS, Right.SEE, _READERS): """
        GET /v1/decisions
        GET /v1/decisions/{decision_id}/features
        GET /v1/decisions/{decision_id}/explanation
        GET /v1/decisions/{decision_id}/past
        GET /v1/decisions/{decision_id}/recomputation
        GET /v1/reasons
        GET /v1/audits
        GET /v1/entities/{kind}/{value}
        GET /v1/entities/{kind}/{value}/connections
        GET /v1/entities/{kind}/{value}/connections.graphml
        GET /v1/seizures/{seizure_id}/connections
        GET /v1/seizures/{seizure_id}/connections.graphml
        """,
    (Matter.DECISIONS, Right.SEE, _READERS | _CHECKPOINT): """
        GET /v1/decisions/{decision_id}
        GET /v1/search
        """,
    (Matter.DECISIONS, Right.SEE, _POST): """
        GET /v1/posts/{post}/queue
        """,
    (Matter.REPORTS, Right.SEE, _READERS | _INTEGRITY | _ADMINISTRATOR): """
        GET /v1/notifications
        """,
    (None, Right.SEE, _READERS | _INTEGRITY | _ADMINISTRATOR): """
        GET /v1/proposals
        """,
    (None, Right.ACT, _READERS | _ADMINISTRATOR): """
        POST /v1/proposals
        """,
    (None, Right.APPROVE, _READERS | _INTEGRITY | _ADMINISTRATOR): """
        POST /v1/proposals/{number}/approvals
        """,
    (Matter.DECISIONS, Right.ACT, _CHECKPOINT): """
        POST /v1/decisions
        POST /v1/decisions/batch
        POST /v1/decisions/{decision_id}/amendments
        POST /v1/crossings/{crossing_id}/release
        """,
    (Matter.DECISIONS, Right.ACT, _SUPERVISOR): """
        POST /v1/crossings/{crossing_id}/assignments
        """,
    (Matter.DECISIONS, Right.ACT, _POST): """
        POST /v1/decisions/{decision_id}/reason-verdicts
        POST /v1/crossings/{crossing_id}/takings
        POST /v1/crossings/{crossing_id}/returns
        """,
    (Matter.DECISIONS, Right.SEE, _READERS | _SENDERS): """
        GET /v1/declarations
        GET /v1/declarations/{declaration_id}
        """,
    (Matter.DECISIONS, Right.ACT, _SENDERS): """
        POST /v1/declarations
        POST /v1/declarations/{declaration_id}/cancellations
        """,
    (Matter.DECISIONS, Right.ACT, BOUND): """
        POST /v1/crossings
        """,
    (Matter.ACTS, Right.SEE, _READERS | _CHECKPOINT): """
        GET /v1/documents-asked
        """,
    (Matter.ACTS, Right.ACT, _POST): """
        POST /v1/documents-asked/{sequence}/answers
        POST /v1/inspections
        POST /v1/inspections/{inspection_id}/correction-requests
        POST /v1/inspections/{inspection_id}/corrections
        """,
    (Matter.ACTS, Right.ACT, _READERS): """
        POST /v1/audits/{decision_id}/closures
        """,
    (Matter.SEIZURES, Right.SEE, _SUPERVISOR | _INTEGRITY): """
        GET /v1/finds
        """,
    (Matter.SEIZURES, Right.ACT, _POST): """
        POST /v1/seizures
        POST /v1/seizures/{seizure_id}/corrections
        """,
    (Matter.SEIZURES, Right.APPROVE, _SUPERVISOR | _INTEGRITY): """
        POST /v1/finds/{sequence}/confirmations
        """,
    (Matter.REVIEWS, Right.ACT, _SUPERVISOR): """
        POST /v1/decisions/{decision_id}/reviews
        """,
    (Matter.WATCHLIST, Right.SEE, _READERS): """
        GET /v1/watchlist
        GET /v1/watchlist/lists
        GET /v1/watchlist/{entry_id}
        GET /v1/watchlist/{entry_id}/rows
        POST /v1/watchlist/previews
        POST /v1/watchlist/lists/checks
        """,
    (Matter.WATCHLIST, Right.SEE, _READERS | _INTEGRITY): """
        GET /v1/known-lawful
        GET /v1/known-lawful/{entry_id}
        """,
    (Matter.WATCHLIST, Right.ACT, _READERS): """
        POST /v1/known-lawful
        POST /v1/watchlist
        POST /v1/watchlist/lists
        POST /v1/watchlist/{entry_id}/renewals
        POST /v1/watchlist/{entry_id}/retirements
        """,
    (Matter.WATCHLIST, Right.ACT, _SUPERVISOR | {Role.COUNTERPART}): """
        POST /v1/notices
        """,
    (Matter.WATCHLIST, Right.APPROVE, _SUPERVISOR): """
        POST /v1/watchlist/{entry_id}/approvals
        """,
    (Matter.PROFILES, Right.SEE, _READERS | _INTEGRITY): """
        GET /v1/register
        """,
    (Matter.PROFILES, Right.SEE, _READERS): """
        GET /v1/profiles
        POST /v1/profiles/backtests
        POST /v1/profiles/checks
        GET /v1/profiles/fields
        GET /v1/profiles/{code}
        """,
    (Matter.PROFILES, Right.ACT, _READERS): """
        POST /v1/register/reviews
        POST /v1/profiles
        POST /v1/profiles/{code}/backtests
        POST /v1/profiles/{code}/retirements
        """,
    (Matter.PROFILES, Right.APPROVE, _SUPERVISOR): """
        POST /v1/profiles/{code}/approvals
        """,
    (Matter.POLICY, Right.SEE, _READERS | _INTEGRITY): """
        GET /v1/policy
        POST /v1/policy/previews
        """,
    (Matter.MODELS, Right.SEE, _READERS): """
        GET /v1/models
        GET /v1/models/comparison
        GET /v1/models/{version}
        GET /v1/models/{version}/report
        GET /v1/drift
        """,
    (Matter.MODELS, Right.ACT, _READERS): """
        POST /v1/models/rules-only
        POST /v1/models/rollback
        POST /v1/models/end-trial
        POST /v1/models/{version}/shadow
        POST /v1/drift
        """,
    (Matter.MODELS, Right.APPROVE, _READERS): """
        POST /v1/models/{version}/challenges
        POST /v1/models/{version}/approvals
        """,
    (Matter.REPORTS, Right.SEE, _POST): """
        GET /v1/posts/{post}/roster
        """,
    (Matter.REPORTS, Right.SEE, _READERS): """
        GET /v1/network
        """,
    (Matter.REPORTS, Right.SEE, _READERS | _INTEGRITY): """
        GET /v1/figures
        GET /v1/figures.pdf
        GET /v1/posts/{post}/shift
        GET /v1/quality
        POST /v1/quality/assessments
        """,
    (Matter.REPORTS, Right.ACT, _SUPERVISOR): """
        PUT /v1/posts/{post}/roster
        POST /v1/posts/{post}/handovers
        POST /v1/posts/{post}/handovers/{sequence}/signatures
        """,
    (Matter.INTEGRITY, Right.SEE, _INTEGRITY): """
        GET /v1/posts/{post}/integrity
        GET /v1/integrity
        GET /v1/journal
        GET /v1/journal/{sequence}
        """,
    (Matter.INTEGRITY, Right.SEE, _READERS | _INTEGRITY): """
        GET /v1/posts/{post}/draws
        """,
    (Matter.INTEGRITY, Right.ACT, _INTEGRITY): """
        POST /v1/journal/verifications
        """,
    (Matter.PEOPLE, Right.SEE, _ADMINISTRATOR): """
        GET /v1/people
        GET /v1/people/keys/{key_id}
        """,
    (Matter.PEOPLE, Right.ACT, _ADMINISTRATOR): """
        POST /v1/people/proposals/{proposal}/withdrawals
        POST /v1/people/removals
        """,
}
"""Routes of the core; those of an area stand at its doors."""

ROUTES = {
    (method, path): RouteRule(roles, matter, right)
    for rules in (_RULES, *(doors.rules for doors in list_doors()))
    for (matter, right, roles), routes in rules.items()
    for method, path in (route.split() for route in routes.strip().splitlines())
}
"""Method and path of each route, with its rule; the one table that every route and page obeys."""

MAY = {route: rule.roles for route, rule in ROUTES.items()}
"""Method and path of each route to the roles that may call it."""

_BY_PERSON = (
    "/v1/profiles", "/v1/watchlist", "/v1/known-lawful", "/v1/notices", "/v1/models", "/v1/finds",
    "/v1/audits", "/v1/people", "/v1/posts/{post}/handovers", "/v1/proposals", "/v1/register",
    *(path for doors in list_doors() for path in doors.by_person),
)  # fmt: skip
BY_PERSON = frozenset(
    (method, path)
    for method, path in MAY
    if method in ("POST", "DELETE")
    and path.startswith(_BY_PERSON)
    and path
    not in (
        "/v1/profiles/checks",
        "/v1/profiles/backtests",
        "/v1/watchlist/previews",
        "/v1/watchlist/lists/checks",
    )
)
"""Routes that propose, approve, confirm or withdraw: a person must answer for each."""


def routes_of(role: Role) -> frozenset[tuple[str, str]]:
    """Return the routes that a role may call."""
    return frozenset(route for route, roles in MAY.items() if role in roles)


def covers(owner: Role, role: Role) -> bool:
    """Tell whether a key's role is no wider than its owner's."""
    return role is owner or (bool(routes_of(role)) and routes_of(role) <= routes_of(owner))


OPEN = frozenset(
    {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    }
).union(*(doors.open_routes for doors in list_doors()))
"""Routes that ask for no key."""
