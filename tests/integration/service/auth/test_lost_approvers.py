"""Both administrators are gone: others are made, in the open, as docs/accounts.md says."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from api.audit.home_check import check_home
from engine.domain.rights import Role
from engine.storage.home import DATABASE_VARIABLE
from tests.support.emptied_database import empty_database
from tests.support.page_commands import Operator, list_programs
from tests.support.people import Desk, user
from tests.support.running_service import World, make_home, make_keys
from tests.unit.service.audit.eventful_home import serve
from tests.unit.service.people.test_people import SECRET, SHOWN, take_up

pytestmark = pytest.mark.machine_clock

GONE = ("ann", "bob")
PROPOSAL = re.compile(r"/people/proposals/(account-\w+)/withdrawals")


@pytest.fixture
def world(
    server_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Serve a home of a test's own, on either store."""
    if server_url:
        empty_database(server_url)
        monkeypatch.setenv(DATABASE_VARIABLE, server_url)
    home = make_home(tmp_path / "home")
    with serve(home, *make_keys(home)) as made:
        yield made


def type_page(world: World, block: int, **names: str) -> list[str]:
    """Type a block of the page while the service runs; return the passwords that it prints."""
    variables = list_programs() | {"DARVOZA_HOME": str(world.home.root)} | names
    operator = Operator(variables, nullcontext)
    return operator.run(operator.read("accounts.md", "Both approvers are gone")[block]).split()


def propose_supervisor(desk: Desk, name: str) -> tuple[str, str]:
    """Propose a person on the page; return the proposal's name and the proposer's code."""
    once = re.findall(r'name="once" value="(\w{24})"', desk.get("/people").text)[0]
    fields = {"grant": "person", "name": name, "role": "supervisor", "once": once}
    shown = desk.send("/people", "/people/proposals", fields).text
    (code,) = SHOWN.findall(shown)
    return PROPOSAL.findall(shown)[0], code


def list_alarms(world: World) -> list[str]:
    """Return whose accounts the integrity officer's notifications say were made here."""
    shown = world.get("/v1/notifications", Role.INTEGRITY).json()["notifications"]
    return sorted(one["id"] for one in shown if one["about"] == "account_on_machine")


def sign_in(world: World, name: str, password: str) -> Desk:
    desk = Desk(world)
    assert desk.sign_in(name, password).status_code == 303
    return desk


def enter(world: World) -> list[Desk]:
    """Return the desks of the first two administrators, made before anybody has signed in."""
    made = [user(world, name, Role.ADMINISTRATOR) for name in GONE]
    return [sign_in(world, name, password) for name, password in zip(GONE, made, strict=True)]


def test_two_new_administrators_grant_and_remove_what_the_two_before_them_could(
    world: World,
) -> None:
    ann, _ = enter(world)
    begun, _ = propose_supervisor(ann, "begun")
    assert list_alarms(world) == []
    passwords = type_page(world, 0, ONE="chary", TWO="dilnoza")
    one, two = map(sign_in, [world] * 2, ("chary", "dilnoza"), passwords)
    assert list_alarms(world) == ["chary", "dilnoza"]
    for name in GONE:
        gone = one.send("/people", "/people/removals", {"name": name, "sure": "yes"})
        assert gone.headers["location"] == "/people?done=removed#done"
    assert ann.get("/people").headers["location"].startswith("/login")
    lapsed = two.send("/people", f"/proposals/account/{begun}/approvals", {})
    assert lapsed.status_code == 409, "what a person who left began is proposed again"
    proposal, code = propose_supervisor(one, "farida")
    approved = two.send("/people", f"/proposals/account/{proposal}/approvals", {})
    (other,) = SHOWN.findall(approved.text)
    (password,) = SECRET.findall(take_up(world, code, other).text)
    assert sign_in(world, "farida", password).get("/proposals").status_code == 200
    assert list_alarms(world) == ["chary", "dilnoza"], "no more than was announced"
    assert check_home(world.home, world.runtime.store).ok


def test_lost_passwords_are_made_again(world: World) -> None:
    before = enter(world)
    waiting, _ = propose_supervisor(before[0], "waiting")
    passwords = [type_page(world, 1, NAME=name)[0] for name in GONE]
    assert [desk.get("/people").status_code for desk in before] == [303, 303]
    ann, bob = map(sign_in, [world] * 2, GONE, passwords)
    assert list_alarms(world) == [*GONE]
    assert SHOWN.findall(bob.send("/people", f"/proposals/account/{waiting}/approvals", {}).text)
    assert ann.get("/people").status_code == 200
