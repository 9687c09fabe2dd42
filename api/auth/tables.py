"""Tables of keys, users and sessions, and the secrets in them that no record holds.

The tables are projections of the journal: a record says who and what for and commits to the digest,
which is stored here and never recorded. What they grant is read from the records
(:mod:`api.auth.authority`), never from these tables.

A replay of the journal takes a secret of the live store (a digest of a key, a password or a
session, or a seed) only if it fits the commitment in its record. Otherwise it puts a value that
opens nothing in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, String, Table, insert, select, update

from api.auth.credentials import FIELD, commitment_of
from engine.audit.projection_replay import Restore
from engine.domain.time_units import micros
from engine.journal import kinds
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.journal import JOURNAL, JournalReader
from engine.selection import commitment
from engine.shifts.shift_state import SHIFTS, ShiftSeed
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
KEY_USES = Table(
    "key_uses",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("day", Int64, nullable=False),
    Column("calls", Int64, nullable=False),
    Column("used_at", Int64, nullable=False),
)
"""By key and reason of refusal (empty for what was taken): the last local day, how many calls it
had, and when the last one was (:mod:`api.auth.key_uses`)."""
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
SESSION_USES = Table(
    "session_uses",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("used_at", Int64, nullable=False),
)
"""When a person last used each session, to a minute: by it a session that is idle ends before its
time. Written by the service; what is missing here ends nothing."""


@dataclass(frozen=True, slots=True)
class AccountSecret(ProjectionInput):
    """What the store keeps of the secret of a key, a password or a session."""

    kept: bytes | str | None
    """A digest; of a password its hash; None of a session that no record names."""
    until: int = 0
    """When a session ends by itself: UTC microseconds."""


NO_PASSWORD = ""
"""Kept in the place of a password where no password is right."""


def project_accounts(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep keys, users and sessions."""
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


Body = Mapping[str, Any]
Row = tuple[str, str]
"""(table, key)."""


@dataclass(frozen=True, slots=True)
class _Session:
    digest: bytes
    name: str
    ended_at: int | None


