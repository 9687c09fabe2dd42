"""The identity provider of the tests as seen from here: its process, and people who use it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2

CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
PASSWORD = "secret of the provider"  # of people of the tests
PATIENCE_SECONDS = 60.0
"""How long a busy machine may take for an answer."""


class IdentityProvider:
    """A running provider."""

    def __init__(self, port: int) -> None:
        self.address = f"http://localhost:{port}"
        self.issuer = f"{self.address}/o"
        self._agents: dict[str, httpx2.Client] = {}
        self._administrator = httpx2.Client(
            base_url=self.address, trust_env=False, timeout=PATIENCE_SECONDS
        )
        self.secret: str = self.control()["secret"]

    def control(self, **asked: Any) -> dict[str, Any]:
        """Change the provider; what ID tokens were bent by before is undone."""
        found: dict[str, Any] = self._administrator.post("/control", json=asked).json()
        return found

    def sign_on(self, address: str, person: str) -> str:
        """Follow an address as a person does, and return the path with which they come back."""
        agent = self._agents.get(person)
        if agent is None:
            agent = httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS)
            self._agents[person] = agent
            self._sign_in(agent, person)
        answer = agent.get(address)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"

    def _sign_in(self, agent: httpx2.Client, person: str) -> None:
        page = f"{self.address}/login/"
        token = CSRF.search(agent.get(page).text)
        assert token is not None
        form = {"username": person, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = agent.post(page, data=form)
        assert answer.status_code == 302, answer.text

    def close(self) -> None:
        """Close what is open to it."""
        for agent in (self._administrator, *self._agents.values()):
            agent.close()


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    """Run a provider until the end of the block."""
    command = [sys.executable, "-m", "tests.integration.service.auth.identity_provider"]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        provider = IdentityProvider(int(process.stdout.readline()))
        yield provider
        provider.close()
        process.kill()
