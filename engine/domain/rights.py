"""Roles of callers, the matters of their work, and their rights in each."""

from enum import StrEnum


class Role(StrEnum):
    """What a caller is there for."""

    CHECKPOINT = "checkpoint"
    DECLARANT = "declarant"
    """A sender of declarations ahead of their vehicles; machines alone."""
    COUNTERPART = "counterpart"
    SUPERVISOR = "supervisor"
    ANALYST = "analyst"
    INTEGRITY = "integrity"
    ADMINISTRATOR = "administrator"


class Matter(StrEnum):
    """What a route or a record is about, as agencies divide their work."""

    DECISIONS = "decisions"
    """Decisions, queues, reported crossings, releases and declarations ahead."""
    ACTS = "acts"
    SEIZURES = "seizures"
    REVIEWS = "reviews"
    """Verdicts and overrides of supervisors."""
    WATCHLIST = "watchlist"
    PROFILES = "profiles"
    POLICY = "policy"
    """Settings that steer selection."""
    MODELS = "models"
    """Models and drift."""
    REPORTS = "reports"
    """Shift reports and rosters."""
    INTEGRITY = "integrity"
    """Integrity reports, draws and the journal."""
    PEOPLE = "people"
    """People and keys, the table of agencies itself, erasures, withdrawn loads and webhooks."""
    CASES = "cases"
    """What follows a find."""


class Right(StrEnum):
    """What a route does in its matter."""

    SEE = "see"
    ACT = "act"
    """Record, propose, change or withdraw."""
    APPROVE = "approve"
    """Agree to what another person began."""


class Scope(StrEnum):
    """Whose rows a right is about; a row without an agency is everybody's."""

    ALL = "all"
    OWN = "own"
    """Rows of the own agency, and of posts that the own agency shares."""
    NONE = "none"


def matter_of_rule(kind: str) -> Matter:
    """Return the matter whose rights hold for the rules of a kind (:mod:`engine.criteria`)."""
    if kind in ("list", "entries", "known_lawful"):
        return Matter.WATCHLIST
    return Matter.POLICY if kind == "policy" else Matter.PROFILES
