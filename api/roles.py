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

_READERS = frozenset({Role.SUPERVISOR, Role.ANALYST})
_POST = frozenset({Role.CHECKPOINT, Role.SUPERVISOR})

MAY: dict[tuple[str, str], frozenset[Role]] = {
    ("POST", "/v1/decisions"): frozenset({Role.CHECKPOINT}),
    ("POST", "/v1/decisions/batch"): frozenset({Role.CHECKPOINT}),
    ("GET", "/v1/decisions"): _READERS,
    ("GET", "/v1/decisions/{decision_id}"): _READERS | {Role.CHECKPOINT},
    ("GET", "/v1/decisions/{decision_id}/features"): _READERS | {Role.CHECKPOINT},
    ("GET", "/v1/decisions/{decision_id}/explanation"): _READERS | {Role.CHECKPOINT},
    ("POST", "/v1/decisions/{decision_id}/reviews"): frozenset({Role.SUPERVISOR}),
    ("POST", "/v1/crossings"): frozenset({Role.CHECKPOINT, Role.COUNTERPART}),
    ("POST", "/v1/crossings/{crossing_id}/release"): frozenset({Role.CHECKPOINT}),
    ("GET", "/v1/posts/{post}/queue"): _POST,
    ("GET", "/v1/posts/{post}/roster"): _POST,
    ("PUT", "/v1/posts/{post}/roster"): frozenset({Role.SUPERVISOR}),
    ("POST", "/v1/inspections"): _POST,
    ("POST", "/v1/seizures"): _POST,
}
"""Method and path of each route to the roles that may call it; no other role may."""

OPEN = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")})
"""Routes that ask for no key."""
