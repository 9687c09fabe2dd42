"""Pictures of every page, taken from the demonstration's synthetic network: ``make screenshots``.

Runs the demonstration in a home of its own (or on one that it made before: ``--home``), lets a
shift's officers answer for some of its vehicles with synthetic outcomes, and opens the pages of the
menu for each role, so that a page that is new is pictured without being named here. Whatever a
picture shows is synthetic, and every page says so. Says too how many words the head of a decision's
page has, and how tall the page is, over the vehicles that wait.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.oidc_mapping import CALLBACK, OidcMapping
from api.auth.permissions import MAY
from api.cases.answers import AcknowledgedCase
from api.cli.demo import lodge_ahead
from api.client import Client, RefusedError
from api.decisions.answers import Decisions, SupervisorView
from api.decisions.vehicle_history import PastView
from api.http.answers import Acknowledged, AcknowledgedAct, AcknowledgedStep
from api.oidc.sign_on import OIDC, MappingProposal
from api.profiles.answers import AcknowledgedProfile
from api.queue import Queue
from api.service.assembly import open_runtime, open_store
from api.service.model_watch import HomeModels
from api.service.settings import Settings
from api.web.menu import SECTIONS
from api.web.visitor import json_route
from api.webhooks.steps import RegisteredWebhook, WebhookRequest
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from engine.errors import ConflictError
from engine.storage.home import Home
from experiments.support.processes import HOST, find_free_port, run_service
from tests.support.people import approve, propose
from tests.unit.engine.links.links import link_partner

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
WIDTHS = {"phone": 390, "wide": 1920}
"""Folders of pictures below ``FOLDER``, and the width in pixels of each page there."""
SMALLER = 2
"""Into how many times fewer pixels each way those pictures are drawn: they show the layout."""
PEOPLE = {
    "malika": Role.SUPERVISOR,
    "zafar": Role.ANALYST,
    "nodira": Role.INTEGRITY,
    "sitora": Role.ADMINISTRATOR,
}
APPROVER = {"olim": Role.SUPERVISOR}
PROFILE = {
    "code": "EMPTY-NIGHT",
    "title": "Empty trucks by night whose driver is new to them",
    "expression": "crossing.is_empty && features.night == 1 && features.new_driver_for_plate == 1",
    "channel": "yellow",
    "percentage": 50.0,
}
ENTRY = {"carrier": "K-0042", "reason": "seen with a false tank on another line"}
TALLEST = 2700
"""Pixels of a page that a picture shows."""
COLOURS = 128
TEAMS = ("Alfa", "Beta", "Gamma")
MINUTES = {"physical": 480.0, "xray": 480.0, "documents": 360.0}


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    who: str
    path: str
    width: int = 1280
    scheme: str = "light"
    language: str = "en"
    folder: str = ""
    """One of ``WIDTHS`` for the same page at that width."""


def main(arguments: Sequence[str]) -> None:
    """Take the pictures, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a home that darvoza demo made")
    parser.add_argument("--out", type=Path, default=FOLDER)
    asked = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="darvoza-pictures-") as spare:
        home = Home(asked.home or Path(spare) / "home")
        if not home.root.exists():
            run_command(home, "demo", "--once")
        run_command(home, "quality", "--keep")
        (key, admin, declarant), passwords = credentials(home)
        store = open_store(home)
        link = link_partner(home, store)
        store.dispose()
        port = find_free_port()
        with run_service(home.root, port), Client(f"http://{HOST}:{port}", key) as client:
            post, decision = answer_queue(client, open_network(home, store).posts)
            case = open_case(client, post)
            register_webhook(port, admin, post)
            with Client(f"http://{HOST}:{port}", declarant) as sender:
                lodge_ahead(sender, post)
            asked.out.mkdir(parents=True, exist_ok=True)
            take(
                asked.out,
                f"http://{HOST}:{port}",
                passwords,
                list(at_every_width(shots(post, decision, link, case))),
            )
            print(measure_heads(f"http://{HOST}:{port}", passwords, list_waiting(client, home)))
    sizes = [path.stat().st_size for path in asked.out.rglob("*.png")]
    print(f"{len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB, in {asked.out}")


def list_waiting(client: Client, home: Home) -> list[str]:
    """Return the decisions on vehicles that wait at any post."""
    store = open_store(home)
    posts = open_network(home, store).posts
    store.dispose()
    queues = [client.get(Queue, f"/v1/posts/{post}/queue").waiting for post in posts]
    return [one.decision_id for queue in queues for one in queue]


HEAD_WORDS = """() => {
  const count = (one) => one.innerText.split(/\\s+/)
    .filter((word) => /[\\p{L}\\p{N}]/u.test(word)).length;
  const head = document.querySelector("[data-glance]");
  return [...head.querySelectorAll(".noprint")].reduce((sum, one) => sum - count(one), count(head));
}"""
"""Words that are read in the head of a decision's page, without its buttons."""


