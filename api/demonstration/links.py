"""Demonstration of links: a shift at a border post, its centre, and the administration opposite.

Vehicles leave at Oybek for Fotehobod, where the other side is asked to look at one of them. A file
of a case follows from the post to its centre, and to the other side once it accepted the case.
Others enter at Oybek, while the line between the post and its centre is cut in the middle of the
shift. What each side knew, and when, is read from its service.

``tashkent`` is the centre of one administration, ``oybek`` the node of its post at the border, and
``fotehobod`` the installation of the other administration. Everything in them is synthetic.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from api.attentions.answers import AcknowledgedRequest
from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.cases.answers import AcknowledgedCase, AcknowledgedFile
from api.client import Client, RefusedError
from api.links.exchanges import CA_FILE, open_exchange
from api.service.assembly import open_store, projections
from engine.audit.file_anchors import open_network
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
            accounts = Accounts(store, open_network(self.home, store))
            pepper = open_pepper(self.home)
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
            journal = Journal(store, projections(current_plan(), open_network(self.home, store)))
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


PATIENCE_SECONDS, LOOK_SECONDS = 90.0, 0.3
CUT_SECONDS = 2.5
"""How long the line stays cut after the last decision: the post tries in vain meanwhile."""
DEPARTURES, ENTRIES = 6, 8
ASKED_ABOUT = 3
"""The vehicle that the other side is asked about, by its place among those that leave."""
WEIGHED_KG = 27_000.0
FILE = ("a line of the weighbridge's log (synthetic)\n" * 8_000).encode()
GRAMS = 4_200.0


@dataclass
class LinksStory:
    """What came of a shift: figures, and a line for each step and side."""

    figures: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    """A step, and what Oybek, Tashkent and Fotehobod knew after it."""

    def tell(self, step: str, oybek: str = "", tashkent: str = "", fotehobod: str = "") -> None:
        """Add a step."""
        self.rows.append((step, oybek, tashkent, fotehobod))


def run_story(homes: LinkedHomes, say: Callable[[str], None]) -> LinksStory:
    """Send a shift through running installations and return what came of it."""
    story, began = LinksStory(), time.monotonic()
    say("vehicles leave at Oybek for Fotehobod")
    _leave(homes, story)
    say("Tashkent asks Fotehobod to search one of them")
    request = _ask(homes, story)
    say("they arrive at Fotehobod, and one is searched")
    _arrive(homes, story)
    _report(homes, story, request)
    say("a file of a case travels to the centre, and to Fotehobod once it accepts the case")
    _share_file(homes, story)
    say("the line between Oybek and its centre is cut, and mended")
    _work_cut_off(homes, story)
    story.figures["seconds"] = round(time.monotonic() - began, 1)
    return story


def _leave(homes: LinkedHomes, story: LinksStory) -> None:
    """Record what leaves at the post, and wait until the other administration knows it."""
    for number in range(DEPARTURES):
        homes.oybek.call(LANE, "POST", "crossings", _arrival(number, LEAVING, "exit"))
    seconds = _wait(
        "the manifests", lambda: _count_taken(homes.fotehobod, "manifest") == DEPARTURES
    )
    story.figures["manifests"] = DEPARTURES
    story.tell(
        "vehicles leave",
        f"{DEPARTURES} exits recorded",
        "their records arrived; a manifest of each went on",
        f"{DEPARTURES} manifests, the last within {seconds:.0f} s",
    )


def _ask(homes: LinkedHomes, story: LinksStory) -> str:
    """Ask the other side for a search, and let its people accept; return the request's name."""
    now = datetime.now(UTC).replace(microsecond=0)
    asked = {
        "link": PARTNER_LINK,
        "identifier": "plate",
        "value": _plate(ASKED_ABOUT),
        "action": "search",
        "answer_by": (now + timedelta(hours=2)).isoformat(),
        "until": (now + timedelta(hours=24)).isoformat(),
        "why": "loaded at a warehouse that is watched (synthetic)",
        "source": "B",
        "information": "2",
    }
    name: str = homes.tashkent.call(FIRST, "POST", "attentions", asked)["id"]
    _wait("the request", lambda: name in _read_requests(homes.fotehobod))
    homes.fotehobod.call(FIRST, "POST", f"attentions/{name}/answers", {"answer": "accepted"})
    homes.fotehobod.call(SECOND, "POST", f"watchlist/{name}/approvals", {})
    _wait("the answer", lambda: _read_requests(homes.tashkent)[name]["state"] == "accepted")
    story.tell(
        "one search is asked for",
        "",
        f"asked about {_plate(ASKED_ABOUT)}, graded B2; it was accepted",
        "one person accepted: yellow; a second one confirmed: red",
    )
    return name


