"""Which role may call which route: one table, complete, tested against the routes that exist.

A caller bound to a post reaches that post alone, whatever its role. Health and metrics need no key:
they say nothing about any vehicle.
"""

from enum import StrEnum


class Role(StrEnum):
    """What a caller is there for."""

    CHECKPOINT = "checkpoint"
    COUNTERPART = "counterpart"
    SUPERVISOR = "supervisor"
    ANALYST = "analyst"
    INTEGRITY = "integrity"
    ADMINISTRATOR = "administrator"


BOUND = frozenset({Role.CHECKPOINT, Role.COUNTERPART})
"""Roles whose keys must name a post."""

OWNED = frozenset(Role) - BOUND
"""Roles that propose or approve: their keys must have an owner."""

_READERS = frozenset({Role.SUPERVISOR, Role.ANALYST})
_POST = frozenset({Role.CHECKPOINT, Role.SUPERVISOR})

MAY: dict[tuple[str, str], frozenset[Role]] = {
    ("POST", "/v1/decisions"): frozenset({Role.CHECKPOINT}),
    ("POST", "/v1/decisions/batch"): frozenset({Role.CHECKPOINT}),
    ("GET", "/v1/decisions"): _READERS,
    ("GET", "/v1/decisions/{decision_id}"): _READERS | {Role.CHECKPOINT},
    ("GET", "/v1/decisions/{decision_id}/features"): _READERS,
    ("GET", "/v1/decisions/{decision_id}/explanation"): _READERS,
    ("GET", "/v1/decisions/{decision_id}/past"): _READERS,
    ("POST", "/v1/decisions/{decision_id}/amendments"): frozenset({Role.CHECKPOINT}),
    ("POST", "/v1/decisions/{decision_id}/reviews"): frozenset({Role.SUPERVISOR}),
    ("GET", "/v1/models"): _READERS,
    ("GET", "/v1/models/comparison"): _READERS,
    ("GET", "/v1/models/{version}"): _READERS,
    ("GET", "/v1/models/{version}/report"): _READERS,
    ("POST", "/v1/models/rules-only"): _READERS,
    ("POST", "/v1/models/rollback"): _READERS,
    ("POST", "/v1/models/end-trial"): _READERS,
    ("POST", "/v1/models/{version}/shadow"): _READERS,
    ("POST", "/v1/models/{version}/challenges"): _READERS,
    ("POST", "/v1/models/{version}/approvals"): _READERS,
    ("GET", "/v1/drift"): _READERS,
    ("POST", "/v1/drift"): _READERS,
    ("POST", "/v1/crossings"): frozenset({Role.CHECKPOINT, Role.COUNTERPART}),
    ("POST", "/v1/crossings/{crossing_id}/release"): frozenset({Role.CHECKPOINT}),
    ("GET", "/v1/posts/{post}/queue"): _POST,
    ("GET", "/v1/posts/{post}/roster"): _POST,
    ("PUT", "/v1/posts/{post}/roster"): frozenset({Role.SUPERVISOR}),
    ("GET", "/v1/posts/{post}/shift"): _READERS | {Role.INTEGRITY},
    ("GET", "/v1/posts/{post}/integrity"): frozenset({Role.INTEGRITY}),
    ("GET", "/v1/posts/{post}/draws"): _READERS | {Role.INTEGRITY},
    ("GET", "/v1/journal"): frozenset({Role.INTEGRITY}),
    ("GET", "/v1/journal/{sequence}"): frozenset({Role.INTEGRITY}),
    ("POST", "/v1/journal/verifications"): frozenset({Role.INTEGRITY}),
    ("GET", "/v1/profiles"): _READERS,
    ("POST", "/v1/profiles"): _READERS,
    ("POST", "/v1/profiles/backtests"): _READERS,
    ("POST", "/v1/profiles/checks"): _READERS,
    ("GET", "/v1/profiles/fields"): _READERS,
    ("GET", "/v1/profiles/{code}"): _READERS,
    ("POST", "/v1/profiles/{code}/backtests"): _READERS,
    ("POST", "/v1/profiles/{code}/approvals"): frozenset({Role.SUPERVISOR}),
    ("POST", "/v1/profiles/{code}/retirements"): _READERS,
    ("GET", "/v1/watchlist"): _READERS,
    ("POST", "/v1/watchlist"): _READERS,
    ("GET", "/v1/watchlist/{entry_id}"): _READERS,
    ("POST", "/v1/watchlist/{entry_id}/approvals"): frozenset({Role.SUPERVISOR}),
    ("POST", "/v1/watchlist/{entry_id}/retirements"): _READERS,
    ("POST", "/v1/notices"): frozenset({Role.COUNTERPART, Role.SUPERVISOR}),
    ("POST", "/v1/inspections"): _POST,
    ("POST", "/v1/seizures"): _POST,
    ("GET", "/v1/finds"): frozenset({Role.SUPERVISOR, Role.INTEGRITY}),
    ("POST", "/v1/finds/{sequence}/confirmations"): frozenset({Role.SUPERVISOR, Role.INTEGRITY}),
}
"""Method and path of each route to the roles that may call it; no other role may."""

BY_PERSON = frozenset(
    (method, path)
    for method, path in MAY
    if method == "POST"
    and path.startswith(("/v1/profiles", "/v1/watchlist", "/v1/notices", "/v1/models", "/v1/finds"))
    and path not in ("/v1/profiles/checks", "/v1/profiles/backtests")
)
"""Routes that propose, approve, confirm or withdraw: a person must answer for each."""


def routes_of(role: Role) -> frozenset[tuple[str, str]]:
    """Return the routes that a role may call."""
    return frozenset(route for route, roles in MAY.items() if role in roles)


def covers(owner: Role, role: Role) -> bool:
    """Tell whether a key's role is no wider than its owner's."""
    return role is owner or (bool(routes_of(role)) and routes_of(role) <= routes_of(owner))


OPEN = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")})
"""Routes that ask for no key."""
