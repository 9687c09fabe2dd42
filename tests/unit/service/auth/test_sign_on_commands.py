"""Commands about the identity provider: two people, one file, and what a home then proves."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.audit.home_check import check_home, rebuild_home
from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.tables import project_accounts
from api.cli.main import app as command_line
from api.service.assembly import open_store
from engine.audit.file_anchors import open_network
from engine.criteria.dual_control import draft_approval, draft_proposal, read_approval_state
from engine.domain.rights import Role
from engine.journal.journal import Journal
from engine.journal.kinds import OIDC_GRANTED
from engine.storage.home import Home
from tests.integration.service.auth.approved_mapping import GROUPS, mapping_of
from tests.support.running_service import make_home

FILE = """
issuer = "https://id.example/o"
client_id = "darvoza"
redirect_uri = "https://desk.example/login/oidc/callback"
roles = [{claim = "groups", value = "supervisors", role = "supervisor"}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def passwords(home: Home) -> Iterator[dict[str, str]]:
    with open_store(home) as store:
        accounts = Accounts(store, open_network(home, store))
        roles = {"ann": Role.ADMINISTRATOR, "bek": Role.SUPERVISOR, "dil": Role.ANALYST}
        yield {name: accounts.create_user(name, role).secret for name, role in roles.items()}


def run(home: Home, *words: str) -> Any:
    return act(home, "oidc", *words)


def act(home: Home, *words: str, password: str = "") -> Any:
    given = [*words, "--home", str(home.root)]
    return CliRunner().invoke(command_line, given, env={"DARVOZA_PASSWORD": password})


def read_state(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(home, "show", "--json").stdout)
    return found


def test_two_people_trust_a_provider(home: Home, passwords: dict[str, str]) -> None:
    home.oidc.write_text(FILE, "utf-8")
    assert "groups = supervisors: role supervisor" in run(home, "check").stdout
    proposal = act(home, "propose", "oidc", "--as", "ann", password=passwords["ann"]).stdout.strip()
    waiting = read_state(home)["waiting"]
    digest = hashlib.sha256(FILE.encode()).hexdigest()
    assert [(one["proposal"], one["file"]) for one in waiting] == [(int(proposal), digest)]
    for name in ("ann", "dil"):
        assert act(home, "approve", proposal, "--as", name, password=passwords[name]).exit_code == 1
    assert read_state(home)["in_force"] is None
    done = act(home, "approve", proposal, "--as", "bek", password=passwords["bek"])
    assert done.exit_code == 0, done.output
    assert read_state(home)["in_force"]["issuer"] == "https://id.example/o"
    home.oidc.write_text(FILE.replace("supervisor", "administrator"), "utf-8")
    assert read_state(home)["in_force"]["roles"][0]["role"] == "supervisor", "the record counts"


def test_a_home_with_accounts_of_a_provider_verifies_and_is_rebuilt(
    home: Home, passwords: dict[str, str]
) -> None:
    home.oidc.write_text(FILE, "utf-8")
    proposal = act(home, "propose", "oidc", "--as", "ann", password=passwords["ann"]).stdout.strip()
    act(home, "approve", proposal, "--as", "bek", password=passwords["bek"])
    sequence, name = read_state(home)["sequence"], "oidc-0123456789abcdef0123"
    with open_store(home) as store:
        body = {"mapping": sequence, "rules": [0, None, None], "role": "supervisor"}
        Journal(store, [project_accounts]).append([OIDC_GRANTED.draft(name, body)])  # type: ignore[arg-type]
        assert run(home, "link", name, "--owner", "bek").exit_code == 0
        assert run(home, "link", name, "--owner", "bek").exit_code == 1
        assert read_state(home)["accounts"] == [
            {"account": name, "role": "supervisor", "post": None, "agency": None}
            | {"owner": "bek", "is_active": True}
        ]
        assert check_home(home, store, []).faults == ()
        rebuild_home(home, store)
        assert check_home(home, store, []).faults == ()


def test_a_mapping_is_replayed_on_either_store(store: Any) -> None:
    accounts = Accounts(store, open_network(Home(Path("none")), store))
    accounts.create_user("ann", Role.ADMINISTRATOR)
    accounts.create_user("bek", Role.SUPERVISOR)
    mapping = mapping_of("https://id.example/o", "https://desk.example")
    content = {"mapping": mapping.model_dump(mode="json"), "file": "0", "instead_of": 0}
    Journal(store).append([draft_proposal("oidc", "oidc-1", by="ann", content=content)])
    with store.read() as connection:
        now = read_approval_state(connection, "oidc", "oidc-1")
    Journal(store).append([draft_approval("oidc", now, by="bek")])
    with store.read() as connection:
        history = Authority().look(connection).oidc
    assert history.in_force == mapping and len(mapping.roles) == len(GROUPS["roles"])
