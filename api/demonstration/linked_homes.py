"""Homes of two administrations and a post on this machine, with links in force between them.

``tashkent`` is the centre of one administration, ``oybek`` the node of its post at the border, and
``fotehobod`` the installation of the other administration. Everything in them is synthetic.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.client import Client, RefusedError
from api.links.exchanges import CA_FILE, open_exchange
from api.service.assembly import open_network, open_store, projections
from engine.domain.rights import Role
from engine.errors import ServiceStartError
from engine.journal.journal import Journal
from engine.links.agreement import Agreement, parse_agreement
from engine.links.identity import open_link_keys
from engine.links.messages import list_fields
from engine.storage.home import Home
from experiments.support.processes import HOST, find_free_port, run_service
from experiments.support.tls_line import Line, make_certificate, serve_tls
from features.catalogue.plan import current_plan
from features.partners.linked_history import MANIFEST_FIELDS

LEAVING, ARRIVING = "UZ-OYB", "TJ-FOT"
POSTS = {"tashkent": None, "oybek": LEAVING, "fotehobod": ARRIVING}
"""The installations, each with the post that it decides for."""
PARTNER_LINK, POST_LINK = "oybek_fotehobod", "oybek_tashkent"
FIRST, SECOND, WATCHER, LANE = "zarina", "botir", "sadaf", "lane"
PEOPLE = {FIRST: Role.SUPERVISOR, SECOND: Role.SUPERVISOR, WATCHER: Role.INTEGRITY}
"""People of each side: made for the demonstration, with passwords that nothing prints. A lane is
the machine of a checkpoint."""
EXPIRES = "2036-12-31T00:00:00Z"
EXCHANGE_SECONDS = "1"
NETWORK = f"""synthetic = true
[[posts]]
code = "{LEAVING}"
name = "Oybek"
country = "UZ"
pair = "{ARRIVING}"
[[posts]]
code = "{ARRIVING}"
name = "Fotehobod"
country = "TJ"
pair = "{LEAVING}"
"""


@dataclass
class LinkedHome:
    """One installation with its service, and the keys of its people and of its lane, by name."""

    name: str
    home: Home
    port: int = field(default_factory=find_free_port)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def post(self) -> str | None:
        """The post that it decides for."""
        return POSTS[self.name]

    def prepare(self) -> None:
        """Make the home with its network, people and keys."""
        self.home.prepare()
        self.home.network.write_text(NETWORK, "utf-8")
        with open_store(self.home) as store:
            accounts, pepper = Accounts(store, open_network(self.home)), open_pepper(self.home)
            for person, role in PEOPLE.items():
                accounts.create_user(person, role)
                key = accounts.create_key(role, None, pepper=pepper, owner=person)
                self.keys[person] = key.secret
            if self.post is not None:
                checkpoint = accounts.create_key(Role.CHECKPOINT, self.post, pepper=pepper)
                self.keys[LANE] = checkpoint.secret

    def party(self, *, url: str | None = None, role: str = "partner") -> dict[str, Any]:
        """Return this installation as an agreement names it."""
        keys = open_link_keys(self.home).identity
        found = {
            "name": self.name,
            "administration": "TJ" if self.name == "fotehobod" else "UZ",
            "role": role,
            "signing_key": keys.signing_key.hex(),
            "receiving_key": keys.receiving_key.hex(),
        }
        return found if url is None else found | {"url": url}

    def approve(self, agreement: Agreement) -> None:
        """Let two people put an agreement into force here."""
        with open_store(self.home) as store:
            journal = Journal(store, projections(current_plan(), open_network(self.home)))
            exchange = open_exchange(self.home, store, journal)
            exchange.propose(agreement, by=FIRST)
            exchange.approve(agreement.name, by=SECOND)

    def connect(self, by: str) -> Client:
        """Return a client of its service, with a person's key."""
        return Client(f"http://{HOST}:{self.port}", self.keys[by])

    def call(self, by: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the service with a key; raises ``ServiceStartError`` if it refuses."""
        with self.connect(by) as client:
            try:
                return client.call(dict[str, Any], method, f"/v1/{path}", body)
            except RefusedError as refused:
                raise ServiceStartError(f"{self.name}: {method} {path}: {refused}") from None


@dataclass(frozen=True, slots=True)
class LinkedHomes:
    """The three installations and the lines between them."""

    tashkent: LinkedHome
    oybek: LinkedHome
    fotehobod: LinkedHome
    post_line: Line
    """From the node at Oybek to its centre."""
    partner_line: Line
    """From the centre to the other administration."""

    @property
    def installations(self) -> tuple[LinkedHome, ...]:
        """All of them."""
        return self.oybek, self.tashkent, self.fotehobod


@contextmanager
def run_linked_homes(root: Path) -> Iterator[LinkedHomes]:
    """Make the homes below a folder, and run their services until the block ends."""
    made = {name: LinkedHome(name, Home(root / name)) for name in POSTS}
    certificate = make_certificate(root)
    with ExitStack() as stack:
        lines = [Line(made[name].port, certificate) for name in ("tashkent", "fotehobod")]
        for line in lines:
            stack.enter_context(serve_tls(line, root))
        for one in made.values():
            one.prepare()
            (one.home.root / CA_FILE).write_bytes(certificate.read_bytes())
        homes = LinkedHomes(**made, post_line=lines[0], partner_line=lines[1])
        _agree(homes)
        stack.enter_context(patch.dict(os.environ, DARVOZA_LINK_SECONDS=EXCHANGE_SECONDS))
        for one in made.values():
            stack.enter_context(run_service(one.home.root, one.port))
        yield homes


def _agree(homes: LinkedHomes) -> None:
    """Put both links into force: two people of each installation approve each."""
    oybek, tashkent, fotehobod = homes.oybek, homes.tashkent, homes.fotehobod
    centre = tashkent.party(url=homes.post_line.url, role="centre")
    post = {
        "name": POST_LINK,
        "kind": "post",
        "purposes": ["supervision"],
        "posts": [LEAVING],
        "parties": [oybek.party(role="node"), centre],
        "messages": [
            {"kind": kind, "from": name}
            for name, kinds in (("oybek", ("record", "file")), ("tashkent", ("record", "bundle")))
            for kind in kinds
        ],
    }
    partner = {
        "name": PARTNER_LINK,
        "kind": "partner",
        "purposes": ["smuggling"],
        "pairs": [{"posts": [LEAVING, ARRIVING]}],
        "parties": [tashkent.party(), fotehobod.party(url=homes.partner_line.url)],
        "messages": [
            {"kind": kind, "from": name, "purpose": "smuggling", "fields": list(fields)}
            for name in ("tashkent", "fotehobod")
            for kind, fields in _fields().items()
        ],
    }
    about = {"ground": "a demonstration with synthetic data", "expires": EXPIRES}
    for sides, content in (((oybek, tashkent), post), ((tashkent, fotehobod), partner)):
        agreement = parse_agreement(content | about)
        for side in sides:
            side.approve(agreement)


def _fields() -> dict[str, list[str]]:
    """Return the fields of each kind of message that the two administrations agree on."""
    kinds = ("attention", "answer", "outcome", "withdraw", "case", "file")
    return {"manifest": list(MANIFEST_FIELDS)} | {kind: list(list_fields(kind)) for kind in kinds}
