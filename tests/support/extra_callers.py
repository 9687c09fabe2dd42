"""More people than one key a role, for what needs two of them."""

from secrets import token_hex
from typing import Any
from unittest.mock import patch

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.permissions import OWNED
from engine.domain.rights import Role
from tests.support.running_service import CHEAP, World


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
