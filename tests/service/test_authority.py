"""Power comes from the journal: what is edited in the tables of a running service grants nothing.

Each attack has one connection to the database and no file of the home, on SQLite and on PostgreSQL.
The negative control believes the tables, as the service once did, and must lose to the same attack.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

from api.accounts import Accounts
from api.authority import KeyGrant
from api.callers import Callers
from api.keys import digest, open_pepper, purpose_digest
from api.roles import Role
from api.settings import Settings
from api.tables import KEYS, SESSIONS, USERS
from engine.errors import NotAuthenticatedError
from engine.home import DATABASE_VARIABLE
from engine.journal import JOURNAL
from tests.service.desk import Desk, user
from tests.service.world import (
    CHEAP,
    POST,
    FakeModels,
    World,
    make_home,
    make_keys,
    open_world,
)

FAR = 2**62
BELIEVED = 0.05


@pytest.fixture
def world(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a home whose store is SQLite, then one whose store is PostgreSQL."""
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    home, models = make_home(tmp_path / "home"), FakeModels()
    keys, other = make_keys(home)
    client, app = open_world(home, models, Settings(key_seconds=BELIEVED, model_seconds=0.05))
    with client:
        yield World(home, models, client, app.state.runtime, keys, other)


def edit(world: World, *statements: object) -> None:
    """Change tables as the owner of the database does, past every record."""
    with world.runtime.store.write() as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]
    time.sleep(2 * BELIEVED)  # what a key was believed for is over


def refusals(world: World, kind: str) -> float:
    found = world.runtime.metrics.registry.get_sample_value(
        "darvoza_power_refused_total", {"kind": kind}
    )
    return found or 0.0


def key_id(world: World, role: Role) -> str:
    return world.runtime.callers.look_up(f"Bearer {world.keys[role]}").name


def widened(world: World) -> None:
    edit(
        world,
        update(KEYS)
        .where(KEYS.c.key_id == key_id(world, Role.CHECKPOINT))
        .values(role="supervisor", post=None, owner="the-supervisor"),
    )


def test_an_edited_role_gives_a_key_nothing(world: World) -> None:
    assert world.get("/v1/decisions", Role.CHECKPOINT).status_code == 403
    widened(world)
    assert world.get("/v1/decisions", Role.CHECKPOINT).status_code == 403
    assert world.get("/v1/posts/FOT/queue", Role.CHECKPOINT).status_code == 403


