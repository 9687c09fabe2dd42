"""Edits of tables of a running service: they grant nothing, and leave no view and no record."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, Connection, func, insert, select, update

from api.audit import erasure
from api.audit.erasure import _Selection
from api.audit.home_check import check_home
from api.audit.proposals import Criteria
from api.auth.accounts import Accounts
from api.auth.authority import Authority, KeyGrant, PersonGrant
from api.auth.callers import Callers
from api.auth.credentials import digest, open_pepper, purpose_digest
from api.auth.tables import KEYS, SESSIONS, USERS
from api.cases import readers as reads
from api.service.settings import Settings
from engine.audit.erasures import RecordGroups
from engine.cases.case_ledger import CASE_EVENTS, CASES
from engine.cases.case_state import CaseHistory, read_case
from engine.domain.rights import Role
from engine.domain.time_units import SystemClock
from engine.errors import NotAuthenticatedError
from engine.journal import power_records
from engine.journal.idempotency import ANSWERS
from engine.journal.journal import BODIES, JOURNAL
from engine.queue import queue, reviews
from engine.queue.queue import DECISIONS, waits
from engine.shifts.shift_state import SHIFTS, Shifts
from engine.storage.home import DATABASE_VARIABLE
from engine.targeting.report_writer import ReportWriter
from features.online.crossing_index import PASSAGES
from tests.support.clocks import travel
from tests.support.people import Desk, send, user
from tests.support.running_service import (
    CHEAP,
    OTHER,
    POST,
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.service.cases.sample_files import picture
from tests.unit.service.reports.test_acts import act, find

pytestmark = pytest.mark.machine_clock

CONTENT = picture("PNG", shade=9)
PAPERS = {"methods": ["documents"], "minutes": 3, "places_searched": []}
LET_GO = {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "known"}
Headers = dict[str, str]


@dataclass(frozen=True)
class Scene:
    """A service with a case and three red vehicles of one post, and a key of another post."""

    world: World
    near: Headers
    far: Headers
    case_id: str
    digest: str
    waits: dict[str, Any]
    papers: dict[str, Any]
    """Of this one an act of papers was filed, which opens nothing."""
    searched: dict[str, Any]

    def ask_about_case(self) -> list[object]:
        """Return how the post's own key is answered about the case."""
        case = f"/v1/cases/{self.case_id}"
        paths = [case, f"{case}/files/{self.digest}", f"{case}/dossier.pdf"]
        answers = [self.world.client.get(path, headers=self.near) for path in paths]
        return [(one.status_code, strip(one)) for one in answers]

    def ask(self, by: Headers) -> dict[str, object]:
        """Return how a key is answered about everything, without the time of the answer."""
        case = f"/v1/cases/{self.case_id}"
        paths = [case, f"{case}/files/{self.digest}", f"{case}/dossier.pdf", "/v1/cases?state=open"]
        decided = (self.waits, self.papers, self.searched)
        paths += [f"/v1/decisions/{one['decision_id']}" for one in decided]
        paths += [f"/v1/posts/{post}/queue" for post in (POST, OTHER)]
        answers = {path: self.world.client.get(path, headers=by) for path in paths}
        return {path: (one.status_code, strip(one)) for path, one in answers.items()}

    def try_from_afar(self) -> list[int]:
        """Let the other post's key try every step; return how each is answered."""
        crossing = self.waits["crossing_id"]
        closed = {"kind": "closed", "outcome": "other", "reason": "seen"}
        again = {"outcome": "clear", "methods": ["physical"], "minutes": 9, "reason": "misread"}
        steps: dict[str, Any] = {
            f"/v1/cases/{self.case_id}/events": {"event": closed},
            f"/v1/crossings/{crossing}/release": {},
            f"/v1/crossings/{crossing}/takings": None,
            "/v1/inspections": act(9, crossing),
            "/v1/inspections/papers/corrections": again,
        }
        return [send(self.world, path, body, self.far).status_code for path, body in steps.items()]

    def list_records(self) -> list[str]:
        """Return the kinds of all records but those of readings and of the time."""
        with self.world.runtime.store.read() as connection:
            kinds = connection.scalars(select(JOURNAL.c.kind).order_by(JOURNAL.c.seq))
            return [one for one in kinds if one not in ("sensitive_read", "tick")]


def strip(answer: Any) -> object:
    """Return an answer without the time at which it was made."""
    if "json" not in answer.headers["content-type"]:
        return answer.headers["content-type"]
    found: dict[str, Any] = json.loads(answer.content)
    return {name: value for name, value in found.items() if name not in ("as_of", "instance")}


