"""Secrets of the store that no record holds: digests of keys, passwords and sessions, seeds.

A replay of the journal needs them where they are right. A record commits to each: what the live
store keeps is taken only where it fits that commitment, and otherwise a value stands in for it that
opens nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection, select

from api.auth.credential_commitment import FIELD, commitment_of
from api.auth.tables import KEYS, NO_PASSWORD, SESSIONS, USERS, AccountSecret
from engine.audit.projection_replay import Restore
from engine.domain.time_units import micros
from engine.journal import kinds
from engine.journal.entries import Entry
from engine.journal.journal import JOURNAL, JournalReader
from engine.selection.randomization import commitment
from engine.shifts.shift_state import SHIFTS, ShiftSeed

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
