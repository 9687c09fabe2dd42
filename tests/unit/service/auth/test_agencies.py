"""Agencies of people, keys, records and entries; their tables are complete or refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.auth.agencies import DUAL_CONTROL, AgencyTable, read_table
from api.auth.authority import Authority
from api.auth.credentials import open_pepper
from api.cli.main import app as command_line
from api.models.steps import ModelSteps
from api.people.steps import AGENCIES
from api.service.assembly import open_runtime
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.domain.rights import Matter, Right, Role
from engine.errors import (
    ConflictError,
    InputError,
    LapsedProposalError,
    NotAllowedError,
    RecordError,
    SecondPersonError,
)
from engine.journal.kinds import (
    INSPECTION,
    KEY_CREATED,
    RELEASE,
    SEIZURE,
    USER_CREATED,
    WATCHLIST_PROPOSED,
)
from engine.journal.power_records import read_records
from engine.storage.home import Home
from tests.support.people import approve, propose, put_into_force
from tests.support.running_service import OTHER, POST, FakeModels, World, arrival, make_home

WHEN = "2026-10-14T07:00:00Z"


def open_accounts(world: World) -> Accounts:
    return Accounts(world.runtime.store, world.runtime.network)


def key_of(world: World, agency: str | None, role: Role = Role.CHECKPOINT) -> dict[str, str]:
    """Return the headers of a new key of an agency, with an owner where the role needs one."""
    made, owner = open_accounts(world), None
    if role is not Role.CHECKPOINT:
        owner = f"{agency}-{role}"
        if not made.is_active(owner):
            made.create_user(owner, role, agency=agency)
    key = made.create_key(
        role,
        POST if role is Role.CHECKPOINT else None,
        pepper=open_pepper(world.home),
        owner=owner,
        agency=None if owner else agency,
    )
    return {"Authorization": f"Bearer {key.secret}"}


def act(name: str, crossing: str, **more: Any) -> dict[str, Any]:
    body = {"inspection_id": name, "crossing_id": crossing, "recorded_at": WHEN}
    return body | {"outcome": "clear", "methods": ["physical"]} | more


def last_body(world: World, kind: str) -> Any:
    """Return the body of the newest record of a kind, as the journal holds it."""
    found = world.get(f"/v1/journal?kind={kind}&limit=1", Role.INTEGRITY).json()["records"]
    opened = world.get(f"/v1/journal/{found[0]['sequence']}", Role.INTEGRITY)
    return opened.json()["body"]


def test_acts_and_seizures_carry_the_agency_of_their_sender(world: World) -> None:
    world.decide(arrival(1))
    customs, other = key_of(world, "customs"), key_of(world, None)
    sent = world.client.post("/v1/inspections", json=act("a-1", "c-1"), headers=customs)
    assert sent.status_code == 201
    assert last_body(world, INSPECTION)["inspection"]["agency"] == "customs"
    seizure = {"seizure_id": "s-1", "crossing_id": "c-1", "recorded_at": WHEN}
    seizure |= {"substance_class": "narcotic"}
    assert world.client.post("/v1/seizures", json=seizure, headers=customs).status_code == 201
    assert last_body(world, SEIZURE)["seizure"]["agency"] == "customs"
    # A sender without an agency may name one; it adds none of its own.
    world.decide(arrival(2))
    named = act("a-2", "c-2", agency="interior")
    assert world.client.post("/v1/inspections", json=named, headers=other).status_code == 201
    assert last_body(world, INSPECTION)["inspection"]["agency"] == "interior"
    world.decide(arrival(4))
    assert world.client.post("/v1/inspections", json=act("a-4", "c-4"), headers=other).is_success
    assert "agency" not in last_body(world, INSPECTION)["inspection"]


def test_another_agency_than_the_senders_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what the sender names is taken."""
    world.decide(arrival(5))
    customs = key_of(world, "customs")
    for path, body in (
        ("/v1/inspections", act("a-5", "c-5", agency="interior")),
        ("/v1/seizures", {"seizure_id": "s-5", "crossing_id": "c-5", "recorded_at": WHEN}
         | {"substance_class": "other", "agency": "interior"}),
    ):  # fmt: skip
        refused = world.client.post(path, json=body, headers=customs)
        assert refused.status_code == 422
        assert refused.json()["fields"][0]["rule"] == "other_agency"
    wrong = world.client.post("/v1/inspections", json=act("a-5", "c-5", agency="A B"))
    assert wrong.status_code == 401
    wrong = world.post("/v1/inspections", act("a-5", "c-5", agency="A B"))
    assert wrong.json()["fields"][0] == {
        "at": "agency",
        "rule": "malformed_code",
        "why": wrong.json()["fields"][0]["why"],
    }
    monkeypatch.setattr("api.acts.routes.fill_agency", lambda _caller, record: record)
    taken = act("a-5", "c-5", agency="interior")
    assert world.client.post("/v1/inspections", json=taken, headers=customs).status_code == 201


