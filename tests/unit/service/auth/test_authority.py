"""Power comes from the journal: what is edited in the tables of a running service grants nothing.

Each attack has one connection to the database and no file of the home, on SQLite and on PostgreSQL.
The negative control believes the tables, as the service once did, and must lose to the same attack.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from api.auth.accounts import Accounts
from api.auth.authority import Authority, KeyGrant, PersonGrant
from api.auth.callers import Callers
from api.auth.credentials import digest, open_pepper, purpose_digest
from api.auth.tables import KEYS, SESSIONS, USERS
from api.service.settings import Settings
from engine.domain.rights import Role
from engine.errors import NotAuthenticatedError
from engine.journal import power_records
from engine.journal.journal import BODIES, JOURNAL
from engine.shifts.shift_state import SHIFTS, Shifts
from engine.storage.home import DATABASE_VARIABLE
from tests.support.page_session import Desk, user
from tests.support.running_service import (
    CHEAP,
    POST,
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)

FAR = 2**62
BELIEVED = 0.01


@pytest.fixture(scope="module")
def noon(long_shift: None) -> None:
    """Keep the machine's clock, which other processes and servers have."""


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


def widen_role(world: World) -> None:
    edit(
        world,
        update(KEYS)
        .where(KEYS.c.key_id == key_id(world, Role.CHECKPOINT))
        .values(role="supervisor", post=None, owner="the-supervisor"),
    )


def test_an_edited_role_gives_a_key_nothing(world: World) -> None:
    assert world.get("/v1/decisions", Role.CHECKPOINT).status_code == 403
    widen_role(world)
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
    widen_role(world)

    def key(_: object, __: str) -> KeyGrant | None:
        with world.runtime.store.read() as connection:
            return believe_the_table(connection, kept)

    monkeypatch.setattr("api.auth.authority.Authority.key", key)
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
    response = Desk(world).client.get("/login", headers={"Cookie": f"darvoza_visit={visit}"})
    shown = response.text.partition('name="form_token" value="')[2][:64]
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
    monkeypatch.setattr("api.auth.callers.digest", lambda key, _: looked.append(key))
    callers = Callers(None, b"", believed_seconds=1, authority=None)  # type: ignore[arg-type]
    with pytest.raises(NotAuthenticatedError):
        callers.find_remembered(f"Bearer {odd}")
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


def send(world: World, path: str, body: dict[str, Any], role: Role) -> Any:
    found = world.post(path, body, role)
    assert found.status_code == 201, found.text
    return found.json()


def propose_entry(world: World, plate: str) -> str:
    """Propose an entry of the watch list, which no other person approves."""
    until = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    entry = {"plate": plate, "reason": "seen", "expiry": until}
    found: str = send(world, "/v1/watchlist", entry, Role.ANALYST)["id"]
    return found


def reasons(world: World, number: int, plate: str) -> list[str]:
    decided = world.decide(arrival(number, plate=plate))
    assert decided.status_code == 201, decided.text
    return [match.code for match in matches(world, decided.json()["decision_id"])]


def matches(world: World, decision_id: str) -> list[Any]:
    with world.runtime.store.read() as connection:
        query = select(JOURNAL.c.seq).where(JOURNAL.c.subject == decision_id)
        seq = connection.scalars(query).one()
        body = world.runtime.journal.body(connection, seq)
    return [SimpleNamespace(**each) for each in body["inputs"]["matches"]]


def approve_by_sql(world: World, entry_id: str) -> None:
    """Insert an approval that no person gave, as a record that no chain value proves."""
    with world.runtime.store.read() as connection:
        seq = connection.scalars(select(JOURNAL.c.seq).where(JOURNAL.c.subject == entry_id)).one()
        head = connection.execute(select(JOURNAL).order_by(JOURNAL.c.seq.desc())).mappings().first()
    assert head is not None
    row = dict(head) | {"seq": head["seq"] + 1, "known_at": head["known_at"] + 1}
    row |= {"kind": "watchlist_approved", "subject": entry_id}
    text = json.dumps({"by": "dilnoza", "of": seq, "shadow": False, "state": "in_force"})
    body = {"seq": row["seq"], "salt": b"", "body": text.encode()}
    edit(world, insert(JOURNAL).values(row), insert(BODIES).values(body))


