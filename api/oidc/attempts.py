"""One attempt to sign on: the browser's cookie holds all of it, the service keeps nothing.

State, nonce and PKCE verifier are keyed digests of the cookie: who lacks the cookie can compute
none of them, and one that was changed fits no state. So an answer of the provider counts in the
browser that asked for it and in no other.
"""

import hmac
import re
import secrets
from dataclasses import dataclass

from api.auth.credentials import purpose_digest

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