def test_an_entry_belongs_to_the_agency_that_proposes_it(world: World) -> None:
    customs = key_of(world, "customs", Role.ANALYST)
    entry = {"plate": "01A777BC", "reason": "tip", "expiry": "2026-11-01T00:00:00Z"}
    made = world.client.post("/v1/watchlist", json=entry, headers=customs)
    assert made.status_code == 201
    shown = world.client.get(f"/v1/watchlist/{made.json()['id']}", headers=customs).json()
    assert shown["agency"] == "customs"
    assert last_body(world, WATCHLIST_PROPOSED)["content"]["agency"] == "customs"
    other = entry | {"agency": "interior"}
    assert world.client.post("/v1/watchlist", json=other, headers=customs).status_code == 422


def test_reports_are_by_agency(world: World) -> None:
    """Two agencies file one act each of a referred vehicle, and one lets another one go."""
    referred = (
        crossing
        for number in range(40, 400)
        if world.decide(arrival(number)).json()["channel"] in ("yellow", "red")
        for crossing in [f"c-{number}"]
    )
    minutes = {"drug_control": 40, "border_troops": 41}
    for agency, spent in minutes.items():
        found = act(f"a-{agency}", next(referred), outcome="discrepancy", minutes=spent)
        key = key_of(world, agency)
        assert world.client.post("/v1/inspections", json=found, headers=key).status_code == 201
    path = f"/v1/crossings/{next(referred)}/release"
    assert world.client.post(path, json={}, headers=key).status_code == 201
    shift = world.get(f"/v1/posts/{POST}/shift").json()["this_shift"]["agencies"]
    by_agency = {one["agency"]: one for one in shift}
    for agency, spent in minutes.items():
        assert by_agency[agency]["minutes"] == pytest.approx(spent)
        assert by_agency[agency]["hits"] == by_agency[agency]["inspected"] == 1
    assert last_body(world, RELEASE)["agency"] == "border_troops"
    path = f"/v1/posts/{POST}/integrity"
    every = world.get(path, Role.INTEGRITY).json()
    assert every["agency"] is None
    counted = [
        world.get(f"{path}?agency={agency}", Role.INTEGRITY).json()["assignment"]["dealt_with"]
        for agency in ("drug_control", "border_troops")
    ]
    assert counted == [1, 2]
    assert every["assignment"]["dealt_with"] >= 3
    assert world.get(f"{path}?agency=A", Role.INTEGRITY).status_code == 422


def test_records_grant_an_agency_and_a_key_has_its_owners(world: World) -> None:
    made, pepper = open_accounts(world), open_pepper(world.home)
    made.create_user("of-customs", Role.SUPERVISOR, agency="customs")
    key = made.create_key(Role.SUPERVISOR, None, pepper=pepper, owner="of-customs")
    assert key.agency == "customs"
    with pytest.raises(NotAllowedError):
        made.create_key(Role.SUPERVISOR, None, pepper=pepper, owner="of-customs", agency="interior")
    with pytest.raises(RecordError):
        made.create_user("of-nothing", Role.SUPERVISOR, agency="No Such")
    with world.runtime.store.read() as connection:
        people = read_records(connection, [USER_CREATED], subject="of-customs")
        keys = read_records(connection, [KEY_CREATED], subject=key.name)
    assert [(one.body or {}).get("agency") for one in (*people, *keys)] == ["customs"] * 2
    assert made.agency_of("of-customs") == "customs"
    made.remove_user("of-customs")
    assert made.agency_of("of-customs") == "customs"