def test_an_inserted_approval_puts_nothing_into_force(world: World) -> None:
    entry_id = propose_entry(world, "01A777XX")
    approve_by_sql(world, entry_id)
    assert world.get(f"/v1/watchlist/{entry_id}", Role.ANALYST).status_code == 404
    assert reasons(world, 1, "01A777XX") == []


def test_negative_control_a_body_that_no_chain_value_proves_approves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = propose_entry(world, "01A777XX")
    approve_by_sql(world, entry_id)
    monkeypatch.setattr(power_records, "_proven_body", lambda row: json.loads(row[11]))
    found = world.get(f"/v1/watchlist/{entry_id}", Role.ANALYST).json()
    assert (found["state"], found["approvals"]) == ("in_force", ["dilnoza"])
    assert reasons(world, 1, "01A777XX") == [entry_id]


def decide_arrival(world: World, number: int) -> Any:
    return world.decide(arrival(number))


def shift_seeds(world: World) -> list[bytes]:
    with world.runtime.store.read() as connection:
        return [bytes(seed) for seed in connection.scalars(select(SHIFTS.c.seed))]


def test_a_replaced_seed_draws_nothing(world: World) -> None:
    assert decide_arrival(world, 1).status_code == 201
    (before,) = shift_seeds(world)
    edit(world, update(SHIFTS).values(seed=bytes(32)))
    assert decide_arrival(world, 2).status_code == 201  # from the seed that this process checked
    client, app = open_world(world.home, world.models, Settings())
    with client:
        refused = client.post("/v1/decisions", json=arrival(3), headers=world.headers())
        assert refused.status_code == 503
        metrics = app.state.runtime.metrics.registry
        assert metrics.get_sample_value("darvoza_power_refused_total", {"kind": "shift"}) == 1
        edit(world, update(SHIFTS).values(seed=before))
        again = client.post("/v1/decisions", json=arrival(3), headers=world.headers())
        assert again.status_code == 201


def test_a_seed_inserted_before_its_shift_is_not_the_shifts(world: World) -> None:
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.now(connection)
    shift = world.runtime.settings.shifts.shift(POST, now)
    row = {"shift_id": shift.shift_id, "post": POST, "closes_at": FAR, "opened_seq": 1}
    edit(world, insert(SHIFTS).values(row | {"seed": bytes(32)}))
    assert decide_arrival(world, 1).status_code == 201
    assert bytes(32) not in shift_seeds(world)


def test_a_shift_moved_to_its_end_reveals_nothing(world: World) -> None:
    assert decide_arrival(world, 1).status_code == 201
    edit(world, update(SHIFTS).values(closes_at=0))
    client, app = open_world(world.home, world.models, Settings(shift_hours=1))
    with client:
        assert client.post("/v1/decisions", json=arrival(2), headers=world.headers()).is_success
        with app.state.runtime.store.read() as connection:
            kinds = set(connection.scalars(select(JOURNAL.c.kind)))
    assert "shift_closed" not in kinds


def test_negative_control_a_service_that_believes_the_password_lets_the_attacker_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(world, "rustam", Role.SUPERVISOR)
    mine = CHEAP.hash("known to the attacker")
    edit(world, update(USERS).where(USERS.c.name == "rustam").values(password=mine))
    monkeypatch.setattr(Accounts, "_backed", lambda _, stored, __: stored)
    assert Desk(world).sign_in("rustam", "known to the attacker").status_code == 303


def test_negative_control_a_service_that_believes_the_session_opens_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def session(authority: Authority, _: str, __: int) -> PersonGrant | None:
        with world.runtime.store.read() as connection:
            return authority.person(connection.scalars(select(SESSIONS.c.name)).one())

    monkeypatch.setattr(Authority, "session", session)
    token = "a" * 43
    kept = purpose_digest("session", token, open_pepper(world.home))
    assert insert_session(world, token, kept) == 200


def test_negative_control_a_service_that_believes_the_seed_draws_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decide_arrival(world, 1).status_code == 201
    edit(world, update(SHIFTS).values(seed=bytes(32)))
    monkeypatch.setattr(Shifts, "_checked", lambda _, __, seed: bytes(seed))
    client, _ = open_world(world.home, world.models, Settings())
    with client:
        decided = client.post("/v1/decisions", json=arrival(3), headers=world.headers())
        assert decided.status_code == 201
