"""Each secret that is stored is committed to by the record that brought it."""

import json

from sqlalchemy import select

from api.auth.accounts import Accounts
from api.auth.credentials import commitment_of, digest
from api.auth.tables import KEYS, USERS
from engine.domain.network import Network
from engine.domain.rights import Role
from engine.journal.journal import BODIES, JOURNAL
from engine.storage.database import Store
from tests.support.running_service import CHEAP

PEPPER = bytes(range(32))


def commitments(store: Store) -> list[str]:
    query = select(BODIES.c.body).join(JOURNAL, JOURNAL.c.seq == BODIES.c.seq)
    with store.read() as connection:
        bodies = connection.scalars(query.order_by(JOURNAL.c.seq)).all()
    return [json.loads(body)["commitment"] for body in bodies]


def test_records_commit_to_what_is_stored(store: Store) -> None:
    accounts = Accounts(store, Network())
    accounts.create_user("dilnoza", Role.SUPERVISOR)
    with store.read() as connection:
        first = connection.scalars(select(USERS.c.password)).one()
    accounts.change_password("dilnoza")
    key = accounts.create_key(Role.CHECKPOINT, "OYB", pepper=PEPPER)
    with store.read() as connection:
        second = connection.scalars(select(USERS.c.password)).one()
        kept = bytes(connection.scalars(select(KEYS.c.digest)).one())

    assert commitments(store) == [commitment_of(each) for each in (first, second, kept)]
    assert kept == digest(key.secret, PEPPER)


def test_another_secret_has_another_commitment() -> None:
    assert commitment_of(CHEAP.hash("a")) != commitment_of(CHEAP.hash("a"))  # salted
