"""Refusals of a sign-on: a closed list, for pages, logs and counters."""

from enum import StrEnum


class Refusal(StrEnum):
    """One reason; pages have a sentence for each."""

    NOT_OFFERED = "not_offered"
    """No mapping is in force."""
    STALE = "stale"
    """The attempt was begun in another browser, too long ago, or is used already."""
    DECLINED = "declined"
    """The provider itself refused, or did not accept its own code."""
    PROVIDER_DOWN = "provider_down"
    """The provider does not answer, in time or as it should."""
    UNVERIFIED = "unverified"
    """What the provider answered does not prove who signs on."""
    NO_ROLE = "no_role"
    NO_POST = "no_post"
    NO_AGENCY = "no_agency"
    REMOVED = "removed"
    """The account was removed here, or the local account that it is linked to."""
    MISCONFIGURED = "misconfigured"
    """A secret file of this home is missing, or is not the one that was approved."""


STATUS = {
    Refusal.NOT_OFFERED: 404,
    Refusal.STALE: 400,
    Refusal.DECLINED: 403,
    Refusal.PROVIDER_DOWN: 503,
    Refusal.UNVERIFIED: 401,
    Refusal.NO_ROLE: 403,
    Refusal.NO_POST: 403,
    Refusal.NO_AGENCY: 403,
    Refusal.REMOVED: 403,
    Refusal.MISCONFIGURED: 503,
}
"""HTTP status of each."""


class SignOnError(Exception):
    """A sign-on that opens no session."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
