"""Who is signed in: a random token in a cookie, its digest in the store, each sign-in a record.

A session ends when its person signs out, or after a fixed time. Role and post are read anew with
every request, so that they are never older than the account.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import select
from starlette.requests import HTTPConnection

from api.callers import Caller
from api.credential_commitment import FIELD, commitment_of
from api.keys import digest
from api.pages.attempts import Attempts
from api.roles import Role
from api.tables import SESSIONS, SIGNED_IN, SIGNED_OUT, USERS
from engine.errors import NotAllowedError, NotAuthenticatedError
from engine.journal import Draft, Entry
from engine.store import Store
from engine.times import HOUR, SystemClock, rfc3339

COOKIE = "darvoza_session"
HOST_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: a browser takes it from this host alone, and never from a neighbour of its domain."""
_BYTES = 32
_LONGEST = 100
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; the token is in the person's cookie and nowhere else."""

    token: str
    seconds: int


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(
        self,
        store: Store,
        submit: Callable[[Draft], "Future[Entry]"],
        pepper: bytes,
        *,
        hours: float,
    ) -> None:
        self._store = store
        self._submit = submit
        self._pepper = pepper
        self._length = round(hours * HOUR)
        self._now = SystemClock().now
        self.attempts = Attempts(store, pepper)

    def begin(self, name: str, role: Role) -> SignedIn:
        """Record that somebody whose password was right signs in."""
        token = secrets.token_urlsafe(_BYTES)
        until = self._now() + self._length
        kept = digest(token, self._pepper)
        body = {"role": role.value, "until": rfc3339(until), FIELD: commitment_of(kept)}
        self._submit(Draft(SIGNED_IN, name, "", body, extra=(kept, until))).result()
        return SignedIn(token, self._length // 1_000_000)

    def caller(self, token: str | None) -> Caller:
        """Return who holds a token; raises ``NotAuthenticatedError``."""
        if not token or len(token) > _LONGEST:
            raise NotAuthenticatedError
        column = SESSIONS.c
        query = (
            select(USERS.c.name, USERS.c.role, USERS.c.post)
            .join(SESSIONS, column.name == USERS.c.name)
            .where(
                column.digest == digest(token, self._pepper),
                column.ended_at.is_(None),
                column.until > self._now(),
            )
        )
        with self._store.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotAuthenticatedError
        return Caller(row.name, Role(row.role), row.post)

    def end(self, token: str) -> None:
        """Record that somebody signs out; raises ``NotAuthenticatedError``."""
        name = self.caller(token).name
        kept = digest(token, self._pepper)
        self._submit(Draft(SIGNED_OUT, name, "", {}, extra=kept)).result()

    def form_token(self, cookie: str) -> str:
        """Return what a form must carry to count as sent from a page with this cookie."""
        return hmac.new(self._pepper, b"form\0" + cookie.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, token: str, cookie: str) -> bool:
        """Tell whether a form carries the token of this cookie."""
        return hmac.compare_digest(token.encode(), self.form_token(cookie).encode())


def cookie_name(request: HTTPConnection) -> str:
    """Return the name under which a session's token comes and goes by this connection."""
    return HOST_COOKIE if request.url.scheme == "https" else COOKIE


def token_of(request: HTTPConnection) -> str:
    """Return the session's token that came with a request, empty where none did."""
    return request.cookies.get(cookie_name(request), "")


def check_origin(request: HTTPConnection, *, is_owed: bool) -> None:
    """Refuse what another site makes a browser send; raises ``NotAllowedError``.

    A browser says where a request comes from, by ``Sec-Fetch-Site`` or by ``Origin``. ``is_owed``
    refuses what says neither: where a cookie is all that a request shows, that is not enough.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site in ("same-origin", "none")
    elif origin is not None:
        is_ours = urlsplit(origin).netloc == request.headers.get("host")
    else:
        is_ours = not is_owed
    if not is_ours:
        raise NotAllowedError("the request comes from another site")
