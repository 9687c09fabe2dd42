"""A user of the pages, without a browser: cookies, forms and their tokens."""

import re
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from api.auth.accounts import Accounts
from api.auth.permissions import BOUND
from engine.domain.rights import Role
from tests.support.running_service import CHEAP, POST, World, open_browser

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
