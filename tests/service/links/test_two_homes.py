"""Two homes, on SQLite and PostgreSQL, exchange over HTTPS between real processes.

The certificate is made for the test. ``tj`` runs as a service; ``uz`` works by its commands.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from sqlalchemy import delete, select, text
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.auth.permissions import Role
from api.cli.main import app
from api.harness.service_process import free_port, wait_until_ready
from api.links.exchanges import CA_FILE
from api.service.runtime import open_network, open_store
from engine.errors import RiskError
from engine.journal.journal import JOURNAL
from engine.links.inbox import ENVELOPE_KINDS
from engine.storage.database import METADATA, Store
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.service.links.tls_proxy import HOST, Line, make_certificate, serve_tls
from tests.service.running_service import CHEAP
from tests.support.link_agreements import manifest_body

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

NAME = "oybek_fotehobod"
NETWORK = '[[posts]]\ncode = "{0}"\nname = "{0}"\ncountry = "{1}"\n'
AGREEMENT = """
name = "{name}"
kind = "partner"
purposes = ["smuggling"]
ground = "Protocol of November 2019"
expires = 2036-12-31T00:00:00Z
[[pairs]]
posts = ["UZ-OYB", "TJ-FOT"]
[[parties]]
name = "uz"
administration = "UZ"
signing_key = "{uz[signing_key]}"
receiving_key = "{uz[receiving_key]}"
[[parties]]
name = "tj"
administration = "TJ"
signing_key = "{tj[signing_key]}"
receiving_key = "{tj[receiving_key]}"
url = "{url}"
[[messages]]
kind = "manifest"
from = "uz"
purpose = "smuggling"
fields = ["movement", "post", "left_at", "plate"]
[[messages]]
kind = "manifest"
from = "tj"
purpose = "smuggling"
fields = ["movement", "post", "left_at", "plate"]
"""


@dataclass
class Installation:
    """One home and what works in it."""

    home: Home
    database: str | None
    post: str
    passwords: dict[str, str] = field(default_factory=dict)

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

    def prepare(self, country: str) -> None:
        """Make the home, with two people who may govern it."""
        self.home.prepare()
        self.home.network.write_text(NETWORK.format(self.post, country), "utf-8")
        with self.environment(), patch("api.auth.credentials._HASHER", CHEAP):
            store = open_store(self.home)
            accounts = Accounts(store, open_network(self.home))
            for name in ("anna", "boris"):
                self.passwords[name] = accounts.create_user(name, Role.ADMINISTRATOR).secret
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
        from engine.criteria.dual_control import DualControlProjection
        from engine.journal.journal import Journal
        from engine.links.ledger import LinkProjection
        from engine.links.messages import Manifest
        from engine.links.outbox import OutgoingMessage

        with self.open_store() as store:
            journal = Journal(store, [DualControlProjection(), LinkProjection()])
            bodies = [manifest_body(movement=one, post=self.post) for one in movements]
            messages = [OutgoingMessage("manifest", Manifest.model_validate(b)) for b in bodies]
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
        home = self.installation.home.root
        command = [sys.executable, "-m", "api", "serve", "--home", str(home)]
        command += ["--host", HOST, "--port", str(self.port)]
        with self.installation.environment(), (home / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        process = self.process
        wait_until_ready(self.port, is_alive=lambda: process.poll() is None, every=0.1)

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@dataclass
class HomePair:
    """Both installations, and the line between them."""

    uz: Installation
    tj: Installation
    service: Service
    line: Line


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cluster: "Cluster") -> Iterator[HomePair]:
    """Let two people on each side approve an agreement, and serve one side."""
    folder = tmp_path_factory.mktemp("links")
    with cluster.database() as url:
        uz = Installation(Home(folder / "uz"), None, "UZ-OYB")
        tj = Installation(Home(folder / "tj"), url, "TJ-FOT")
        uz.prepare("UZ")
        tj.prepare("TJ")
        service = Service(tj, free_port())
        line = Line(service.port, make_certificate(folder), kill=service.kill)
        shutil.copy(line.certificate, uz.home.root / CA_FILE)
        with serve_tls(line, folder):
            keys = {"uz": uz.run("link", "identity"), "tj": tj.run("link", "identity")}
            agreement = folder / "link.toml"
            agreement.write_text(AGREEMENT.format(**keys, url=line.url, name=NAME), "utf-8")
            for side in (uz, tj):
                side.run("link", "propose", str(agreement), by="anna")
                assert side.refuse("link", "approve", NAME, by="anna").__class__.__name__ == (
                    "SecondPersonError"
                )
                side.run("link", "approve", NAME, by="boris")
            service.start()
            try:
                uz.send("m-0")
                tj.send("t-0")
                uz.run("link", "sync")  # the day's heads go with it
                yield HomePair(uz, tj, service, line)
            finally:
                service.kill()


def test_both_sides_exchange_and_sign_for_it(pair: HomePair) -> None:
    uz, tj = pair.uz, pair.tj
    before = tj.origins(), uz.origins()
    uz.send("m-1", "m-2")
    tj.send("t-1")
    found = uz.run("link", "sync")["links"][NAME]
    assert found == {"sent": 2, "received": 1, "refusals": [], "stopped": False}
    assert (len(tj.origins()) - len(before[0]), len(uz.origins()) - len(before[1])) == (2, 1)
    assert [side.link()["waiting"] for side in (uz, tj)] == [0, 0]
    kinds = {(one["direction"], one["kind"]) for one in uz.link()["traffic"]}
    assert kinds >= {("sent", "head"), ("sent", "manifest"), ("received", "manifest")}
    assert tj.run("verify")["ok"]


def test_who_holds_the_wire_cannot_read(pair: HomePair) -> None:
    plate = manifest_body()["plate"].encode()
    pair.uz.send("m-wire")
    pair.uz.run("link", "sync")
    assert pair.line.seen
    assert not any(plate in body or b"m-wire" in body for body in pair.line.seen)


@pytest.mark.parametrize("fault", ["lose", "lose_answer", "double", "kill"])
def test_whatever_happens_on_the_way_each_is_recorded_once(pair: HomePair, fault: str) -> None:
    uz, tj = pair.uz, pair.tj
    before = tj.origins()
    uz.send(f"m-{fault}-1", f"m-{fault}-2")
    pair.line.faults.append(fault)
    if fault == "double":
        uz.run("link", "sync")
    else:
        uz.refuse("link", "sync")
        assert uz.link()["waiting"] == 2
    if fault == "kill":
        uz.refuse("link", "sync")  # nothing answers
        pair.service.start()
    uz.run("link", "sync")
    last = before[-1] if before else 0
    assert tj.origins() == [*before, last + 1, last + 2]
    assert uz.link()["waiting"] == 0


def test_a_certificate_that_is_not_trusted_carries_nothing(pair: HomePair) -> None:
    (pair.uz.home.root / CA_FILE).rename(pair.uz.home.root / "aside.pem")
    try:
        assert "does not answer" in str(pair.uz.refuse("link", "sync"))
    finally:
        (pair.uz.home.root / "aside.pem").rename(pair.uz.home.root / CA_FILE)


def test_files_carry_the_same_and_the_other_side_is_a_witness(
    pair: HomePair, tmp_path: Path
) -> None:
    uz, tj = pair.uz, pair.tj
    tj.send("t-file")
    assert tj.run("link", "export", NAME, "--to", str(tmp_path))["file"]
    for received in (1, 0):  # the same stick again changes nothing
        (one,) = uz.run("link", "import", str(tmp_path))["files"]
        assert (one["received"] >= received, one["refused"]) == (True, "")
    back = tmp_path / "back"
    uz.run("link", "export", NAME, "--to", str(back))
    tj.run("link", "import", str(back))
    assert tj.link()["waiting"] == 0
    held = (tmp_path / "witness.jsonl").read_text().splitlines()
    assert {next(iter(json.loads(line))) for line in held} >= {"receipt", "head"}
    assert uz.run("verify", "--witness", str(tmp_path))["ok"]


def test_a_rewritten_end_of_the_journal_is_seen_by_its_witness(
    pair: HomePair, tmp_path: Path
) -> None:
    """Negative control: without the witness the shortened journal verifies."""
    uz = pair.uz
    pair.tj.run("link", "export", NAME, "--to", str(tmp_path))
    copy = Installation(Home(tmp_path / "copy"), None, uz.post)
    shutil.copytree(uz.home.root, copy.home.root)
    heads = (tmp_path / "witness.jsonl").read_text().splitlines()
    last = max(json.loads(line).get("receipt", {"sequence": 0})["sequence"] for line in heads)
    with copy.open_store() as store, store.write() as connection:
        for table in ("journal", "journal_bodies"):
            connection.execute(delete(METADATA.tables[table]).where(text(f"seq >= {last}")))
    copy.run("rebuild")
    assert copy.run("verify")["ok"]
    found = copy.run("verify", "--witness", str(tmp_path), status=1)
    assert {one["rule"] for one in found["faults"]} == {"witness"}
    assert any("no such record" in one["message"] for one in found["faults"])


def test_a_restored_disk_stops_both_sides_until_two_people_decide(
    pair: HomePair, tmp_path: Path
) -> None:
    uz, tj = pair.uz, pair.tj
    uz.run("link", "sync")
    store = uz.home.store_file
    assert store is not None
    shutil.copy(store, tmp_path / "yesterday.sqlite")
    uz.send("m-lost")
    uz.run("link", "sync")
    shutil.copy(tmp_path / "yesterday.sqlite", store)
    for log in store.parent.glob(f"{store.name}-*"):
        log.unlink()
    uz.send("m-other")
    assert uz.run("link", "sync", status=1)["links"][NAME]["stopped"]
    assert (uz.link()["phase"], tj.link()["phase"]) == ("stopped", "stopped")
    assert uz.link()["alarm"]["rule"] == "other_receipt"
    assert tj.link()["alarm"]["rule"] == "other_content"
    for side in (tj, uz):
        side.run("link", "propose", NAME, "--resume", "--why", "a disk was restored", by="boris")
        assert side.link()["alarm"]["resumption_by"] == "boris"
        side.run("link", "approve", NAME, by="anna")
    before = tj.origins()
    assert uz.run("link", "sync")["links"][NAME]["sent"] == 1
    assert tj.origins() == [*before, before[-1] + 1]
    assert tj.run("verify")["ok"]
    assert uz.run("verify")["ok"]


def test_one_person_ends_what_was_proposed(pair: HomePair, tmp_path: Path) -> None:
    uz = pair.uz
    keys = {"uz": uz.run("link", "identity"), "tj": pair.tj.run("link", "identity")}
    other = tmp_path / "other.toml"
    other.write_text(AGREEMENT.format(**keys, url=pair.line.url, name="other"), "utf-8")
    uz.run("link", "propose", str(other), by="anna")
    uz.run("link", "end", "other", "--why", "not signed by the ministry", by="boris")
    assert "ended" in str(uz.refuse("link", "approve", "other", by="boris"))
    (ended,) = [one for one in uz.run("link", "status")["links"] if one["name"] == "other"]
    assert (ended["phase"], ended["ended"]["by"]) == ("ended", "boris")
