"""Sessions: a random token in a cookie, its digest in the store, each sign-in a record.

A session ends when its person signs out, after a fixed time, or when nobody used it for some time.
Session, role and post are those that records state (:mod:`api.auth.authority`), looked at again
with every request. What a page asks by itself is no use of a session: an open page keeps nobody
signed in.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, select
from starlette.requests import HTTPConnection

from api.auth.authority import Authority, OpenSession, Refused, ignore
from api.auth.callers import Caller, call_as
from api.auth.credentials import FIELD, commitment_of, is_token, purpose_digest
from api.auth.tables import SESSION_USES, SESSIONS, AccountSecret
from api.auth.throttles import Attempts
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, MINUTE, rfc3339
from engine.errors import (
    NotAllowedError,
    NotAuthenticatedError,
    NotFoundError,
    StoreUnavailableError,
)
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal
from engine.journal.kinds import SIGNED_IN, SIGNED_OUT, AccountBody
from engine.storage.database import Store, upsert_rows

COOKIE = "darvoza_session"
HOST_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: a browser takes it from this host alone, and never from a neighbour of its domain."""
_BYTES = 32
_REMEMBERED = 10_000
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
BY_PAGE = "X-Asked-By"
"""Head of a request that a page sends by itself, again and again; its value is ``page``."""


@dataclass(frozen=True, slots=True)
class NewSession:
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
        idle_minutes: float,
        authority: Authority,
        refused: Refused = ignore,
    ) -> None:
        """``refused`` is told of sessions that a table holds and no record backs."""
        self._store = store
        self._authority = authority
        self._refused = refused
        self._submit = submit
        self._pepper = pepper
        self._length = round(hours * HOUR)
        self._idle = round(idle_minutes * MINUTE)
        self._journal = Journal(store)
        self.attempts = Attempts()
        self._known: set[bytes] = set()

    def begin(self, name: str, role: Role, *, oidc: Mapping[str, Any] | None = None) -> NewSession:
        """Record the sign-in of a user whose password, or whose identity provider, was right.

        ``oidc`` names the mapping and the attempt of a session that claims open.
        """
        token = secrets.token_urlsafe(_BYTES)
        with self._store.read() as connection:
            until = self._journal.now(connection) + self._length
        kept = self._digest(token)
        body: AccountBody = {
            "role": role.value,
            "until": rfc3339(until),
            FIELD: commitment_of(kept),
        }
        if oidc is not None:
            body["oidc"] = dict(oidc)
        secret = AccountSecret(kept, until)
        self._submit(SIGNED_IN.draft(name, body, extra=secret)).result()
        with suppress(StoreUnavailableError), self._store.write() as connection:
            over = SESSION_USES.c.used_at <= until - 2 * self._length
            connection.execute(delete(SESSION_USES).where(over))
            upsert_rows(connection, SESSION_USES, [(kept, until - self._length)])
        return NewSession(token, self._length // 1_000_000)

    def caller(self, token: str | None, *, is_used: bool = True) -> Caller:
        """Return who holds a token; raises ``NotAuthenticatedError``.

        ``is_used`` is False of what a page asks by itself.
        """
        if not token or not is_token(token):
            raise NotAuthenticatedError
        kept = self._digest(token)
        with self._store.read() as connection:
            now = self._journal.now(connection)
            authority = self._authority.look(connection)
            person = authority.session(commitment_of(kept), now)
            is_claimed = person is None and _is_in_table(connection, kept, now)
            column = SESSION_USES.c
            used = connection.scalar(select(column.used_at).where(column.digest == kept))
        if person is not None and self._is_idle(used, now):
            raise NotAuthenticatedError
        if person is not None and is_used and now - (used or 0) > min(MINUTE, self._idle // 2):
            with suppress(StoreUnavailableError), self._store.write() as connection:
                upsert_rows(connection, SESSION_USES, [(kept, now)])
        if person is None:
            self._known.discard(kept)
            if is_claimed:
                self._refused("session")
            raise NotAuthenticatedError
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(kept)
        return call_as(person, authority)

    def _is_idle(self, used: int | None, now: int) -> bool:
        return used is not None and now - used > self._idle

    def is_known(self, token: str) -> bool:
        """Tell whether a token was valid when sessions were last read, however long ago."""
        kept = self._digest(token)
        return kept in self._known or self._authority.is_open(commitment_of(kept))

    def end(self, token: str) -> bool:
        """Record a sign-out, and tell whether an identity provider had opened the session.

        Raises ``NotAuthenticatedError``.
        """
        name = self.caller(token).name
        kept = self._digest(token)
        is_of_provider = self._authority.is_of_provider(commitment_of(kept))
        self._end(name, kept)
        return is_of_provider

    def open_of(self, name: str) -> tuple[OpenSession, ...]:
        """Return the open sessions of a name, the oldest first."""
        with self._store.read() as connection:
            now = self._journal.now(connection)
            of_name = SESSIONS.c.name == name, SESSIONS.c.ended_at.is_(None)
            uses = select(SESSION_USES).join(SESSIONS, SESSIONS.c.digest == SESSION_USES.c.digest)
            rows = connection.execute(uses.where(*of_name)).all()
            idle = {commitment_of(kept) for kept, used in rows if self._is_idle(used, now)}
            found = self._authority.look(connection).open_sessions(name, now)
        return tuple(one for one in found if one.commitment not in idle)

    def commitment(self, token: str) -> str:
        """Return by what records name the session of a token."""
        return commitment_of(self._digest(token))

    def end_of(self, name: str, commitment: str) -> None:
        """Record that a person ends one of their sessions, on whichever machine it is.

        Raises ``NotFoundError`` for one that is not theirs, or is over.
        """
        mine = (one.commitment for one in self.open_of(name))
        query = select(SESSIONS.c.digest).where(SESSIONS.c.name == name)
        with self._store.read() as connection:
            digests = connection.scalars(query.where(SESSIONS.c.ended_at.is_(None))).all()
        kept = next((one for one in digests if commitment_of(one) == commitment), None)
        if commitment not in mine or kept is None:
            raise NotFoundError("session", commitment)
        self._end(name, kept)

    def _end(self, name: str, kept: bytes) -> None:
        body: AccountBody = {FIELD: commitment_of(kept)}
        self._submit(SIGNED_OUT.draft(name, body, extra=AccountSecret(kept))).result()

    def form_token(self, cookie: str) -> str:
        """Return what a form must carry to count as sent from a page with this cookie."""
        return purpose_digest("form", cookie, self._pepper).hex()

    def is_form_token(self, token: str, cookie: str) -> bool:
        """Tell whether a form carries the token of this cookie."""
        return is_token(cookie) and hmac.compare_digest(
            token.encode(), self.form_token(cookie).encode()
        )

    def _digest(self, token: str) -> bytes:
        return purpose_digest("session", token, self._pepper)


def _is_in_table(connection: Connection, kept: bytes, now: int) -> bool:
    column = SESSIONS.c
    query = select(column.name).where(
        column.digest == kept, column.ended_at.is_(None), column.until > now
    )
    return connection.execute(query).first() is not None


def is_used_by_person(request: HTTPConnection) -> bool:
    """Tell whether a person asks, and not a page that they left open."""
    is_stream = request.headers.get("accept", "") == "text/event-stream"
    return not is_stream and request.headers.get(BY_PAGE) != "page"


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
        raise NotAllowedError("the request comes from another site", "site")
