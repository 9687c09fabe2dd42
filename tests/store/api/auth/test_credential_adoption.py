"""Credentials of a home older than the commitments: adopted once, and never a row of no record."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, update

from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.callers import Callers
from api.auth.credential_adoption import adopt_credentials
from api.auth.credential_commitment import commitment_of
from api.auth.credentials import digest
from api.auth.tables import KEYS, USERS, AccountProjection, AccountSecret
from api.migrations.upgrade import upgrade
from engine.domain.network import Network
from engine.domain.rights import Role
from engine.errors import NotAuthenticatedError
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import CREDENTIALS_ADOPTED, KEY_CREATED, USER_CREATED
from engine.storage.database import Store
from tests.service.running_service import CHEAP

MIGRATIONS = Path(__file__).parents[4] / "api" / "migrations"
PEPPER = bytes(range(32))
SECRET, GHOST = "dz_" + "k" * 43, "dz_" + "g" * 43


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Open a store as the version before commitments made it, with a key and a user."""
    if request.param == "sqlite":
        yield from open_filled_store(f"sqlite:///{tmp_path / 'old.sqlite'}")
        return
    with request.getfixturevalue("cluster").database() as url:
        yield from open_filled_store(url)


def open_filled_store(url: str) -> Iterator[Store]:
    store, config = Store(url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0017")
    key = Draft(
        KEY_CREATED,
        "key-1",
        "OYB",
        {"role": "checkpoint"},
        extra=AccountSecret(digest(SECRET, PEPPER)),
    )
    ann = Draft(
        USER_CREATED, "ann", "", {"role": "analyst"}, extra=AccountSecret(CHEAP.hash("hers"))
    )
    Journal(store, [AccountProjection()], is_held=False).append([key, ann])
    yield store
    store.dispose()


def insert_ghost(store: Store) -> None:
    with store.write() as connection:
        row = {"key_id": "ghost", "digest": digest(GHOST, PEPPER), "created_at": 1}
        connection.execute(insert(KEYS).values(row | {"role": "supervisor"}))


def callers(store: Store) -> Callers:
    return Callers(store, PEPPER, believed_seconds=0.01, authority=Authority())


def adoptions(store: Store) -> int:
    query = select(JOURNAL.c.seq).where(JOURNAL.c.kind == CREDENTIALS_ADOPTED)
    with store.read() as connection:
        return len(connection.execute(query).all())


def test_an_old_home_keeps_its_keys_and_people(old: Store) -> None:
    store = old
    insert_ghost(store)
    upgrade(store)
    caller = callers(store).look_up(f"Bearer {SECRET}")
    assert (caller.role, caller.post) == (Role.CHECKPOINT, "OYB")
    assert Accounts(store, Network()).sign_in("ann", "hers") is Role.ANALYST
    with pytest.raises(NotAuthenticatedError):
        callers(store).look_up(f"Bearer {GHOST}")
    assert adoptions(store) == 1


def test_nothing_is_adopted_a_second_time(old: Store) -> None:
    """Who sets the version of the tables back, to have a changed digest adopted, gains nothing."""
    store = old
    upgrade(store)
    with store.write() as connection:
        connection.execute(update(KEYS).values(digest=digest(GHOST, PEPPER)))
        connection.execute(update(USERS).values(password=CHEAP.hash("mine")))
    adopt_credentials(store)
    assert adoptions(store) == 1
    with pytest.raises(NotAuthenticatedError):
        callers(store).look_up(f"Bearer {GHOST}")
    with pytest.raises(NotAuthenticatedError):
        Accounts(store, Network()).sign_in("ann", "mine")


def test_of_two_adoptions_the_first_counts(old: Store) -> None:
    store = old
    upgrade(store)
    forged = {"kind": "key", "subject": "key-1", "commitment": commitment_of(digest(GHOST, PEPPER))}
    Journal(store, is_held=False).append(
        [Draft(CREDENTIALS_ADOPTED, "", "", {"credentials": [forged]})]
    )
    with pytest.raises(NotAuthenticatedError):
        callers(store).look_up(f"Bearer {GHOST}")


def test_a_new_home_adopts_nothing(store: Store) -> None:
    Accounts(store, Network()).create_key(Role.CHECKPOINT, "OYB", pepper=PEPPER)
    with store.write() as connection:
        connection.execute(update(KEYS).values(digest=digest(GHOST, PEPPER)))
    adopt_credentials(store)
    assert adoptions(store) == 0
    with pytest.raises(NotAuthenticatedError):
        callers(store).look_up(f"Bearer {GHOST}")
