"""A file on its way from a node to its centre, while the service of either side is killed -9.

Both sides are real services over HTTPS, the node on SQLite, the centre on PostgreSQL. The centre is
killed as soon as more of the file has arrived, then the node, by turns; each starts again, and the
transfer goes on by itself.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock

import pytest

from api.links.exchanges import CA_FILE
from api.migrations.upgrade import upgrade
from engine.audit.file_anchors import declare_network
from engine.files.store import PARTIAL
from engine.links.agreement import parse_agreement
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.support.processes import Forker, Service, find_free_port, wait_until_ready
from experiments.support.tls_line import Line, make_certificate, serve_tls
from tests.integration.service.links.post_and_centre import (
    NAME,
    Installation,
    make_centre,
    open_installation,
)
from tests.integration.service.links.test_case_files_sent import add_file, make_text
from tests.integration.service.links.test_post_reports import open_case
from tests.support.clocks import wait_for
from tests.support.emptied_database import empty_database
from tests.support.running_service import NETWORK, POST
from tests.support.sizes import PROOF
from tests.unit.engine.links.links import party_content, post_content

pytestmark = pytest.mark.machine_clock

SIZE, KILLS = (9_000_000, 40) if PROOF else (1_500_000, 2)
"""Bytes of the file, and kills at most: it may be whole before."""
PATIENCE_SECONDS = 60.0


@dataclass
class HeldLine(Line):
    """A line that parcels pass one by one while it is held, so that the file is not whole before.

    A service is killed while the next parcel waits, however long that takes.
    """

    is_held: bool = False
    allowed: int = 0
    passing: int = 0
    lock: Lock = field(default_factory=Lock)

    def let_one_pass(self) -> None:
        """Let the next parcel pass where none does."""
        with self.lock:
            self.allowed = int(not self.passing)

    def forward(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        """Return the service's answer, once this may pass."""
        while not self._begin():
            time.sleep(0.005)
        try:
            return super().forward(path, body, headers)
        finally:
            with self.lock:
                self.passing -= 1

    def _begin(self) -> bool:
        with self.lock:
            may_pass = not self.is_held or self.allowed > 0
            self.passing += may_pass
            self.allowed = 0
            return may_pass


@dataclass
class Transfer:
    """Both homes, their services, the line between them, and the file that is under way."""

    node: Installation
    centre: Installation
    services: dict[str, Service]
    line: HeldLine
    content: bytes
    digest: str

    @property
    def kept_path(self) -> Path:
        """Where the centre keeps the file once it is whole."""
        return self.centre.home.files / self.digest

    @property
    def partial_path(self) -> Path:
        """Where the centre keeps what has arrived before."""
        return self.centre.home.files / f"{PARTIAL}{self.digest}"

    @property
    def held_bytes(self) -> int:
        """Bytes of the file at the centre."""
        for path in (self.kept_path, self.partial_path):
            with suppress(FileNotFoundError):
                return path.stat().st_size
        return 0

    def start(self, name: str) -> None:
        """Start a service and wait until it answers."""
        service = self.services[name]
        service.start()
        wait_until_ready(service.port)


