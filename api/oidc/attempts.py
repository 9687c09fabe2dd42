"""Attempts to sign on: what the browser keeps of one, and why one is refused.

The browser's cookie holds all of an attempt, and the service keeps nothing. State, nonce and PKCE
verifier are keyed digests of the cookie: nobody without the cookie can compute them, and a cookie
that was changed fits no state. So an answer of the provider counts only in the browser that asked
for it.

Refusals are a closed list, for pages, logs and counters.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from api.auth.credentials import purpose_digest


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


SECONDS = 600
"""How long a person may take at the provider."""
_COOKIE = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9%._~-]{0,1000})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, from its cookie."""

    cookie: str
    began_at: int
    """Seconds since 1970."""
    wanted: str
    """Where to go afterwards, quoted; checked again before it is followed."""

    def state(self, pepper: bytes) -> str:
        """Return what the provider hands back."""
        return purpose_digest("oidc-state", self.cookie, pepper).hex()

    def nonce(self, pepper: bytes) -> str:
        """Return what the provider signs."""
        return purpose_digest("oidc-nonce", self.cookie, pepper).hex()

    def verifier(self, pepper: bytes) -> str:
        """Return what proves to the provider that the code is ours: 64 characters (RFC 7636)."""
        return purpose_digest("oidc-verifier", self.cookie, pepper).hex()

    def fits(self, state: str, pepper: bytes, *, now: float) -> bool:
        """Tell whether a state is that of this attempt, while it lasts."""
        is_open = 0 <= now - self.began_at <= SECONDS
        return hmac.compare_digest(state.encode(), self.state(pepper).encode()) and is_open


def new_attempt(wanted: str, *, now: float) -> Attempt:
    """Return a new attempt; ``wanted`` is a quoted path, dropped where it is too long."""
    return parse_attempt(f"{int(now)}.{secrets.token_urlsafe(32)}.{wanted}") or new_attempt(
        "", now=now
    )


def parse_attempt(cookie: str) -> Attempt | None:
    """Return the attempt of a cookie, None of a text that is none."""
    found = _COOKIE.fullmatch(cookie)
    return None if found is None else Attempt(cookie, int(found[1]), found[3])