def believe_the_table(connection: Connection, kept: bytes) -> KeyGrant | None:
    """Find a key as the service did before: what its row states is what it may do."""
    column = KEYS.c
    query = select(KEYS).where(column.digest == kept, column.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return KeyGrant(row.key_id, Role(row.role), row.post, row.owner, "", row.created_at)


def test_negative_control_a_service_that_believes_the_table_is_widened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = digest(world.keys[Role.CHECKPOINT], open_pepper(world.home))
    widened(world)

    def key(_: object, __: str) -> KeyGrant | None:
        with world.runtime.store.read() as connection:
            return believe_the_table(connection, kept)

    monkeypatch.setattr("api.authority.Authority.key", key)
    assert world.get("/v1/decisions", Role.CHECKPOINT).status_code == 200


def test_an_inserted_key_opens_nothing(world: World) -> None:
    secret = "dz_" + "a" * 43
    row = {"key_id": "key-0", "digest": digest(secret, open_pepper(world.home)), "created_at": 1}
    edit(world, insert(KEYS).values(row | {"role": "supervisor"}))
    headers = {"Authorization": f"Bearer {secret}"}
    assert world.client.get("/v1/decisions", headers=headers).status_code == 401
    assert refusals(world, "key") == 1


def test_a_revocation_taken_out_of_the_table_brings_no_key_back(world: World) -> None:
    accounts = Accounts(world.runtime.store, world.runtime.network)
    revoked = key_id(world, Role.SUPERVISOR)
    accounts.revoke_key(revoked)
    edit(world, update(KEYS).where(KEYS.c.key_id == revoked).values(revoked_at=None))
    assert world.get("/v1/decisions").status_code == 401
    assert refusals(world, "key") == 1


def test_a_removed_person_stays_removed_with_their_keys(world: World) -> None:
    accounts = Accounts(world.runtime.store, world.runtime.network)
    password = CHEAP.hash("known to the attacker")
    accounts.remove_user("the-supervisor")
    edit(
        world,
        update(USERS).where(USERS.c.name == "the-supervisor").values(password=password),
        update(KEYS).values(revoked_at=None),
    )
    assert world.get("/v1/decisions").status_code == 401
    entered = Desk(world).sign_in("the-supervisor", "known to the attacker")
    assert entered.status_code == 401


def test_an_edited_password_and_role_let_no_user_in(world: World) -> None:
    password = user(world, "rustam", Role.SUPERVISOR)
    mine = CHEAP.hash("known to the attacker")
    edit(
        world,
        update(USERS).where(USERS.c.name == "rustam").values(password=mine, role="integrity"),
    )
    assert Desk(world).sign_in("rustam", "known to the attacker").status_code == 401
    assert refusals(world, "user") == 1
    assert Desk(world).sign_in("rustam", password).status_code == 401  # no longer stored


def test_an_edited_role_alone_opens_no_other_page(world: World) -> None:
    password = user(world, "rustam", Role.SUPERVISOR)
    edit(world, update(USERS).where(USERS.c.name == "rustam").values(role="integrity"))
    desk = Desk(world)
    assert desk.sign_in("rustam", password).status_code == 303
    assert desk.get("/journal").status_code == 403


def test_an_inserted_user_cannot_sign_in(world: World) -> None:
    row = {"name": "ghost", "password": CHEAP.hash("boo"), "role": "integrity", "created_at": 1}
    edit(world, insert(USERS).values(row))
    assert Desk(world).sign_in("ghost", "boo").status_code == 401
    assert refusals(world, "user") == 1


def insert_session(world: World, token: str, kept: bytes) -> int:
    user(world, "dilnoza", Role.SUPERVISOR)
    row = {"digest": kept, "name": "dilnoza", "signed_in_at": 1, "until": FAR}
    edit(world, insert(SESSIONS).values(row))
    headers = {"Cookie": f"darvoza_session={token}"}
    status: int = world.client.get("/v1/decisions", headers=headers).status_code
    return status


def test_an_inserted_session_opens_nothing(world: World) -> None:
    token = "a" * 43
    kept = purpose_digest("session", token, open_pepper(world.home))
    assert insert_session(world, token, kept) == 401
    assert refusals(world, "session") == 1


def test_a_form_token_is_no_session(world: World) -> None:
    """The sign-in page gives out an HMAC of a cookie of the sender's choice: good for one thing."""
    visit = "A" * 22
    told = Desk(world).client.get("/login", headers={"Cookie": f"darvoza_visit={visit}"})
    shown = told.text.partition('name="form_token" value="')[2][:64]
    for token in (f"darvoza/form\0{visit}", f"form\0{visit}", visit):
        escaped = '"' + token.replace("\0", "\\000") + '"'
        with pytest.raises(NotAuthenticatedError):
            world.runtime.sessions.caller(token)
        headers = {"Cookie": f"darvoza_session={escaped}"}
        assert world.client.get("/v1/decisions", headers=headers).status_code == 401
    assert bytes.fromhex(shown) != purpose_digest("session", visit, open_pepper(world.home))


@pytest.mark.parametrize("odd", ["dz_ä", "dz_a b", "dz_a\0", "dz_" + "a" * 98, "dz_a="])
def test_a_key_of_other_characters_is_refused_before_any_look(
    odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr("api.callers.digest", lambda key, _: looked.append(key))
    callers = Callers(None, b"", believed_seconds=1, authority=None)  # type: ignore[arg-type]
    with pytest.raises(NotAuthenticatedError):
        callers.remembered(f"Bearer {odd}")
    assert looked == []


def test_a_session_that_was_signed_out_does_not_come_back(world: World) -> None:
    desk = Desk(world)
    password = user(world, "dilnoza", Role.SUPERVISOR)
    assert desk.sign_in("dilnoza", password).status_code == 303
    token = desk.client.cookies["darvoza_session"]
    assert world.runtime.sessions.caller(token).name == "dilnoza"
    world.runtime.sessions.end(token)
    edit(world, update(SESSIONS).values(ended_at=None, until=FAR))
    with pytest.raises(NotAuthenticatedError):
        world.runtime.sessions.caller(token)


@pytest.mark.parametrize("column", ["post", "subject", "kind"])
def test_an_edited_record_of_the_journal_grants_nothing(world: World, column: str) -> None:
    """A chain that is not recomputed is found at once by a service that starts."""
    key = key_id(world, Role.CHECKPOINT)
    edit(world, update(JOURNAL).where(JOURNAL.c.subject == key).values({column: "x"}))
    client, _ = open_world(world.home, world.models, Settings(key_seconds=BELIEVED))
    with client:
        headers = world.headers()
        assert client.get(f"/v1/posts/{POST}/queue", headers=headers).status_code == 401
