"""Tables of agencies: complete or refused, in force by two people, and never by an edit."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.auth.agencies import AgencyTable, read_table
from api.auth.authority import Authority
from api.cli.main import app as command_line
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
from engine.storage.home import Home
from tests.support.running_service import FakeModels, make_home
from tests.support.two_people import approve, propose, put_into_force

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
    assert json.loads(run.invoke(command_line, ["agencies", "check", *at]).stdout)["cells"] == 385

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
