"""Who may call: keys of machines and names of people. Secrets are kept as digests alone.

Both are projections of the journal: the record says who and what for, the digest rides beside it
and is never recorded.
"""

from collections.abc import Sequence

from sqlalchemy import Column, Connection, LargeBinary, String, Table, insert, update

from engine.journal import Draft, Entry
from engine.store import METADATA, Int64

KEYS = Table(
    "access_keys",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("post", String),
    Column("created_at", Int64, nullable=False),
    Column("revoked_at", Int64),
)
USERS = Table(
    "users",
    METADATA,
    Column("name", String, primary_key=True),
    Column("password", String, nullable=False),
    Column("role", String, nullable=False),
    Column("post", String),
    Column("created_at", Int64, nullable=False),
)
KEY_CREATED, KEY_REVOKED, USER_CREATED = "key_created", "key_revoked", "user_created"


class AccountProjection:
    """Keeps keys and users."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say about who may call."""
        for entry, draft in entries:
            if entry.kind == KEY_CREATED:
                row = {"key_id": entry.subject, "digest": draft.extra, "created_at": entry.known_at}
                connection.execute(insert(KEYS), [row | _scope(draft)])
            elif entry.kind == KEY_REVOKED:
                revoked = update(KEYS).where(KEYS.c.key_id == entry.subject)
                connection.execute(revoked.values(revoked_at=entry.known_at))
            elif entry.kind == USER_CREATED:
                row = {"name": entry.subject, "password": draft.extra, "created_at": entry.known_at}
                connection.execute(insert(USERS), [row | _scope(draft)])


def _scope(draft: Draft) -> dict[str, object]:
    return {"role": draft.body["role"], "post": draft.post or None}