def strict_table() -> AgencyTable:
    """Return a table that permits everything, and asks for two agencies wherever two people act."""
    every = {"agencies": ["*"], "roles": ["*"], "matters": ["*"]}
    rule = every | {"see": "all", "act": "all", "approve": "all"}
    found = {"agencies": ["customs", "interior"], "rules": [rule]}
    found |= {"two_agencies": sorted(DUAL_CONTROL)}
    return AgencyTable.model_validate(found, strict=False)


@pytest.fixture
def strict(world: World) -> Iterator[World]:
    """Put the strict table into force, and an empty one after the test."""
    made = open_accounts(world)
    for name, agency in (("ada", "customs"), ("ivo", "interior")):
        if not made.is_active(name):
            made.create_user(name, Role.ADMINISTRATOR, agency=agency)
    for table in (strict_table(), AgencyTable()):
        put_into_force(world.runtime, table, "ada", "ivo")
        world.runtime.callers._known.clear()
        if table.agencies:
            yield world


def try_entry(world: World) -> list[int]:
    """Propose an entry as customs; return what customs, no agency and interior get who approve."""
    entry = {"plate": "01A778BC", "reason": "tip", "expiry": "2026-11-01T00:00:00Z"}
    analyst = key_of(world, "customs", Role.ANALYST)
    made = world.client.post("/v1/watchlist", json=entry, headers=analyst).json()["id"]
    path = f"/v1/watchlist/{made}/approvals"
    return [
        world.client.post(path, json={}, headers=key_of(world, one, Role.SUPERVISOR)).status_code
        for one in ("customs", None, "interior")
    ]