@contextmanager
def open_transfer(
    folder: Path, forker: Forker, *, centre_url: str = "", bug: str = ""
) -> Iterator[Transfer]:
    """Let a node with one file and a centre agree; no service runs yet.

    Without ``centre_url``, an empty store, the centre stands on SQLite too.
    """
    certificate = make_certificate(folder)
    known = {name: text for name, text in os.environ.items() if name.startswith("DARVOZA_")}
    known.pop(DATABASE_VARIABLE, None)
    with ExitStack() as stack:
        sides: dict[str, Installation] = {}
        services: dict[str, Service] = {}
        for name in ("node", "centre"):
            home = make_centre(folder / name, NETWORK)
            about = known | {VARIABLE: str(home.root), "DARVOZA_LINK_SECONDS": "0.1"}
            url = centre_url if name == "centre" else ""
            if url:
                about[DATABASE_VARIABLE] = url
            else:
                with Store(home.database_url) as store:
                    upgrade(store)
            shutil.copy(certificate, home.root / CA_FILE)
            sides[name] = stack.enter_context(contextmanager(open_installation)(home, url))
            declare_network(home, sides[name].store)
            services[name] = stack.enter_context(Service(forker, about, find_free_port(), bug))
        line = HeldLine(services["centre"].port, certificate)
        stack.enter_context(serve_tls(line, folder))
        stack.callback(setattr, line, "is_held", False)
        node, centre = sides["node"], sides["centre"]
        parties = [
            party_content("oybek", node.exchange.keys.identity, role="node"),
            party_content("tashkent", centre.exchange.keys.identity, role="centre", url=line.url),
        ]
        keys = node.exchange.keys.identity, centre.exchange.keys.identity
        agreement = parse_agreement(post_content(*keys, posts=[POST], parties=parties))
        for side in (node, centre):
            side.exchange.propose(agreement, by="anna")
            side.exchange.approve(NAME, by="boris")
        content = make_text(SIZE, "a scan of many pages ")
        digest = add_file(node, open_case(node), content)
        assert digest == sha256(content).hexdigest()
        yield Transfer(node, centre, services, line, content, digest)


def kill_by_turns(transfer: Transfer) -> str:
    """Kill either service while the file is under way; return what was wrong, if anything was."""
    transfer.line.is_held = True
    for name in transfer.services:
        transfer.start(name)
    for number in range(KILLS):
        wrong, is_whole = kill(transfer, ("centre", "node")[number % 2])
        if wrong or is_whole:
            return wrong or ("" if number else "no service was killed on the way")
    return ""


def kill(transfer: Transfer, name: str) -> tuple[str, bool]:
    """Kill one service once more has arrived; return what was wrong, and whether it was too late.

    What had arrived is how the file begins, has no name yet, and is there after the next start.
    """
    before = transfer.held_bytes

    def has_more() -> bool:
        if transfer.held_bytes > before:
            return True
        transfer.line.let_one_pass()
        return False

    if not wait_for(has_more, seconds=PATIENCE_SECONDS, pause=0.001):
        return "it does not go on", False
    transfer.services[name].kill()
    done = transfer.held_bytes
    if done == SIZE:
        return "", True
    if transfer.kept_path.exists():
        return "what is not whole has its name", False
    if transfer.partial_path.read_bytes()[:done] != transfer.content[:done]:
        return "what arrived is not how the file begins", False
    transfer.start(name)
    return "" if transfer.held_bytes >= done else "what had arrived is gone", False


def test_a_transfer_outlives_both_services(
    forker: Forker, postgresql_database: str, tmp_path: Path
) -> None:
    empty_database(postgresql_database)
    with open_transfer(tmp_path, forker, centre_url=postgresql_database) as transfer:
        assert kill_by_turns(transfer) == ""
        transfer.line.is_held = False
        for name, service in transfer.services.items():
            service.kill()
            transfer.start(name)
        assert wait_for(transfer.kept_path.exists, seconds=PATIENCE_SECONDS)
        for service in transfer.services.values():
            service.kill()
        assert transfer.kept_path.read_bytes() == transfer.content
        assert not transfer.partial_path.exists()
        for side in (transfer.node, transfer.centre):
            verdict = side.verify()
            assert verdict.ok, verdict.faults


@pytest.mark.parametrize(
    ("bug", "seen"),
    [
        ("files-swept", "what had arrived is gone"),
        ("files-named-early", "what is not whole has its name"),
    ],
)
def test_a_transfer_that_a_kill_spoils_is_seen(
    forker: Forker, tmp_path: Path, bug: str, seen: str
) -> None:
    """Negative controls: a start sweeps what has arrived; a file has its name from the start."""
    with open_transfer(tmp_path, forker, bug=bug) as transfer:
        assert kill_by_turns(transfer) == seen
