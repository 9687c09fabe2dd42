"""Tables of keys, users and sessions. Secrets are kept as digests.

All are projections of the journal: the record says who and what for and commits to the digest,
which is stored here and never recorded. What they grant is read from the records
(:mod:`api.auth.authority`), never from these tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, LargeBinary, String, Table, insert, update

from engine.journal import kinds
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.storage.database import METADATA, Int64

KEYS = Table(
    "access_keys",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("post", String),
    Column("created_at", Int64, nullable=False),
    Column("revoked_at", Int64),
    Column("owner", String),
    Column("agency", String),
)
USERS = Table(
    "users",
    METADATA,
    Column("name", String, primary_key=True),
    Column("password", String, nullable=False),
    Column("role", String, nullable=False),
    Column("post", String),
    Column("created_at", Int64, nullable=False),
    Column("agency", String),
)
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("name", String, nullable=False),
    Column("signed_in_at", Int64, nullable=False),
    Column("until", Int64, nullable=False),
    Column("ended_at", Int64),
)


@dataclass(frozen=True, slots=True)
class AccountSecret(ProjectionInput):
    """What the store keeps of the secret of a key, a password or a session."""

    kept: bytes | str | None
    """A digest; of a password its hash; None of a session that no record names."""
    until: int = 0
    """When a session ends by itself: UTC microseconds."""


NO_PASSWORD = ""
"""Kept in the place of a password where no password is right."""


class AccountProjection:
    """Keeps keys, users and sessions."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say about who may call."""
        for entry, draft in entries:
            secret = draft.extra if isinstance(draft.extra, AccountSecret) else AccountSecret(None)
            if entry.kind == kinds.KEY_CREATED:
                row = {"key_id": entry.subject, "digest": secret.kept, "created_at": entry.known_at}
                row |= {"owner": draft.body.get("owner")}
                connection.execute(insert(KEYS), [row | _scope(draft)])
            elif entry.kind == kinds.KEY_REVOKED:
                revoked = update(KEYS).where(KEYS.c.key_id == entry.subject)
                connection.execute(revoked.values(revoked_at=entry.known_at))
            elif entry.kind == kinds.USER_CREATED:
                row = {"name": entry.subject, "password": secret.kept, "created_at": entry.known_at}
                connection.execute(insert(USERS), [row | _scope(draft)])
            elif entry.kind in (kinds.PASSWORD_CHANGED, kinds.USER_LEFT):
                _end_access(connection, entry, secret)
            elif entry.kind == kinds.ACCOUNT_APPROVED and "content" in draft.body:
                _change_role(connection, entry, draft)
            elif entry.kind in (kinds.SIGNED_IN, kinds.SIGNED_OUT):
                _keep_session(connection, entry, secret)


def _end_access(connection: Connection, entry: Entry, secret: AccountSecret) -> None:
    """Revoke old passwords and sessions, and the keys of a user who left."""
    who = entry.subject
    kept = NO_PASSWORD if secret.kept is None else secret.kept
    connection.execute(update(USERS).where(USERS.c.name == who).values(password=kept))
    _end_sessions(connection, who, entry.known_at)
    if entry.kind == kinds.USER_LEFT:
        theirs = update(KEYS).where(KEYS.c.owner == who, KEYS.c.revoked_at.is_(None))
        connection.execute(theirs.values(revoked_at=entry.known_at))


def _change_role(connection: Connection, entry: Entry, draft: Draft) -> None:
    """Put a person's other role into the table, and end the sessions of before."""
    content = draft.body["content"]
    scope = {name: content.get(name) for name in ("role", "post", "agency")}
    connection.execute(update(USERS).where(USERS.c.name == content["name"]).values(scope))
    _end_sessions(connection, content["name"], entry.known_at)


def _end_sessions(connection: Connection, name: str, at: int) -> None:
    open_ = update(SESSIONS).where(SESSIONS.c.name == name, SESSIONS.c.ended_at.is_(None))
    connection.execute(open_.values(ended_at=at))


def _keep_session(connection: Connection, entry: Entry, secret: AccountSecret) -> None:
    if entry.kind == kinds.SIGNED_IN:
        row = {"digest": secret.kept, "name": entry.subject, "until": secret.until}
        connection.execute(insert(SESSIONS), [row | {"signed_in_at": entry.known_at}])
    else:
        ended = update(SESSIONS).where(SESSIONS.c.digest == secret.kept)
        connection.execute(ended.values(ended_at=entry.known_at))


def _scope(draft: Draft) -> dict[str, object]:
    given = {name: draft.body[name] for name in ("role", "agency") if name in draft.body}
    return given | {"post": draft.post or None}