def measure_heads(address: str, passwords: Mapping[str, str], decisions: Sequence[str]) -> str:
    """Return words of the heads of decisions' pages for a supervisor, and heights of pages."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    name = next(one for one in passwords if one.startswith("malika"))
    words, tall, narrow = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=address, viewport={"width": 1280, "height": 900})
        _sign_in(page, name, passwords[name])
        for decision in decisions[:MOST_MEASURED]:
            page.goto(f"/decisions/{decision}")
            words.append(page.evaluate(HEAD_WORDS))
            tall.append(page.evaluate(HEIGHT))
        page.goto("/network")
        network = page.evaluate(HEIGHT)
        page.set_viewport_size({"width": WIDTHS["phone"], "height": 800})
        for decision in decisions[:MOST_MEASURED]:
            page.goto(f"/decisions/{decision}")
            narrow.append(page.evaluate(HEIGHT))
        browser.close()
    within = sum(one <= 80 for one in words)
    return (
        f"{len(words)} decisions: {sum(words) / max(len(words), 1):.0f} words in the head on "
        f"average, {within} within 80; pages at most {max(tall, default=0)} px, on a phone "
        f"{max(narrow, default=0)}; the network's {network}"
    )


HEIGHT = "document.documentElement.scrollHeight"
MOST_MEASURED = 60


def run_command(home: Home, *words: str) -> None:
    """Run a command of the service's on a home."""
    command = (sys.executable, "-m", "api", *words, "--home", str(home.root))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def credentials(home: Home) -> tuple[list[str], dict[str, str]]:
    """Make keys of a supervisor, an administrator and a declarant, and a person of each role.

    The second person of a name has a number.
    """
    store = open_store(home)
    accounts, passwords = Accounts(store, open_network(home, store)), {}
    for name, role in (PEOPLE | APPROVER).items():
        for tried in (name, *(f"{name}-{number}" for number in range(2, 100))):
            with suppress(ConflictError):
                passwords[tried] = accounts.create_user(tried, role).secret
                break
    keys = []
    for name in ("malika", "sitora"):
        owner = next(known for known in passwords if known.startswith(name))
        made = accounts.create_key(PEOPLE[name], None, pepper=open_pepper(home), owner=owner)
        keys.append(made.secret)
    trust_provider(home, [one for one in passwords if one.startswith(("malika", "olim"))])
    keys.append(accounts.create_key(Role.DECLARANT, None, pepper=open_pepper(home)).secret)
    store.dispose()
    return keys, passwords


def register_webhook(port: int, key: str, post: str) -> None:
    """Let events go to an address that nothing listens at: their page shows what waits."""
    wanted = WebhookRequest.EXAMPLE | {"post": post}
    with Client(f"http://{HOST}:{port}", key) as admin, suppress(RefusedError):
        admin.post(RegisteredWebhook, "/v1/webhooks", wanted, key="picture")


def trust_provider(home: Home, people: Sequence[str]) -> None:
    """Put an identity provider into force, which is never asked: the sign-in page offers it."""
    rule = {"claim": "groups", "value": "supervisors", "role": "supervisor"}
    given = {"issuer": "https://id.example", "client_id": "darvoza", "roles": [rule]}
    given |= {"redirect_uri": f"https://desk.example{CALLBACK}"}
    mapping = OidcMapping.model_validate(given, strict=False)
    proposed = MappingProposal(mapping=mapping, file="")
    runtime = open_runtime(home, Settings(), HomeModels(home), is_serving=False)
    subject = propose(runtime, OIDC, proposed, by=people[0])
    approve(runtime, OIDC, subject, by=people[1])
    runtime.close()


