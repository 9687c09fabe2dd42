"""Ways to rewrite a journal for a person who owns its database.

Each works inside a transaction that is undone afterwards, so that one small journal serves many.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, func, insert, select, update

from engine.journal.entries import Draft, Entry
from engine.journal.hash_chain import GENESIS, SALT_BYTES, ChainedFields, chain_of, leaf_of
from engine.journal.journal import BODIES, IDENTITY, JOURNAL, Journal
from engine.storage.database import Store

RECORDS = 36


def fill(store: Store, *, records: int = RECORDS) -> list[Entry]:
    """Write a small journal, in batches of four."""
    journal = Journal(store)
    drafts = [
        Draft(
            ("roster", "handover", "percentiles")[n % 3],
            f"subject{n}",
            "OYB",
            {"n": n, "note": "ordinary"},
        )
        for n in range(records)
    ]
    return [entry for n in range(0, records, 4) for entry in journal.append(drafts[n : n + 4])]


@contextmanager
def open_rolled_back(store: Store) -> Iterator[Connection]:
    """Lend a connection whose changes are never seen.

    SQLite's lock is taken at once: a snapshot that began to read cannot write any more once a
    thread of a running service wrote.
    """
    engine = store.engine.execution_options(begin="BEGIN IMMEDIATE")
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def set_record(connection: Connection, seq: int, **values: object) -> None:
    connection.execute(update(JOURNAL).where(JOURNAL.c.seq == seq).values(values))


def edit_body(connection: Connection, seq: int, dice: random.Random) -> None:
    where = BODIES.c.seq == seq
    body = bytearray(connection.execute(select(BODIES.c.body).where(where)).scalar_one())
    body[dice.randrange(len(body))] ^= 1 << dice.randrange(7)
    connection.execute(update(BODIES).where(where).values(body=bytes(body)))


def edit_known_at(connection: Connection, seq: int, dice: random.Random) -> None:
    """Move a record as little as a microsecond, between its neighbours where there is room."""
    step = dice.choice((-1, 1)) * dice.choice((1, 1000, 86_400_000_000))
    taken = set(connection.scalars(select(JOURNAL.c.known_at)))
    known_at = connection.scalars(select(JOURNAL.c.known_at).where(JOURNAL.c.seq == seq)).one()
    while known_at in taken:  # two records never share a time, the store sees to that
        known_at += step
    set_record(connection, seq, known_at=known_at)


def swap(connection: Connection, seq: int) -> None:
    """Exchange two neighbours, each keeping its place and time: what they say changes hands."""
    if seq == RECORDS:
        seq -= 1
    value = ("kind", "subject", "post", "origin", "origin_seq", "leaf")
    columns = [JOURNAL.c[name] for name in value]
    for table, values in ((JOURNAL, columns), (BODIES, [BODIES.c.salt, BODIES.c.body])):
        query = select(*values).where(table.c.seq.in_((seq, seq + 1))).order_by(table.c.seq)
        first, second = connection.execute(query).mappings()
        for place, found in ((seq, second), (seq + 1, first)):
            connection.execute(update(table).where(table.c.seq == place).values(dict(found)))


def remove(connection: Connection, seq: int) -> None:
    for table in (JOURNAL, BODIES):
        connection.execute(delete(table).where(table.c.seq == seq))


def insert_before(connection: Connection, seq: int) -> None:
    """Put in a record that never was; all from there on move by one."""
    for table in (JOURNAL, BODIES):
        connection.execute(update(table).where(table.c.seq >= seq).values(seq=-1 - table.c.seq))
        connection.execute(update(table).where(table.c.seq < 0).values(seq=-table.c.seq))
        query = select(table).where(table.c.seq == seq + 1)
        row = dict(connection.execute(query).mappings().one()) | {"seq": seq}
        if table is JOURNAL:  # two records never share a time
            latest = connection.scalars(select(func.max(JOURNAL.c.known_at))).one()
            row |= {"known_at": latest + 1, "subject": "invented"}
        connection.execute(insert(table).values(row))


def edit(connection: Connection, kind: str, *, seq: int, dice: random.Random) -> None:
    """Change one thing about one record."""
    match kind:
        case "body":
            edit_body(connection, seq, dice)
        case "known_at":
            edit_known_at(connection, seq, dice)
        case "order":
            swap(connection, seq)
        case "deletion":
            remove(connection, seq)
        case "insertion":
            insert_before(connection, seq)
        case _:
            set_record(connection, seq, **{kind: f"edited{dice.randrange(1000)}"})


def forge(connection: Connection) -> None:
    """Make the journal whole again: renumber and recompute."""
    columns = [column for column in JOURNAL.c if column.name != "chain"]
    query = (
        select(*columns, BODIES.c.salt, BODIES.c.body)
        .join(BODIES, BODIES.c.seq == JOURNAL.c.seq)
        .order_by(JOURNAL.c.seq)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    times = sorted(row["known_at"] for row in rows)
    journal_id = connection.scalars(select(IDENTITY.c.journal_id)).one()
    connection.execute(delete(JOURNAL))
    connection.execute(delete(BODIES))
    link, bodies = GENESIS, []
    for seq, (row, known_at) in enumerate(zip(rows, times, strict=True), 1):
        salt, body = row.pop("salt"), row.pop("body")
        row |= {"seq": seq, "known_at": known_at, "leaf": leaf_of(salt, body)}
        link = row["chain"] = chain_of(link, journal_id, ChainedFields(**row))
        bodies.append({"seq": seq, "salt": salt, "body": body})
    connection.execute(insert(JOURNAL), rows)
    connection.execute(insert(BODIES), bodies)


def replace_salt(connection: Connection) -> None:
    """Move a byte of the salt into the body: the same leaf, were the lengths not fixed."""
    row = connection.execute(select(BODIES).where(BODIES.c.seq == 5)).one()
    values = {"salt": row.salt[:-1], "body": row.salt[-1:] + row.body}
    connection.execute(update(BODIES).where(BODIES.c.seq == 5).values(values))


def orphan(connection: Connection) -> None:
    connection.execute(insert(BODIES).values(seq=RECORDS + 9, salt=bytes(SALT_BYTES), body=b"{}"))


def second_identity(connection: Connection) -> None:
    connection.execute(insert(IDENTITY).values(journal_id="other", created=0))


def other_identity(connection: Connection) -> None:
    connection.execute(update(IDENTITY).values(journal_id="other"))


def drop_body(connection: Connection) -> None:
    connection.execute(delete(BODIES).where(BODIES.c.seq == 5))