@pytest.fixture
def scene(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Serve a home whose store is SQLite, then one whose store is PostgreSQL."""
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    home, models = make_home(tmp_path / "home"), FakeModels()
    keys, other = make_keys(home)
    client, app = open_world(home, models, Settings(model_seconds=0.05))
    with client:
        yield play(World(home, models, client, app.state.runtime, keys, other))


def play(world: World) -> Scene:
    """Open a case with a file, decide, and file an act of papers and a full one."""
    near, far = world.headers(Role.CHECKPOINT), {"Authorization": f"Bearer {world.other}"}
    waiting, papers, searched = (find(world, "red", start) for start in (0, 600, 1200))
    for name, one, more in (("papers", papers, PAPERS), ("full", searched, {})):
        body = act(2, one["crossing_id"], inspection_id=name, **more)
        assert send(world, "/v1/inspections", body, near).status_code == 201
    opening = {"post": POST, "summary": "a find"}
    case_id = send(world, "/v1/cases", opening, near).json()["case_id"]
    path = f"/v1/cases/{case_id}/files?shows=photograph"
    file = world.client.post(path, content=CONTENT, headers=near)
    assert file.status_code == 201, file.text
    return Scene(world, near, far, case_id, file.json()["digest"], waiting, papers, searched)


@contextmanager
def edit_column(
    scene: Scene, column: Column[Any], value: object, *, of: str = ""
) -> Iterator[None]:
    """Set a column of a table, of one decision or of every row, and take it back at the end."""
    table, store = column.table, scene.world.runtime.store
    key = next(iter(table.primary_key.columns))
    where = [DECISIONS.c.decision_id == of] if of else []
    with store.write() as connection:
        before = connection.execute(select(key, column).where(*where)).all()
        connection.execute(update(table).where(*where).values({column.name: value}))
    try:
        yield
    finally:
        with store.write() as connection:
            for row in before:
                taken_back = update(table).where(key == row[0]).values({column.name: row[1]})
                connection.execute(taken_back)


def list_edits(scene: Scene) -> Iterator[tuple[Column[Any], object, str]]:
    """Yield edits of the columns that say whose a case or a decision is, and how far it is."""
    for name, value in (
        ("post", OTHER), ("agency", "interior"), ("custody", "interior"), ("owner", "x"),
        ("state", "closed"), ("opened_at", 1), ("changed_at", 1), ("deadline", 1),
    ):  # fmt: skip
        yield CASES.c[name], value, ""
    yield CASE_EVENTS.c.kind, "note", ""
    yield CASE_EVENTS.c.case_id, "case-of-none", ""
    of = str(scene.papers["decision_id"])
    with scene.world.runtime.store.read() as connection:
        full = DECISIONS.c.decision_id == scene.searched["decision_id"]
        filed = connection.scalar(select(DECISIONS.c.act_seq).where(full))
    for name, known in (
        ("post", OTHER), ("act_seq", filed), ("place", 0), ("channel", 0),
        ("crossing_id", scene.searched["crossing_id"]),
    ):  # fmt: skip
        yield DECISIONS.c[name], known, of
    yield DECISIONS.c.post, OTHER, ""
    yield PASSAGES.c.post, OTHER, ""
    yield ANSWERS.c.post, OTHER, ""


def find_leaks(scene: Scene, edits: list[tuple[Column[Any], object, str]]) -> list[str]:
    """Return what the other post's key is shown or may do by an edit, and what was recorded."""
    seen, tried = scene.ask(scene.far), scene.try_from_afar()
    leaks = []
    for column, value, of in edits:
        records = scene.list_records()
        with edit_column(scene, column, value, of=of):
            now = scene.ask(scene.far)
            leaks += [f"{column}: {path} is shown" for path in seen if now[path] != seen[path]]
            leaks += [f"{column}: a step is taken"] * (scene.try_from_afar() != tried)
        leaks += [f"{column}: {kind} is recorded" for kind in scene.list_records()[len(records) :]]
    return leaks


def test_an_edit_that_is_taken_back_shows_and_records_nothing(scene: Scene) -> None:
    assert set(scene.try_from_afar()) == {404}
    assert {answer[0] for answer in scene.ask(scene.near).values()} == {200, 403}  # type: ignore[index]
    assert find_leaks(scene, [*list_edits(scene)]) == []
    verdict = check_home(scene.world.home, scene.world.runtime.store)
    assert verdict.ok, verdict.faults


def test_an_edit_changes_nothing_of_what_a_case_shows_and_records(scene: Scene) -> None:
    """Its own people go on, or are refused: their records say what the case's opening says."""
    case = f"/v1/cases/{scene.case_id}"
    note = {"event": {"kind": "note", "text": "seen"}}
    for column, value, of in list_edits(scene):
        if column.table not in (CASES, CASE_EVENTS):
            continue
        before = scene.ask_about_case()
        with edit_column(scene, column, value, of=of):
            assert scene.ask_about_case() == before, column
            done = send(scene.world, f"{case}/events", note, scene.near)
        if done.status_code == 409:  # the projection holds the row against the record
            continue
        assert done.status_code == 201, column
        with scene.world.runtime.store.read() as connection:
            entry = scene.world.runtime.journal.entry(connection, done.json()["sequence"])
            body = scene.world.runtime.journal.body(connection, entry.seq)
        assert (entry.post, body["agency"]) == (POST, "")
    with scene.world.runtime.store.write() as connection:  # what the notes said of the case since
        last = select(func.max(JOURNAL.c.known_at)).where(JOURNAL.c.kind == "case_event")
        connection.execute(update(CASES).values(changed_at=connection.scalar(last)))
    verdict = check_home(scene.world.home, scene.world.runtime.store)
    assert verdict.ok, verdict.faults


def review_alone(scene: Scene) -> bool:
    """Let one supervisor send the waiting vehicle away while a table says that none waits."""
    decision = str(scene.waits["decision_id"])
    with edit_column(scene, DECISIONS.c.waiting, value=False, of=decision):
        path = f"/v1/decisions/{decision}/reviews"
        done = scene.world.post(path, LET_GO, Role.SUPERVISOR)
        assert done.status_code == 201, done.text
    found = scene.world.get(f"/v1/decisions/{decision}", Role.SUPERVISOR).json()["reviews"]
    return "needs_second_person" not in found[-1]


def test_an_edit_lets_no_supervisor_act_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: whether a vehicle waits is what the table says."""
    assert review_alone(scene) is False
    table = lambda connection, decision, *_, **__: waits(connection, decision.decision_id)  # noqa: E731
    monkeypatch.setattr(reviews, "may_wait", table)
    scene.world.post(
        f"/v1/decisions/{scene.waits['decision_id']}/reviews",
        {"verdict": "uphold", "reason_code": "agreed"},
        Role.SUPERVISOR,
    )
    assert review_alone(scene) is True


def list_erasable(scene: Scene) -> set[tuple[str, str]]:
    """Return what an erasure of everything would take while tables say that nothing waits."""
    now = SystemClock().now()
    selection = _Selection(Criteria(before=2**62), RecordGroups())
    with (
        edit_column(scene, DECISIONS.c.waiting, value=False),
        edit_column(scene, CASES.c.state, value="closed"),
        scene.world.runtime.store.read() as connection,
    ):
        chosen = selection.choose(connection, proposed_at=now, now=now)
    return {one.key for one in chosen}


def test_an_edit_erases_no_waiting_vehicle_and_no_open_case(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what is needed is what the tables say."""
    kept = {("movement", scene.waits["crossing_id"]), ("case", scene.case_id)}
    chosen = list_erasable(scene)
    assert not kept & chosen and ("movement", scene.searched["crossing_id"]) in chosen
    monkeypatch.setattr(erasure, "holds_vehicle", lambda *_, **__: False)
    monkeypatch.setattr(erasure, "list_held", lambda *_: set())
    assert kept <= list_erasable(scene)


def believe_tables(connection: Connection, case_id: str) -> CaseHistory:
    """Read a case as the service once did: where it stands is what its row says."""
    known = read_case(connection, case_id)
    row = connection.execute(select(CASES).where(CASES.c.case_id == case_id)).one()
    names = ("post", "agency", "custody", "owner", "state")
    return replace(known, case=replace(known.case, **{n: getattr(row, n) for n in names}))


def test_a_service_that_believes_its_tables_is_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr(reads, "read_case", believe_tables)
    monkeypatch.setattr(queue, "_prove", lambda _, row: row)
    monkeypatch.setattr(
        ReportWriter,
        "_read_post",
        lambda self, connection, crossing: self._features.post_of(connection, crossing),
    )
    found = find_leaks(scene, [*list_edits(scene)])
    for leak in (
        f"cases.post: /v1/cases/{scene.case_id} is shown",
        f"cases.post: /v1/cases/{scene.case_id}/files/{scene.digest} is shown",
        f"cases.post: /v1/cases/{scene.case_id}/dossier.pdf is shown",
        "cases.post: a step is taken",
        f"decisions.post: /v1/decisions/{scene.waits['decision_id']} is shown",
        "passages.post: release is recorded",
    ):
        assert leak in found


FAR = 2**62
BELIEVED = 0.01


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
    unused: Any = None
    callers = Callers(unused, b"", believed_seconds=1, authority=unused, uses=unused)
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


def send_as(world: World, path: str, body: dict[str, Any], role: Role) -> Any:
    found = world.post(path, body, role)
    assert found.status_code == 201, found.text
    return found.json()


def propose_entry(world: World, plate: str) -> str:
    """Propose an entry of the watch list, which no other person approves."""
    until = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    entry = {"plate": plate, "reason": "seen", "expiry": until}
    found: str = send_as(world, "/v1/watchlist", entry, Role.ANALYST)["id"]
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
    shift = world.runtime.shifts.shift(POST, now)
    row = {"shift_id": shift.shift_id, "post": POST, "closes_at": FAR, "opened_seq": 1}
    edit(world, insert(SHIFTS).values(row | {"seed": bytes(32)}))
    assert decide_arrival(world, 1).status_code == 201
    assert bytes(32) not in shift_seeds(world)


def test_a_shift_moved_to_its_end_reveals_nothing(world: World) -> None:
    assert decide_arrival(world, 1).status_code == 201
    edit(world, update(SHIFTS).values(closes_at=0))
    client, app = open_world(world.home, world.models, Settings())
    with client, travel(datetime.now(UTC) + timedelta(hours=13)):  # the next shift has opened
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
