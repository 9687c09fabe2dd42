"""People with passwords, and vehicles to decide on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any
from unittest.mock import patch

import httpx2 as httpx
from playwright.sync_api import Page

from api.auth.accounts import Accounts
from api.auth.permissions import BOUND
from api.service.runtime import Runtime
from engine.domain.rights import Role
from tests.support.people import TOKEN
from tests.support.running_service import CHEAP, CHUNK, POST, arrival, pick_likely

QUEUE = f"/posts/{POST}/queue"
ROLES = {
    "malika": Role.SUPERVISOR,
    "umed": Role.CHECKPOINT,
    "zafar": Role.ANALYST,
    "olim": Role.SUPERVISOR,
    "nodira": Role.INTEGRITY,
    "sitora": Role.ADMINISTRATOR,
}


@dataclass(frozen=True, slots=True)
class Site:
    """A running service."""

    address: str
    sender: httpx.Client
    """A checkpoint's system."""
    passwords: Mapping[str, str]
    runtime: Runtime
    numbers: Any = field(default_factory=lambda: count(1))

    def decide(
        self, declaration: Mapping[str, Any] | None = None, **crossing: Any
    ) -> dict[str, Any]:
        """Send one arrival, with a declaration of its own where one is given."""
        body = arrival(next(self.numbers), **crossing)
        if declaration is not None:
            body["declaration"] = declaration
        return self._send(body)

    def find(self, channel: str, **crossing: Any) -> dict[str, Any]:
        """Send arrivals until one goes to this channel, first those that the model sends there."""
        for _ in range(20):
            bodies = [arrival(number, **crossing) for number in islice(self.numbers, CHUNK)]
            for likely in pick_likely(self.runtime, bodies, channel):
                found: dict[str, Any] = self._send(bodies[likely])
                if found["channel"] == channel:
                    return found
        raise AssertionError(f"no {channel} decision in {20 * CHUNK}")

    def _send(self, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.sender.post("/v1/decisions", json=body)
        found: dict[str, Any] = answer.json()
        assert answer.status_code == 201, found
        return found


def bearer(key: str) -> dict[str, str]:
    """Return the headers of a machine."""
    return {"Authorization": f"Bearer {key}"}


def people(runtime: Runtime) -> dict[str, str]:
    """Make one of each, and return their passwords."""
    accounts = Accounts(runtime.store, runtime.network)
    with patch("api.auth.credentials._HASHER", CHEAP):
        return {
            name: accounts.create_user(name, role, post=POST if role in BOUND else None).secret
            for name, role in ROLES.items()
        }


def sign_in(page: Page, site: Site, name: str, *, language: str = "en") -> None:
    """Sign in as a person does, by the form."""
    page.goto(f"/language/{language}?back=/login")
    page.fill("#name", name)
    page.fill("#password", site.passwords[name])
    page.click("button.primary")
    page.wait_for_url(lambda url: "/login" not in url)


def signed_in(page: Page, site: Site, name: str, *, language: str = "en") -> None:
    """Let a person be there already: the form's own requests, without a page to be drawn."""
    shown = page.request.get(f"/language/{language}?back=/login")
    token = TOKEN.search(shown.text())
    assert token is not None
    typed = {"form_token": token[1], "name": name, "password": site.passwords[name]}
    assert page.request.post("/login", form=typed, max_redirects=0).status == 303