def _arrive(homes: LinkedHomes, story: LinksStory) -> None:
    """Decide on the same vehicles at the other side, search the one, and record the find."""
    for number in range(DEPARTURES):
        homes.fotehobod.call(LANE, "POST", "decisions", _arrival(number, ARRIVING, "entry"))
    found = homes.fotehobod.call(FIRST, "GET", f"decisions?post={ARRIVING}")["decisions"]
    (one,) = [one for one in found if one["crossing_id"] == _name(ASKED_ABOUT, ARRIVING, "entry")]
    now = datetime.now(UTC).isoformat()
    act = {
        "inspection_id": "act-1",
        "crossing_id": one["crossing_id"],
        "recorded_at": now,
        "methods": ["physical"],
        "outcome": "seizure",
    }
    seizure = {
        "seizure_id": "find-1",
        "inspection_id": "act-1",
        "crossing_id": one["crossing_id"],
        "recorded_at": now,
        "substance_class": "narcotic",
        "quantity_g": GRAMS,
    }
    homes.fotehobod.call(LANE, "POST", "inspections", act)
    homes.fotehobod.call(LANE, "POST", "seizures", seizure)
    story.figures |= {"channel": one["channel"], "basis": one["basis"], "finds": 1}
    story.tell(
        "they arrive",
        "",
        "",
        f"{DEPARTURES} decided; {_plate(ASKED_ABOUT)} is {one['channel']} ({one['basis']}), and "
        f"was searched: narcotics of {GRAMS / 1000:.1f} kg",
    )


def _report(homes: LinkedHomes, story: LinksStory, request: str) -> None:
    """Wait until the asker knows what became of the movement and of the request."""
    _wait("the outcome", lambda: _count_taken(homes.tashkent, "outcome") > 0)
    _wait("the report", lambda: _read_requests(homes.tashkent)[request]["outcome"] is not None)
    known = _read_requests(homes.tashkent)[request]
    outcome = known["outcome"]
    story.figures |= {"request": known["state"], "outcome": outcome["outcome"]}
    story.tell(
        "the outcome comes back",
        "",
        f"request {known['state']}: {outcome['substance_class']}, {outcome['quantity_band']}; an "
        "act of the counterpart stands with the exit",
        "the act closed the request; details stay here",
    )


def _share_file(homes: LinkedHomes, story: LinksStory) -> None:
    """Add a file to a case at the post, and wait until the centre and the other side have it."""
    oybek, tashkent, fotehobod = (one.connect(FIRST) for one in homes.installations)
    with oybek, tashkent, fotehobod:
        summary = "loaded at a warehouse that is watched (synthetic)"
        opening = {"post": LEAVING, "summary": summary}
        case = oybek.post(AcknowledgedCase, "/v1/cases", opening).case_id
        digest = oybek.post(
            AcknowledgedFile,
            "/v1/cases/{case_id}/files",
            FILE,
            headers={"Content-Type": "application/octet-stream"},
            case_id=case,
            shows="scan",
        ).digest
        at_centre = f"/v1/cases/{case}/files/{digest}"
        seconds = _wait("the file", lambda: _has_file(tashkent, at_centre))
        until = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0).isoformat()
        offer = {"link": PARTNER_LINK, "answer_by": until, "case": case, "files": [digest]}
        name = tashkent.post(AcknowledgedRequest, "/v1/attentions/cases", offer).id
        _wait("the offer", lambda: name in _read_requests(homes.fotehobod))
        offered = f"/v1/attentions/{name}/files/{digest}"
        before = _has_file(fotehobod, offered)
        accepted = {"answer": "accepted"}
        fotehobod.post(AcknowledgedRequest, f"/v1/attentions/{name}/answers", accepted)
        there = _wait("the file", lambda: _has_file(fotehobod, offered))
    about = f"{len(FILE) / 1000:.0f} kB, SHA-256 {digest[:8]}"
    file = {"digest": digest, "size_bytes": len(FILE), "shows": "scan"}
    story.figures |= {"files": [file], "file_before_acceptance": before}
    story.tell(
        "a file of a case travels",
        f"a scan ({about}) was added to a case",
        f"the scan, whole, {seconds:.0f} s later; the case was offered with it",
        f"the scan, whole, {there:.0f} s after the case was accepted; nothing of it before",
    )