def test_the_second_person_is_of_another_agency(
    strict: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert try_entry(strict) == [403, 403, 201]
    monkeypatch.setattr(Authority, "must_second", lambda *_, **__: None)
    assert try_entry(strict)[0] == 201, "the seeded bug must be seen"


def test_two_agencies_let_a_vehicle_go_and_confirm_a_find(strict: World) -> None:
    vehicles = (
        decided
        for number in range(500, 900)
        if (decided := strict.decide(arrival(number)).json())["channel"] == "red"
    )
    path = f"/v1/decisions/{next(vehicles)['decision_id']}"
    word = {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "known"}
    open_accounts(strict).create_user("customs-2", Role.SUPERVISOR, agency="customs")
    made = open_accounts(strict).create_key(
        Role.SUPERVISOR, None, pepper=open_pepper(strict.home), owner="customs-2"
    )
    second = {"Authorization": f"Bearer {made.secret}"}
    first, other = (key_of(strict, one, Role.SUPERVISOR) for one in ("customs", "interior"))
    waits, told = [], []

    def is_told(who: dict[str, str]) -> bool:
        found = strict.client.get("/v1/notifications", headers=who).json()["notifications"]
        return any(one["about"] == "review" for one in found)

    for who in (first, second, other):
        sent = strict.client.post(f"{path}/reviews", json=word, headers=who)
        assert sent.status_code == 201
        reviews = strict.client.get(path, headers=who).json()["reviews"]
        waits.append(bool(reviews[-1].get("needs_second_person")))
        told.append([is_told(who) for who in (first, second, other)])
    assert waits == [True, True, False]
    assert told == [[False, False, True]] * 2 + [[False] * 3], "another agency may be the second"

    far = {"Authorization": f"Bearer {strict.other}"}
    body = arrival(49, post=OTHER, plate="01F88ZZ", crossing_id="far-49")
    assert strict.client.post("/v1/decisions", json=body, headers=far).status_code == 201
    find = {"seizure_id": "s-far", "plate": "01F88ZZ", "recorded_at": WHEN}
    find |= {"substance_class": "other"}
    customs = key_of(strict, "customs")
    assert strict.client.post("/v1/seizures", json=find, headers=customs).status_code == 201
    waiting = strict.client.get("/v1/finds", headers=first).json()["finds"]
    path = f"/v1/finds/{waiting[-1]['sequence']}/confirmations"
    tried = [strict.client.post(path, headers=who).status_code for who in (first, other)]
    assert tried == [403, 201]


def test_two_agencies_approve_a_model(strict: World) -> None:
    made = open_accounts(strict)
    for name, agency in (("mia", "customs"), ("max", "customs"), ("ina", "interior")):
        made.create_user(name, Role.ANALYST, agency=agency)
    steps = ModelSteps(strict.home, strict.runtime.store, "max")
    with pytest.raises(SecondPersonError):
        steps._check_people("account:root", ["mia"])
    steps._check_people("account:root", ["ina"])


DOCS = Path(__file__).parents[4] / "docs"
REST = {"agencies": ["*"], "roles": ["*"], "matters": ["*"]}
OPEN = REST | {"see": "all", "act": "all", "approve": "all"}
HIDDEN: dict[str, Any] = {"agencies": ["interior"], "roles": ["*"], "matters": ["watchlist"]}
HIDDEN |= {"see": "none", "act": "none", "approve": "none"}


def table(*rules: dict[str, Any], **more: Any) -> AgencyTable:
    found = {"agencies": ["customs", "interior"], "rules": [*rules, OPEN]} | more
    return AgencyTable.model_validate(found, strict=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def runtime(home: Home) -> Iterator[Runtime]:
    found = open_runtime(home, Settings(), FakeModels(), is_serving=False)
    made = found.accounts
    made.create_user("ann", Role.ADMINISTRATOR, agency="customs")
    made.create_user("bek", Role.SUPERVISOR, agency="customs")
    made.create_user("col", Role.SUPERVISOR, agency="interior")
    made.create_user("dil", Role.ANALYST)
    yield found
    found.close()


@pytest.fixture
def accounts(runtime: Runtime) -> Accounts:
    return runtime.accounts


def scope(accounts: Accounts, agency: str | None, matter: Matter = Matter.WATCHLIST) -> str:
    with accounts._store.read() as connection:
        authority = Authority().look(connection)
    return authority.duties(Role.SUPERVISOR, agency).scope(matter, Right.SEE)


def test_two_people_put_a_table_into_force(accounts: Accounts, runtime: Runtime) -> None:
    proposal = propose(runtime, AGENCIES, table(HIDDEN), by="ann")
    assert scope(accounts, "interior") == "all"
    with pytest.raises(SecondPersonError):
        approve(runtime, AGENCIES, proposal, by="ann")
    with pytest.raises(NotAllowedError):
        approve(runtime, AGENCIES, proposal, by="dil")
    approve(runtime, AGENCIES, proposal, by="bek")
    assert [scope(accounts, one) for one in ("interior", "customs", None)] == ["none", "all", "all"]
    assert scope(accounts, "drug_control") == "none", "an agency that the table lacks"
    back = propose(runtime, AGENCIES, AgencyTable(), by="bek")
    approve(runtime, AGENCIES, back, by="ann")
    assert scope(accounts, "interior") == "all"


def test_an_approval_counts_for_the_table_it_replaces(runtime: Runtime) -> None:
    first, second = (propose(runtime, AGENCIES, table(HIDDEN), by="ann") for _ in range(2))
    approve(runtime, AGENCIES, first, by="bek")
    with pytest.raises(ConflictError):
        approve(runtime, AGENCIES, second, by="bek")


def test_a_person_who_left_proposes_nothing(accounts: Accounts, runtime: Runtime) -> None:
    proposal = propose(runtime, AGENCIES, table(HIDDEN), by="ann")
    accounts.remove_user("ann")
    with pytest.raises(LapsedProposalError):
        approve(runtime, AGENCIES, proposal, by="bek")


def test_two_agencies_are_asked_for(accounts: Accounts, runtime: Runtime) -> None:
    strict = table(two_agencies=["people"])
    put_into_force(runtime, strict, "ann", "bek")
    proposal = propose(runtime, AGENCIES, table(HIDDEN), by="ann")
    with pytest.raises(SecondPersonError):
        approve(runtime, AGENCIES, proposal, by="bek")
    approve(runtime, AGENCIES, proposal, by="col")
    assert scope(accounts, "interior") == "none"


def test_a_table_that_no_two_people_could_change_is_refused(
    accounts: Accounts, runtime: Runtime
) -> None:
    closed = REST | {"matters": ["people"], "see": "all", "act": "none", "approve": "all"}
    with pytest.raises(RecordError, match="no_successor"):
        propose(runtime, AGENCIES, table(closed), by="ann")
    accounts.remove_user("col")
    with pytest.raises(RecordError, match="no_successor"):
        propose(runtime, AGENCIES, table(two_agencies=["people"]), by="ann")


@pytest.mark.parametrize("kind", ["agencies_proposed", "agencies_approved"])
def test_an_edited_record_closes_everything(
    accounts: Accounts, runtime: Runtime, kind: str
) -> None:
    """An edit of the store opens no door; the one row put back opens what it opened before."""
    proposal = propose(runtime, AGENCIES, table(HIDDEN), by="ann")
    approve(runtime, AGENCIES, proposal, by="bek")
    where = "WHERE seq = (SELECT seq FROM journal WHERE kind = :kind)"
    with accounts._store.write() as connection:
        given = {"kind": kind}
        body = connection.scalar(text(f"SELECT body FROM journal_bodies {where}"), given)  # noqa: S608
        edited = bytes(body).replace(b"interior", b"customs_")
        edited = edited if edited != body else bytes(body) + b" "
        change = text(f"UPDATE journal_bodies SET body = :body {where}")  # noqa: S608
        connection.execute(change, given | {"body": edited})
    assert {scope(accounts, one) for one in ("interior", "customs", None)} == {"none"}
    with accounts._store.write() as connection:
        connection.execute(change, given | {"body": body})
    assert scope(accounts, "customs") == "all"


BAD = {
    "a table has agencies and rules, or neither": "agencies = ['customs']",
    "no rule is about customs, checkpoint, decisions": """
agencies = ["customs"]
[[rules]]
agencies = ["none"]
roles = ["*"]
matters = ["*"]
see = "all"
act = "all"
approve = "all"
""",
    "rule 2 is never used": """
agencies = ["customs"]
[[rules]]
agencies = ["*"]
roles = ["*"]
matters = ["*"]
see = "all"
act = "all"
approve = "all"
[[rules]]
agencies = ["customs"]
roles = ["*"]
matters = ["*"]
see = "own"
act = "all"
approve = "all"
""",
    "not among the agencies of the table: police": """
agencies = ["customs"]
[[rules]]
agencies = ["*", "police"]
roles = ["*"]
matters = ["*"]
see = "all"
act = "all"
approve = "all"
""",
    "no second person approves: acts": "two_agencies = ['acts']",
    "rules.0.see: Input should be 'all', 'own' or 'none'": """
agencies = ["customs"]
[[rules]]
agencies = ["*"]
roles = ["*"]
matters = ["*"]
see = "some"
act = "all"
approve = "all"
""",
    "not a TOML file": "agencies = [",
}


@pytest.mark.parametrize("why", BAD)
def test_an_incomplete_table_is_refused_with_the_cell_or_the_rule(tmp_path: Path, why: str) -> None:
    file = tmp_path / "agencies.toml"
    file.write_text(BAD[why], "utf-8")
    with pytest.raises(InputError, match=why):
        read_table(file)


def test_a_later_version_keeps_a_table_that_lacks_a_cell(accounts: Accounts) -> None:
    """A role or matter that is added later is closed until the table is about it."""
    found = table(HIDDEN).model_dump(mode="json")
    found["rules"] = found["rules"][:1]
    from api.auth.agencies import RECORDED

    kept = AgencyTable.model_validate(found, strict=False, context=RECORDED)
    assert set(kept.scopes("customs", Role.ANALYST).values()) == {"none"}


def test_the_commands_propose_approve_and_show(
    home: Home, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, at = CliRunner(), ["--home", str(home.root), "--json"]
    sample = (DOCS / "samples" / "agencies.toml").read_text("utf-8")
    home.agencies.write_text(sample, "utf-8")
    assert json.loads(run.invoke(command_line, ["agencies", "check", *at]).stdout)["cells"] == 420

    def take(*step: str, name: str) -> Any:
        monkeypatch.setenv("DARVOZA_PASSWORD", accounts.change_password(name).secret)
        return run.invoke(command_line, [*step, "--as", name, *at])

    proposal = json.loads(take("propose", "agencies", name="ann").stdout)["number"]
    shown = json.loads(run.invoke(command_line, ["agencies", "show", *at]).stdout)
    assert [one["proposal"] for one in shown["waiting"]] == [proposal]
    assert not shown["in_force"]["agencies"]
    assert isinstance(take("approve", str(proposal), name="ann").exception, SecondPersonError)
    assert json.loads(take("approve", str(proposal), name="bek").stdout)["state"] == "in_force"
    shown = json.loads(run.invoke(command_line, ["agencies", "show", *at]).stdout)
    assert len(shown["in_force"]["rules"]) == 11
    assert shown["waiting"] == []
    assert scope(accounts, "interior", Matter.MODELS) == "all"
    assert scope(accounts, "interior", Matter.WATCHLIST) == "own"
