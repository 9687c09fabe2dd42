"""People of tests: callers with keys, people who step by command, users of the pages."""

import re
from collections.abc import Mapping
from secrets import token_hex
from typing import Any
from unittest.mock import patch

from api.auth.accounts import Accounts
from api.auth.callers import call_as
from api.auth.credentials import open_pepper
from api.auth.permissions import BOUND, OWNED
from api.people.steps import AGENCIES
from api.proposals.desk import ProposalDesk
from api.proposals.matters import Approval, ProposalMatter
from api.service.runtime import Runtime
from engine.domain.rights import Role
from tests.support.running_service import CHEAP, POST, World, open_browser


def person(world: World, role: Role, owner: str | None = None) -> dict[str, str]:
    """Return the headers of a new user, or of one more key of a user."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    if owner is None and role in OWNED:
        owner = f"{role}-{token_hex(4)}"
        with patch("api.auth.credentials._HASHER", CHEAP):
            accounts.create_user(owner, role)
    made = accounts.create_key(role, None, pepper=open_pepper(world.home), owner=owner)
    return {"Authorization": f"Bearer {made.secret}"}


def send(world: World, path: str, body: Any, by: dict[str, str], **headers: str) -> Any:
    return world.client.post(path, json=body, headers=by | headers)


def desk_of(runtime: Runtime, name: str) -> ProposalDesk:
    """Return what takes the steps of a person who gave a password."""
    authority = Accounts(runtime.store, runtime.network).look()
    person = authority.person(name)
    assert person is not None, name
    return ProposalDesk(runtime, call_as(person, authority), is_command=True)


def propose(runtime: Runtime, matter: ProposalMatter[Any], content: Any, *, by: str) -> str:
    """Let a person propose, and return the name of the proposal."""
    return desk_of(runtime, by).record(matter, content).entry.subject


def approve(runtime: Runtime, matter: ProposalMatter[Any], subject: str, *, by: str) -> Any:
    """Let a person approve a proposal."""
    return desk_of(runtime, by).approve(matter, subject, Approval())


def put_into_force(runtime: Runtime, table: Any, first: str, second: str) -> None:
    """Let two people put a table of agencies into force."""
    subject = propose(runtime, AGENCIES, table, by=first)
    approve(runtime, AGENCIES, subject, by=second)


TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


class Desk:
    """One browser's worth of cookies."""

    def __init__(self, world: World) -> None:
        self.client = open_browser(world.client)

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=headers)

    def send(self, page: str, to: str, fields: Mapping[str, Any], **headers: str) -> Any:
        """Open a page and send a form from it."""
        token = TOKEN.search(self.get(page).text)
        assert token is not None
        return self.client.post(to, data={"form_token": token[1]} | dict(fields), headers=headers)

    def sign_in(self, name: str, password: str, **fields: str) -> Any:
        return self.send("/login", "/login", {"name": name, "password": password} | fields)


def user(world: World, name: str, role: Role, post: str | None = None) -> str:
    """Make a user and return the password."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    bound = POST if role in BOUND else None
    with patch("api.auth.credentials._HASHER", CHEAP):
        return accounts.create_user(name, role, post=post or bound).secret


def at_desk(world: World, name: str, role: Role = Role.SUPERVISOR) -> Desk:
    """Return the desk of a new user who signed in."""
    desk = Desk(world)
    assert desk.sign_in(name, user(world, name, role)).status_code == 303
    return desk
