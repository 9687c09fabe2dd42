"""Installations of two administrations for tests: homes, what works in them, and their services."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx2
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.permissions import BOUND, OWNED
from api.cli.main import app
from api.service.assembly import open_store
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from engine.errors import RiskError
from engine.journal.journal import JOURNAL
from engine.links.inbox import ENVELOPE_KINDS
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.support.processes import wait_until_ready
from experiments.support.tls_line import HOST
from tests.support.running_service import CHEAP
from tests.unit.engine.links.links import manifest_body

NAME = "oybek_fotehobod"
NETWORK = '[[posts]]\ncode = "{0}"\nname = "{0}"\ncountry = "{1}"\n'


@dataclass
class Installation:
    """One home and what works in it."""

    home: Home
    database: str | None
    post: str
    passwords: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """Keys of the service, by role, and by the name of a further person."""

    @contextmanager
    def environment(self, by: str = "") -> Iterator[None]:
        """Set what its processes find in their environment."""
        with pytest.MonkeyPatch.context() as patched:
            patched.delenv(DATABASE_VARIABLE, raising=False)
            if self.database is not None:
                patched.setenv(DATABASE_VARIABLE, self.database)
            patched.setenv("DARVOZA_PASSWORD", self.passwords.get(by, ""))
            patched.setenv("DARVOZA_LINK_SECONDS", "0")
            yield

    def prepare(self, country: str, network: str = NETWORK) -> None:
        """Make the home, with two people who may govern it."""
        self.home.prepare()
        self.home.network.write_text(network.format(self.post, country), "utf-8")
        with self.environment(), patch("api.auth.credentials._HASHER", CHEAP):
            store = open_store(self.home)
            accounts = Accounts(store, open_network(self.home, store))
            for name in ("anna", "boris"):
                self.passwords[name] = accounts.create_user(name, Role.ADMINISTRATOR).secret
            store.dispose()

    def make_keys(self) -> None:
        """Make a key for every role, and one of a second supervisor."""
        with self.environment(), patch("api.auth.credentials._HASHER", CHEAP):
            store = open_store(self.home)
            accounts, pepper = (
                Accounts(store, open_network(self.home, store)),
                open_pepper(self.home),
            )
            for name, role in [(role.value, role) for role in Role] + [("second", Role.SUPERVISOR)]:
                owner = f"the-{name}" if role in OWNED else None
                if owner is not None:
                    accounts.create_user(owner, role)
                post = self.post if role in BOUND else None
                made = accounts.create_key(role, post, pepper=pepper, owner=owner)
                self.keys[name] = made.secret
            store.dispose()

    def run(self, *arguments: str, by: str = "", status: int = 0) -> dict[str, Any]:
        """Run a command and return what it prints as JSON."""
        words = [*arguments, "--home", str(self.home.root), "--json"]
        with self.environment(by):
            found = CliRunner().invoke(app, [*words, *(["--as", by] if by else [])])
        assert found.exit_code == status, (arguments, found.output, found.exception)
        if isinstance(found.exception, RiskError):
            raise found.exception
        return json.loads(found.stdout) if found.stdout.startswith("{") else {}

    def refuse(self, *arguments: str, by: str = "") -> RiskError:
        """Run a command and return its refusal."""
        with pytest.raises(RiskError) as refused:
            self.run(*arguments, by=by, status=1)
        return refused.value

    @contextmanager
    def open_store(self) -> Iterator[Store]:
        """Open its store."""
        with self.environment():
            store = Store(self.home.database_url)
        try:
            yield store
        finally:
            store.dispose()

    def send(self, *movements: str) -> None:
        """Record a manifest of each movement as an envelope."""
        from api.links.exchanges import open_exchange
        from engine.journal.journal import Journal
        from engine.links.ledger import project_envelopes
        from engine.links.messages import Manifest
        from engine.links.outbox import OutgoingMessage

        with self.open_store() as store:
            journal = Journal(store, [project_envelopes])
            bodies = [manifest_body(movement=one, post=self.post) for one in movements]
            messages = [OutgoingMessage(Manifest.model_validate(b)) for b in bodies]
            open_exchange(self.home, store, journal).send(NAME, messages)

    def origins(self) -> list[int]:
        """Return the numbers of the envelopes that came, in the journal's order."""
        query = select(JOURNAL.c.origin_seq).where(JOURNAL.c.origin_seq.is_not(None))
        query = query.where(JOURNAL.c.kind.in_(ENVELOPE_KINDS))
        with self.open_store() as store, store.read() as connection:
            return list(connection.scalars(query.order_by(JOURNAL.c.seq)))

    def link(self) -> dict[str, Any]:
        """Return its link as the status command shows it."""
        found = self.run("link", "status")["links"]
        return next(dict(one) for one in found if one["name"] == NAME)


@dataclass
class Service:
    """The service of an installation in a process of its own."""

    installation: Installation
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the service and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the service; :meth:`wait` returns once it answers."""
        home = self.installation.home.root
        command = [sys.executable, "-m", "api", "serve", "--home", str(home)]
        command += ["--host", HOST, "--port", str(self.port)]
        with self.installation.environment(), (home / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> None:
        """Wait until the service answers."""
        process = self.process
        assert process is not None
        wait_until_ready(self.port, is_alive=lambda: process.poll() is None)

    def ask(self, path: str, body: Any = None, *, by: str, status: int = 200) -> Any:
        """Ask for a page or, with a body, send one; return the answer's JSON value."""
        headers = {"Authorization": f"Bearer {self.installation.keys[by]}"}
        method = "GET" if body is None else "POST"
        address = f"http://{HOST}:{self.port}{path}"
        answer = httpx2.request(method, address, json=body, headers=headers, timeout=60)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json()

    def read_log(self) -> bytes:
        """Return everything that the service has logged."""
        return (self.installation.home.root / "service.log").read_bytes()

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