class StoredSecrets:
    """What the live store keeps, and what records commit to."""

    def __init__(self, live: Connection) -> None:
        self.dropped: set[Row] = set()
        """Rows whose stored secret does not fit, or is gone."""
        self._keys = dict(_rows(live, "SELECT key_id, digest FROM access_keys"))
        self._passwords = dict(_rows(live, "SELECT name, password FROM users"))
        self._seeds = dict(_rows(live, "SELECT shift_id, seed FROM shifts"))
        kept = _rows(live, "SELECT signed_in_at, digest, name, ended_at FROM sessions")
        self._sessions = {at: _Session(*row) for at, *row in kept if isinstance(row[0], bytes)}
        self._by_commitment = {commitment_of(one.digest): one for one in self._sessions.values()}
        self._committed = _commitments(live)
        self._nonce = token_hex(8)  # so that no edit writes what is compared with
        self._known_dropped = {
            (one["table"], one["key"])
            for _, body in JournalReader(live).bodies_of(kinds.SECRETS_DROPPED)
            for one in body["rows"]
        }
        self._revealed = {
            body["shift"]: bytes.fromhex(body["seed"])
            for _, body in JournalReader(live).bodies_of(kinds.SHIFT_CLOSED)
        }

    def restorers(self) -> dict[str, Restore]:
        """Return how to restore what rode on a record, by kind."""
        return {
            kinds.KEY_CREATED: self._key,
            kinds.USER_CREATED: self._password,
            kinds.PASSWORD_CHANGED: self._password,
            kinds.SIGNED_IN: self._signed_in,
            kinds.SIGNED_OUT: self._signed_out,
            kinds.SHIFT_OPENED: self._seed,
        }

    def _match(self, row: Row, kept: object, *, stated: str | None) -> bytes | str | None:
        """Return a stored secret where it fits its commitment."""
        if isinstance(kept, bytes | str) and commitment_of(kept) == stated:
            self.dropped.discard(row)
            return kept
        self.dropped.add(row)
        return None

    def stand_in(self, row: Row) -> str:
        """Return what stands for a secret that is lost: as a rebuild leaves it, once it said so."""
        return f"{'!' if row in self._known_dropped else self._nonce}{row[1]}"

    def acknowledge(self) -> None:
        """Take every lost secret for one that a record names: a rebuild is about to write it."""
        self._known_dropped = _AllRows()

    def _key(self, entry: Entry, _: Body) -> AccountSecret:
        row, kept = (KEYS.name, entry.subject), self._keys.get(entry.subject)
        found = self._match(row, kept, stated=self._committed.get(row))
        return AccountSecret(found if isinstance(found, bytes) else self.stand_in(row).encode())

    def _password(self, entry: Entry, _: Body) -> AccountSecret:
        row, kept = (USERS.name, entry.subject), self._passwords.get(entry.subject)
        if kept == NO_PASSWORD:
            self.dropped.add(row)  # right only of a user who is removed by a later record
            return AccountSecret(self.stand_in(row))
        found = self._match(row, kept, stated=self._committed.get(row))
        return AccountSecret(found if isinstance(found, str) else self.stand_in(row))

    def _signed_in(self, entry: Entry, body: Body) -> AccountSecret:
        until = micros(datetime.fromisoformat(body["until"]))
        found, row = self._sessions.get(entry.known_at), (SESSIONS.name, str(entry.known_at))
        kept = None if found is None else found.digest
        matching = self._match(row, kept, stated=body.get(FIELD))
        if isinstance(matching, bytes):
            return AccountSecret(matching, until)
        return AccountSecret(self.stand_in(row).encode(), until)

    def _signed_out(self, _: Entry, body: Body) -> AccountSecret:
        found = self._by_commitment.get(body[FIELD])
        return AccountSecret(None if found is None else found.digest)

    def _seed(self, entry: Entry, body: Body) -> ShiftSeed:
        head, stated = bytes.fromhex(body["head_chain"]), body["commitment"]
        row = (SHIFTS.name, entry.subject)
        for kept in (self._seeds.get(entry.subject), self._revealed.get(entry.subject)):
            if isinstance(kept, bytes) and commitment(kept, head) == stated:
                return ShiftSeed(kept)
        self.dropped.add(row)
        return ShiftSeed(self.stand_in(row).encode())


class _AllRows(set[Row]):
    """Every row."""

    def __contains__(self, _: object) -> bool:
        return True


def _rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    """Return rows without types, because an edit may have left any; bytes as bytes."""
    return [
        tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
        for row in connection.exec_driver_sql(sql)
    ]


def _commitments(connection: Connection) -> dict[Row, str]:
    """Return the last commitment to the secret of each key and each user."""
    found: dict[Row, str] = {}
    tables = {
        kinds.KEY_CREATED: KEYS.name,
        kinds.USER_CREATED: USERS.name,
        kinds.PASSWORD_CHANGED: USERS.name,
    }
    query = (
        select(JOURNAL.c.seq, JOURNAL.c.kind, JOURNAL.c.subject)
        .where(JOURNAL.c.kind.in_(tables))
        .order_by(JOURNAL.c.seq)
    )
    known = {seq: (tables[kind], subject) for seq, kind, subject in connection.execute(query)}
    for seq, body in JournalReader(connection).bodies_of(*tables):
        found.pop(known[seq], None)
        if isinstance(body.get(FIELD), str):
            found[known[seq]] = body[FIELD]
    return found


def revoked_rows(connection: Connection) -> set[Row]:
    """Return the keys and users of a store that open nothing, whatever their secret is."""
    keys = connection.scalars(select(KEYS.c.key_id).where(KEYS.c.revoked_at.is_not(None)))
    users = connection.scalars(select(USERS.c.name).where(USERS.c.password == NO_PASSWORD))
    return {(KEYS.name, key) for key in keys} | {(USERS.name, name) for name in users}
