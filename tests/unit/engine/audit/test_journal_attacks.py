"""Threat: a rewritten audit. Who owns the database rewrites what happened, and is found.

Eight kinds of rewrite, as a user would do them who wants a vehicle forgotten. Done plainly, the
chain shows each. Done by one who recomputes every leaf, link and number after the edit, the
chain shows none (held by the control), and the receipts that checkpoints keep show all.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select

from engine.audit.verification import verify_snapshot
from engine.journal.entries import Draft, Entry
from engine.journal.hash_chain import canonical, new_salt
from engine.journal.journal import BODIES, JOURNAL, Journal
from engine.journal.receipts import Receipt, Signer
from engine.storage.database import Store
from tests.support.sizes import PROOF
from tests.unit.engine.audit.journal_forgery import forge, open_rolled_back

TRIALS = 200 if PROOF else 2
RECORDS = 40
SIGNER = Signer(Ed25519PrivateKey.generate())
Row = dict[str, Any]


def write_shift(store: Store) -> list[Entry]:
    """Write a shift: each vehicle is decided on, inspected, found guilty and reviewed."""
    journal, drafts = Journal(store), list[Draft]()
    for n in range(RECORDS // 4):
        name, channel = f"c-{n}", ("green", "yellow", "red")[n % 3]
        drafts += [
            Draft("decision", name, "OYB", {"channel": channel, "basis": "score"}),
            Draft("inspection", name, "OYB", {"outcome": "seizure", "basis": "score"}),
            Draft("seizure", name, "OYB", {"quantity_g": 2000.0 + n}),
            Draft("review", name, "FOT", {"verdict": "uphold"}),
        ]
    return [entry for n in range(0, RECORDS, 4) for entry in journal.append(drafts[n : n + 4])]


def rows_of(connection: Connection) -> list[Row]:
    columns = [*JOURNAL.c, BODIES.c.salt, BODIES.c.body]
    query = select(*columns).join(BODIES, BODIES.c.seq == JOURNAL.c.seq).order_by(JOURNAL.c.seq)
    return [dict(row) for row in connection.execute(query).mappings()]


def put(connection: Connection, rows: list[Row]) -> None:
    """Write the journal as these rows have it, numbered again, in times that rise."""
    connection.execute(delete(JOURNAL))
    connection.execute(delete(BODIES))
    known = 0
    for seq, row in enumerate(rows, 1):
        known = max(known + 1, row["known_at"])
        row |= {"seq": seq, "known_at": known}
    names = {column.name for column in JOURNAL.c}
    connection.execute(insert(JOURNAL), [{n: row[n] for n in names} for row in rows])
    kept = ("seq", "salt", "body")
    connection.execute(insert(BODIES), [{name: row[name] for name in kept} for row in rows])


def alter_body(row: Row, **changed: object) -> None:
    row["body"] = canonical(json.loads(row["body"]) | changed)


def at(rows: list[Row], dice: random.Random, kind: str) -> int:
    return dice.choice([n for n, row in enumerate(rows) if row["kind"] == kind])


def let_go(rows: list[Row], dice: random.Random) -> None:
    """A decision was green all along."""
    alter_body(rows[at(rows, dice, "decision")], channel="blue")


def find_nothing(rows: list[Row], dice: random.Random) -> None:
    """The search found nothing."""
    alter_body(rows[at(rows, dice, "inspection")], outcome="clear")


def forget(rows: list[Row], dice: random.Random) -> None:
    """There was no seizure."""
    del rows[at(rows, dice, "seizure")]


def invent(rows: list[Row], dice: random.Random) -> None:
    """A supervisor released it."""
    where = dice.randrange(1, len(rows))
    body = canonical({"verdict": "override", "channel": "green"})
    made = {"kind": "review", "salt": new_salt(), "body": body, "leaf": bytes(32)}
    rows.insert(where, rows[where] | made)


def repeat(rows: list[Row], dice: random.Random) -> None:
    """An act was filed twice."""
    n = at(rows, dice, "inspection")
    rows.insert(n + 1, dict(rows[n]))


def exchange(rows: list[Row], dice: random.Random) -> None:
    """Another vehicle was searched."""
    first = dice.randrange(len(rows) - 1)
    for name in ("kind", "subject", "post", "leaf", "salt", "body"):
        rows[first][name], rows[first + 1][name] = rows[first + 1][name], rows[first][name]


def backdate(rows: list[Row], dice: random.Random) -> None:
    """It was known, or came, at another moment."""
    n = dice.randrange(len(rows))
    for row in rows[n:]:
        row["known_at"] += 1_000_000


def move(rows: list[Row], dice: random.Random) -> None:
    """It happened at the other post, to another vehicle."""
    row = rows[dice.randrange(len(rows))]
    row |= {"post": "XXX"} if dice.random() < 0.5 else {"subject": "c-999"}


ATTACKS = (let_go, find_nothing, forget, invent, repeat, exchange, backdate, move)
Attack = Callable[[list[Row], random.Random], None]
BY_NAME = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)


def is_verified(connection: Connection, receipts: list[Receipt]) -> bool:
    return verify_snapshot(connection, receipts, public_key=SIGNER.public_key).ok


def list_unnoticed(
    store: Store, attack: Attack, receipts: list[Receipt], *, recomputed: bool
) -> list[int]:
    """Rewrite many times over; return the trials that stay unnoticed."""
    missed = []
    for trial in range(TRIALS):
        with open_rolled_back(store) as connection:
            rows = rows_of(connection)
            attack(rows, random.Random(trial))
            put(connection, rows)
            if recomputed:
                forge(connection)
            if is_verified(connection, receipts):
                missed.append(trial)
    return missed


@BY_NAME
def test_rewritten_audit_is_found_by_its_chain(store: Store, attack: Attack) -> None:
    write_shift(store)
    assert list_unnoticed(store, attack, [], recomputed=False) == []


@BY_NAME
def test_rewritten_audit_is_found_by_receipts_where_the_chain_was_recomputed(
    store: Store, attack: Attack
) -> None:
    """A receipt of the last record is enough: a chain that leads elsewhere cannot end there."""
    entries = write_shift(store)
    assert list_unnoticed(store, attack, [SIGNER.sign(entries[-1])], recomputed=True) == []


@BY_NAME
def test_rewritten_audit_without_receipts_would_be_believed(store: Store, attack: Attack) -> None:
    """Negative control: a forger who recomputes leaves no trace in the database itself."""
    write_shift(store)
    assert list_unnoticed(store, attack, [], recomputed=True) == list(range(TRIALS))


def test_rewriting_nothing_is_no_rewrite(store: Store) -> None:
    """The other control: the way these tests write a journal back is not what is found."""
    entries = write_shift(store)
    receipts = [SIGNER.sign(entry) for entry in entries]
    assert list_unnoticed(store, lambda rows, dice: None, receipts, recomputed=False) == list(
        range(TRIALS)
    )