def _has_file(client: Client, route: str) -> bool:
    """Tell whether a service returns the whole file; it refuses a file that has not arrived."""
    try:
        return client.get(bytes, route) == FILE
    except RefusedError:
        return False


def _work_cut_off(homes: LinkedHomes, story: LinksStory) -> None:
    """Decide at the post while its line is down, and compare what the centre knew."""
    homes.post_line.is_cut = True
    for number in range(ENTRIES):
        arrival = _arrival(100 + number, LEAVING, "entry")
        homes.oybek.call(LANE, "POST", "decisions", arrival)
    own = set(_list_decided(homes.oybek))
    time.sleep(CUT_SECONDS)
    known = len(own & set(_list_decided(homes.tashkent)))
    waiting = homes.oybek.call(WATCHER, "GET", "links")["links"][0]
    story.tell(
        "the line to the centre is cut",
        f"{len(own)} vehicles decided, each with a receipt; {waiting['waiting']} envelopes wait",
        f"{known} of them known",
    )
    homes.post_line.is_cut = False
    seconds = _wait("the records", lambda: set(_list_decided(homes.tashkent)) >= own)
    there = _list_decided(homes.tashkent)
    story.figures |= {
        "decided_cut_off": len(own),
        "known_while_cut": known,
        "known_after": len(own & set(there)),
        "doubled": len(there) - len(set(there)),
    }
    story.tell(
        "the line is mended",
        "",
        f"all {len(own)} known {seconds:.0f} s later, once each",
    )


def _list_decided(home: LinkedHome) -> list[str]:
    """Return the crossings at the post for which an installation knows a decision."""
    found = home.call(FIRST, "GET", f"decisions?post={LEAVING}")["decisions"]
    return [one["crossing_id"] for one in found]


def _read_requests(home: LinkedHome) -> dict[str, Any]:
    """Return the requests that an installation knows, by name."""
    return {one["id"]: one for one in home.call(FIRST, "GET", "attentions")["requests"]}


def _count_taken(home: LinkedHome, kind: str) -> int:
    """Return how many messages of a kind an installation has taken."""
    return sum(
        one["envelopes"]
        for link in home.call(WATCHER, "GET", "links")["links"]
        for one in link["traffic"]
        if (one["direction"], one["kind"], one["status"]) == ("received", kind, "taken")
    )


def _wait(what: str, is_there: Callable[[], bool]) -> float:
    """Wait until something has arrived, and return the seconds; raises ``ServiceStartError``."""
    began = time.monotonic()
    while not is_there():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise ServiceStartError(f"{what} did not arrive; the services' logs say why")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def _plate(number: int) -> str:
    return f"01{number:03d}AAA"


def _name(number: int, post: str, direction: str) -> str:
    return f"{post}-{direction}-{number}"


def _arrival(number: int, post: str, direction: str) -> dict[str, Any]:
    """Return a truck with its declaration; the same number is the same vehicle."""
    name = _name(number, post, direction)
    return {
        "crossing": {
            "crossing_id": name,
            "post": post,
            "direction": direction,
            "arrived_at": datetime.now(UTC).isoformat(),
            "vehicle_class": "truck",
            "plate": _plate(number),
            "plate_country": "UZ",
            "weighed_mass_kg": WEIGHED_KG,
            "declaration_id": f"d-{name}",
        },
        "declaration": {
            "declaration_id": f"d-{name}",
            "procedure": "export",
            "items": [{"item_no": 1, "hs_code": "080610", "net_mass_kg": WEIGHED_KG - 15_000}],
        },
    }
