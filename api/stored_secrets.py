"""Secrets of the store that no record holds: digests of keys, passwords and sessions, seeds.

A replay of the journal needs them where they are right. A record commits to each: what the live
store keeps is taken only where it fits that commitment, and otherwise a value stands in for it that
opens nothing. Records from before commitments say nothing about their secret; those are believed,
and counted, until a later record commits to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from api.credential_commitment import FIELD, commitment_of
from api.tables import (
    CREDENTIALS_ADOPTED,
    KEY_CREATED,
    KEYS,
    NOBODY,
    PASSWORD_CHANGED,
    SESSIONS,
    SIGNED_IN,
    SIGNED_OUT,
    USER_CREATED,
    USERS,
)
from engine.anchors import bodies
from engine.draws import commitment
from engine.journal import JOURNAL, Entry
from engine.replay import Restore
from engine.shifts import CLOSED, OPENED, SHIFTS
from engine.times import micros

Body = Mapping[str, Any]
Row = tuple[str, str]
"""(table, key)."""
UNUSABLE = "!"
"""Stands in for a password that does not fit its commitment: no password is right."""


@dataclass(frozen=True, slots=True)
class _Session:
    digest: bytes
    name: str
    ended_at: int | None


class StoredSecrets:
    """What the live store keeps, and what records commit to."""

    def __init__(self, live: Connection) -> None:
        self.live = live
        self.dropped: set[Row] = set()
        """Rows whose stored secret does not fit, or is gone."""
        self.uncommitted: set[Row] = set()
        """Rows whose secret no record commits to yet."""
        self._keys = dict(_pairs(self.live, KEYS.c.key_id, KEYS.c.digest))
        self._passwords = dict(_pairs(self.live, USERS.c.name, USERS.c.password))
        self._seeds = dict(_pairs(self.live, SHIFTS.c.shift_id, SHIFTS.c.seed))
        column = SESSIONS.c
        rows = self.live.execute(
            select(column.signed_in_at, column.digest, column.name, column.ended_at)
        ).all()
        self._sessions = {at: _Session(bytes(kept), who, end) for at, kept, who, end in rows}
        self._by_commitment = {commitment_of(one.digest): one for one in self._sessions.values()}
        self._committed = _commitments(self.live)
        self._revealed = {
            body["shift"]: bytes.fromhex(body["seed"]) for _, body in bodies(self.live, CLOSED)
        }

    def restorers(self) -> dict[str, Restore]:
        """Return how to restore what rode on a record, by kind."""
        return {
            KEY_CREATED: self._key,
            USER_CREATED: self._password,
            PASSWORD_CHANGED: self._password,
            SIGNED_IN: self._signed_in,
            SIGNED_OUT: self._signed_out,
            OPENED: self._seed,
        }

    def _fits(self, row: Row, kept: bytes | str | None, *, stated: str | None) -> bool:
        is_right = kept is not None and (stated is None or commitment_of(kept) == stated)
        if stated is None:
            self.uncommitted.add(row)
        if is_right:
            self.dropped.discard(row)
        else:
            self.dropped.add(row)
        return is_right

    def _key(self, entry: Entry, _: Body) -> bytes:
        row, kept = (KEYS.name, entry.subject), self._keys.get(entry.subject)
        is_right = self._fits(row, kept, stated=self._committed.get(row))
        return bytes(kept) if is_right and kept is not None else f"!{entry.subject}".encode()

    def _password(self, entry: Entry, _: Body) -> str:
        row, kept = (USERS.name, entry.subject), self._passwords.get(entry.subject)
        if kept == NOBODY:
            return UNUSABLE  # removed: what the password was is not kept
        is_right = self._fits(row, kept, stated=self._committed.get(row))
        return str(kept) if is_right else UNUSABLE

    def _signed_in(self, entry: Entry, body: Body) -> tuple[bytes, int]:
        until = micros(datetime.fromisoformat(body["until"]))
        found, row = self._sessions.get(entry.known_at), (SESSIONS.name, str(entry.known_at))
        kept = None if found is None else found.digest
        is_right = self._fits(row, kept, stated=body.get(FIELD))
        return (kept if is_right and kept is not None else f"!{entry.seq}".encode()), until

    def _signed_out(self, entry: Entry, body: Body) -> bytes | None:
        """Return whose session ended; records from before commitments say only whose it was."""
        if FIELD in body:
            found = self._by_commitment.get(body[FIELD])
            return None if found is None else found.digest
        ended = (
            one.digest
            for one in self._sessions.values()
            if one.name == entry.subject and one.ended_at == entry.known_at
        )
        return next(ended, None)

    def _seed(self, entry: Entry, body: Body) -> bytes:
        head, stated = bytes.fromhex(body["head_chain"]), body["commitment"]
        for kept in (self._seeds.get(entry.subject), self._revealed.get(entry.subject)):
            if kept is not None and commitment(bytes(kept), head) == stated:
                return bytes(kept)
        self.dropped.add((SHIFTS.name, entry.subject))
        return b""


def _pairs(connection: Connection, *columns: Any) -> list[tuple[Any, Any]]:
    return [(key, value) for key, value in connection.execute(select(*columns))]


def _commitments(connection: Connection) -> dict[Row, str]:
    """Return the last commitment to the secret of each key and each user."""
    found: dict[Row, str] = {}
    tables = {KEY_CREATED: KEYS.name, USER_CREATED: USERS.name, PASSWORD_CHANGED: USERS.name}
    query = (
        select(JOURNAL.c.seq, JOURNAL.c.kind, JOURNAL.c.subject)
        .where(JOURNAL.c.kind.in_(tables))
        .order_by(JOURNAL.c.seq)
    )
    known = {seq: (tables[kind], subject) for seq, kind, subject in connection.execute(query)}
    is_adopted = False
    for seq, body in bodies(connection, *tables, CREDENTIALS_ADOPTED):
        if seq in known:
            found.pop(known[seq], None)
            if isinstance(body.get(FIELD), str):
                found[known[seq]] = body[FIELD]
        elif not is_adopted:  # the first one alone counts, and only where no record says more
            is_adopted = True
            for row, stated in _adopted(body):
                found.setdefault(row, stated)
    return found


def _adopted(body: Body) -> list[tuple[Row, str]]:
    tables = {"key": KEYS.name, "user": USERS.name}
    return [((tables[one["kind"]], one["subject"]), one[FIELD]) for one in body["credentials"]]


def revoked_rows(connection: Connection) -> set[Row]:
    """Return the keys and users of a store that open nothing, whatever their secret is."""
    keys = connection.scalars(select(KEYS.c.key_id).where(KEYS.c.revoked_at.is_not(None)))
    users = connection.scalars(select(USERS.c.name).where(USERS.c.password == NOBODY))
    return {(KEYS.name, key) for key in keys} | {(USERS.name, name) for name in users}