def answer_queue(client: Client, posts: Mapping[str, Any]) -> tuple[str, str]:
    """Let officers answer for part of the busiest post's queue; return it and a decision of it.

    Outcomes are drawn by a fixed seed: they say nothing about any model.
    """
    queues = {post: client.get(Queue, f"/v1/posts/{post}/queue").waiting for post in posts}
    post = max(queues, key=lambda code: len(queues[code]))
    waiting = [one for one in queues[post] if isinstance(one, SupervisorView)]
    roster = {"minutes": MINUTES, "teams": TEAMS}
    client.call(Acknowledged, "PUT", f"/v1/posts/{post}/roster", roster)
    rng = random.Random(7)
    for one in waiting[1 : len(waiting) // 2 + 1]:
        with suppress(RefusedError):  # a home that was pictured before
            client.post(AcknowledgedAct, "/v1/inspections", _act(one, rng))
    green = client.get(Decisions, "/v1/decisions", post=post, channel="green", limit=1)
    for one in green.decisions:
        fields = {"verdict": "override", "channel": "red", "reason_code": "officer_observation"}
        fields |= {"reason": "Fresh paint under the trailer."}
        client.post(Acknowledged, f"/v1/decisions/{one.decision_id}/reviews", fields)
    ahead = {"post": post, "valid_until": _days_ahead(60)}
    with suppress(RefusedError):
        client.post(AcknowledgedProfile, "/v1/profiles", PROFILE | ahead)
    with suppress(RefusedError):
        entry = ENTRY | {"source_post": post, "expiry": _days_ahead(30)}
        client.post(AcknowledgedStep, "/v1/watchlist", entry)
    now = client.get(Queue, f"/v1/posts/{post}/queue").waiting
    left = [one for one in now if isinstance(one, SupervisorView)]
    red = [one for one in left if one.channel == "red"] or left or waiting
    return post, max(red, key=lambda one: _count_known(client, one.decision_id)).decision_id


def open_case(client: Client, post: str) -> str:
    """Open a case by hand, with its first steps; return its number."""
    opening: dict[str, Any] = {
        "post": post,
        "summary": "SYNTHETIC: hashish behind magnets under the trailer.",
    }
    opening |= {"substance_class": "narcotic", "quantity_g": 2000.0}
    case = client.post(AcknowledgedCase, "/v1/cases", opening).case_id
    for event in (
        {"kind": "stop", "place": "kilometre 12"},
        {"kind": "sample", "sample": "S-1", "quantity_g": 5.0},
    ):
        client.post(AcknowledgedCase, f"/v1/cases/{case}/events", {"event": event})
    return case


def _days_ahead(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def _act(one: SupervisorView, rng: random.Random) -> dict[str, Any]:
    outcome = rng.choices(("clear", "discrepancy", "seizure"), (8, 2, 1))[0]
    is_red = one.channel == "red"
    return {
        "inspection_id": f"picture-{one.decision_id}",
        "crossing_id": one.crossing_id,
        "recorded_at": datetime.now(UTC).isoformat(),
        "methods": ["physical", "canine"] if is_red else ["documents", "xray"],
        "minutes": rng.randint(25, 70) if is_red else rng.randint(8, 25),
        "outcome": outcome,
        "places_searched": [step.place for step in one.search_order if step.place][:3],
    }


def _count_known(client: Client, decision_id: str) -> int:
    """Return how much is known of a decision's vehicle and parties."""
    past = client.get(PastView, f"/v1/decisions/{decision_id}/past")
    events = sum(len(one.events) for one in past.entities)
    return len(past.entities) * 100 + events + sum(len(tie.fellows) for tie in past.ties)


def shots(post: str, decision: str, link: str, case: str) -> Iterator[Shot]:
    """Yield what is pictured: the pages of every role's menu, and those behind them."""
    yield Shot("login", "", "/login")
    yield Shot("notifications", "olim", "/notifications")  # malika began what waits
    seen: set[str] = {"/notifications"}
    for who, role in PEOPLE.items():
        for pattern in SECTIONS:
            if pattern not in seen and (pattern == "/" or role in MAY[json_route("GET", pattern)]):
                seen.add(pattern)
                name = re.sub(r"[^a-z]+", "-", pattern.replace("{post}", "")).strip("-")
                yield Shot(name.removeprefix("posts-") or "posts", who, _at(pattern, post))
    queue = f"/posts/{post}/queue"
    yield Shot("queue-night", "malika", queue, scheme="dark")
    yield Shot("queue-phone", "malika", queue, width=390)
    yield Shot("decision", "malika", f"/decisions/{decision}")
    yield Shot("decision-tajik", "malika", f"/decisions/{decision}", language="tg")
    yield Shot("case", "malika", f"/cases/{case}")
    yield Shot("account", "malika", "/account")
    yield Shot("profile", "malika", f"/profiles/{PROFILE['code']}")
    yield Shot("profile-editor", "zafar", "/profiles/new")
    yield Shot("record", "nodira", "/journal/1")
    yield Shot("link", "nodira", f"/links/{link}")


def at_every_width(pictured: Iterable[Shot]) -> Iterator[Shot]:
    """Yield each picture, and each page that is pictured as it comes at the other widths too."""
    for shot in pictured:
        yield shot
        if shot == Shot(shot.name, shot.who, shot.path):
            for folder, width in WIDTHS.items():
                yield replace(shot, width=width, folder=folder)


def _at(pattern: str, post: str) -> str:
    return pattern.replace("{post}", post)


def take(out: Path, address: str, passwords: Mapping[str, str], wanted: Sequence[Shot]) -> None:
    """Open each page as its reader and keep a small picture of it."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for who in dict.fromkeys(shot.who for shot in wanted):
            with browser.new_context(base_url=address) as context:
                page = context.new_page()
                name = next((known for known in passwords if known.startswith(who)), "")
                if who:
                    _sign_in(page, name, passwords[name])
                for shot in (one for one in wanted if one.who == who):
                    _picture(page, shot, out / shot.folder / f"{shot.name}.png")
        browser.close()


def _sign_in(page: Page, name: str, password: str) -> None:
    page.goto("/login")
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/login" not in url)


def _picture(page: Page, shot: Shot, path: Path) -> None:
    page.goto(f"/language/{shot.language}?back=/login")
    page.set_viewport_size({"width": shot.width, "height": 800})
    page.emulate_media(color_scheme=shot.scheme)  # type: ignore[arg-type]
    page.goto(shot.path)
    tall = min(page.evaluate(HEIGHT), TALLEST)
    clip: Any = {"x": 0, "y": 0, "width": shot.width, "height": tall}
    taken = page.screenshot(full_page=True, clip=clip)
    drawn = Image.open(BytesIO(taken)).convert("RGB")
    if shot.folder:
        drawn = drawn.reduce(SMALLER)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
