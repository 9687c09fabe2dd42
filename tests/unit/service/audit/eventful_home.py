"""A small home in which everything has happened once that a projection keeps."""

import atexit
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any
from unittest.mock import patch

import pytest

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.links.exchanges import list_handlers
from api.proposals.matters import Approval
from api.service.settings import Settings
from api.webhooks.steps import WebhookRequest
from engine.analysis.area import JOB_ASKED, JOB_ENDED, QUERY_RUN, JobEndedBody, QueryBody
from engine.criteria.dual_control import (
    draft_approval,
    draft_backtest,
    draft_proposal,
    draft_suspension,
    read_approval_state,
)
from engine.domain.rights import Role
from engine.domain.time_units import DAY, SystemClock
from engine.events.webhooks import project_events
from engine.journal.entries import Draft
from engine.journal.idempotency import claim
from engine.journal.journal import Journal
from engine.journal.kinds import MODEL_APPROVED, MODEL_REGISTERED, MODEL_SHADOWED
from engine.links.envelope import Position
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.links.ledger import list_waiting
from engine.links.messages import Attention, Manifest, Withdraw
from engine.links.outbox import OutgoingMessage
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.integration.service.links.post_and_centre import (
    Installation,
    agree,
    open_installation,
    sync,
)
from tests.support.backtest_figures import FIGURES
from tests.support.people import at_desk, person, send
from tests.support.running_service import (
    OTHER,
    POST,
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)
from tests.unit.engine.cases.sample_photographs import write_png
from tests.unit.engine.links.links import REQUEST, LinkSides, attention_body, manifest_body

ENTRIES = 30
WATCHED = ("01A0005BC", "01A0003BC", "01A0009BC")
"""Plates on the watch list, always red; whether any other vehicle is red is chance."""


def live(world: World) -> None:
    """Let decisions, acts, reviews, profiles, the watch list, people and models leave records."""
    webhook = world.post("/v1/webhooks", WebhookRequest.EXAMPLE, Role.ADMINISTRATOR)
    assert webhook.status_code == 201, webhook.text
    _two_people_approve(world)
    _trade_is_known(world)
    decided = [
        world.decide(arrival(number, trailer_plate=f"T{number}")).json()
        for number in range(1, ENTRIES + 1)
    ]
    world.runtime.profiles.flush(SystemClock().now())
    post_works(world, decided)
    _documents_are_asked(world, decided)
    _traders_complain(world, decided)
    _other_side_reports(world, decided)
    _people_come_and_go(world)
    _models_are_registered(world)
    _partner_sends(world)
    _declarations_come_ahead(world)
    _circular_is_read(world)
    _node_sends(world)
    _case_goes_on(world)
    _analysts_work(world)


def _case_goes_on(world: World) -> None:
    """Open a case from the find, assign it, and pass on what was found with two people."""
    by = person(world, Role.SUPERVISOR)
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.create_user("receives", Role.SUPERVISOR, agency="interior")
    opening = {"seizure_id": "find-1", "summary": "a find in the tank", "handling": ["H1"]}
    case_id = send(world, "/v1/cases", opening, by).json()["case_id"]
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    events: list[dict[str, Any]] = [
        {"kind": "assignment", "owner": "ada", "deadline": until},
        {"kind": "controlled_delivery", "route_countries": ["TJ"], "until": until},
        {"kind": "custody", "to_agency": "interior", "item": "all"},
    ]
    for event in events:
        answer = send(world, f"/v1/cases/{case_id}/events", {"event": event}, by)
        assert answer.status_code == 201, answer.text


def _circular_is_read(world: World) -> None:
    """Write two circulars with a picture; one is read, and one ends."""
    by, until = person(world, Role.SUPERVISOR), datetime.now(UTC) + timedelta(days=30)
    said = {"title": "Lamps", "text": "Look behind them.", "until": until.isoformat()}
    for number in range(2):
        circular = send(world, "/v1/circulars", said | {"posts": [POST]}, by).json()["circular_id"]
        path = f"/v1/circulars/{circular}"
        sent = world.client.post(f"{path}/files", content=write_png("L"), headers=by)
        assert sent.status_code == 201, sent.text
        assert send(world, f"{path}/readings", {}, by).status_code == 201
        if number:
            assert send(world, f"{path}/ends", {"reason": "changed"}, by).status_code == 201


def _analysts_work(world: World) -> None:
    """Ask a query, end a job, and approve a load that ends at once: no process runs here."""
    query: QueryBody = {
        "by": "ann",
        "role": "analyst",
        "purpose": "a test",
        "statement": "SELECT 1",
    }
    ended: JobEndedBody = {"outcome": "done", "result": {}}
    asked: Any = {"claim": claim("job", Approval(), post="", name="job:check-1").as_dict()}
    asked |= {"by": "ann", "options": {"format": "contract", "files": 1}}
    journal = world.runtime.journal
    journal.append(
        [
            QUERY_RUN.draft("ann", {**query, "rows": 1, "digest": "0" * 64}),
            JOB_ASKED.draft("check-1", asked),
            JOB_ENDED.draft("check-1", ended),
            draft_proposal("load", "load-1", by="ann", content={"file": "check-1"}),
        ]
    )
    with world.runtime.store.read() as connection:
        state = read_approval_state(connection, "load", "load-1")
    journal.append([draft_approval("load", state, by="bob"), JOB_ENDED.draft("load-1", ended)])


def watch(world: World, plates: Iterable[str] = WATCHED) -> str:
    """Put plates on the watch list, and return the last entry."""
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    entry = ""
    for plate in plates:
        body = {"plate": plate, "reason": "tip-off", "expiry": until}
        entry = send(world, "/v1/watchlist", body, ann).json()["id"]
        assert send(world, f"/v1/watchlist/{entry}/approvals", {}, bob).status_code == 201
    return entry


def _two_people_approve(world: World) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    entry = watch(world, [*WATCHED, "01A0007BC"])
    path = f"/v1/watchlist/{entry}/retirements"
    left = send(world, path, {"reason": "expired tip"}, bob)
    assert left.status_code == 201, left.text
    listed = {"list": "Spring", "owner": "office", "reason": "tip-off", "expiry": until}
    listed |= {"kind": "plate", "lines": "01B0001CD\n01B0002CD\n"}
    first = send(world, "/v1/watchlist/lists", listed, ann).json()["id"]
    assert send(world, f"/v1/watchlist/{first}/approvals", {}, bob).status_code == 201
    renewal = {"expiry": until}
    second = send(world, f"/v1/watchlist/{first}/renewals", renewal, ann).json()["id"]
    assert send(world, f"/v1/watchlist/{second}/approvals", {}, bob).status_code == 201
    review = {"kind": "list", "code": "Spring", "owner": "office", "threat": "tanks"}
    review |= {"reason": "it finds", "review_by": until}
    assert send(world, "/v1/register/reviews", review, ann).status_code == 201
    profile = {"code": "P-1", "channel": "red", "valid_until": until}
    profile["expression"] = "crossing.weighed_mass_kg > 8800.0"
    assert send(world, "/v1/profiles", profile, ann).status_code == 201
    figures = draft_backtest("profile", "P-1", by="ann", state="proposed", figures=FIGURES)
    world.runtime.writer.submit(figures).result()
    assert send(world, "/v1/profiles/P-1/approvals", {}, bob).status_code == 201


def _trade_is_known(world: World) -> None:
    """Put two entries of known lawful trade into force, and suspend one of them."""
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    entry = ""
    for plate in ("01A0092BC", "01A0099BC"):
        body = {"plate": plate, "reason": "audited", "expiry": until}
        made = send(world, "/v1/known-lawful", body, ann).json()
        entry = made["id"]
        path = f"/v1/proposals/{made['receipt']['sequence']}/approvals"
        assert send(world, path, {}, bob).status_code == 201
    with world.runtime.store.read() as connection:
        state = read_approval_state(connection, "known_lawful", entry)
    world.runtime.writer.submit(draft_suspension("known_lawful", state, {"loads": 1})).result()


def _documents_are_asked(world: World, decided: list[Any]) -> None:
    """Ask for documents on two vehicles; of one they come."""
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    for number in (6, 7):
        body = {
            "inspection_id": f"ask-{number}",
            "crossing_id": decided[number]["crossing_id"],
            "outcome": "documents_asked",
            "documents": ["N851"],
            "due_at": until,
        }
        asked = world.post("/v1/inspections", body)
        assert asked.status_code == 201, asked.text
    path = f"/v1/documents-asked/{asked.json()['receipt']['sequence']}/answers"
    assert world.post(path, {"documents": ["N851"]}).status_code == 201


def _traders_complain(world: World, decided: list[Any]) -> None:
    """File two complaints; another person answers one."""
    by, second = person(world, Role.SUPERVISOR), person(world, Role.SUPERVISOR)
    for number in (5, 8):
        body = {"decision_id": decided[number]["decision_id"], "ground": "delay", "text": "a night"}
        filed = send(world, "/v1/complaints", body, by)
        assert filed.status_code == 201, filed.text
    path = f"/v1/complaints/{filed.json()['id']}/answers"
    given = {"verdict": "upheld", "text": "the scanner was down"}
    assert send(world, path, given, second).status_code == 201


def post_works(world: World, decided: list[Any]) -> None:
    red = [one for one in decided if one["channel"] == "red"]
    red.sort(key=lambda one: one["crossing_id"] != "c-5")  # on the watch list: always red
    inspection = {
        "inspection_id": "act-1",
        "crossing_id": red[0]["crossing_id"],
        "started_at": datetime.now(UTC).isoformat(),
        "recorded_at": datetime.now(UTC).isoformat(),
        "methods": ["physical"],
        "minutes": 40,
        "places_searched": ["cab.bunk", "fuel.tank"],
        "outcome": "seizure",
        "discrepancy_kinds": ["undeclared", "value"],
        "duty_assessed": 1_250_000.0,
        "currency": "UZS",
    }
    answer = world.post("/v1/inspections", inspection)
    assert answer.status_code == 201, answer.text
    leaves, takes_over = (person(world, Role.SUPERVISOR) for _ in range(2))
    path = f"/v1/posts/{POST}/handovers"
    first = send(world, path, {"note": "Lane 2 is closed."}, leaves)
    assert first.status_code == 201, first.text
    second = send(world, f"{path}/{first.json()['sequence']}/signatures", {}, takes_over)
    assert second.status_code == 201, second.text
    seizure = {
        "seizure_id": "find-1",
        "inspection_id": "act-1",
        "crossing_id": red[0]["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
        "substance": "heroin",
        "quantity_g": 2300.0,
        "place": "fuel.tank",
    }
    answer = world.post("/v1/seizures", seizure)
    assert answer.status_code == 201, answer.text
    second = seizure | {"seizure_id": "find-3", "substance_class": "other", "substance": None}
    second |= {"goods_class": "tobacco", "amount": 4000.0, "unit": "pieces", "quantity_g": None}
    assert world.post("/v1/seizures", second).status_code == 201
    again: dict[str, Any] = {"outcome": "seizure", "methods": ["canine", "physical"]}
    again |= {"minutes": 45.0, "duty_assessed": 1_300_000.0, "currency": "UZS"}
    path = "/v1/inspections/act-1/corrections"
    answer = world.post(path, again | {"places_searched": ["fuel.tank"], "reason": "misread"})
    assert answer.status_code == 201, answer.text
    again = {"substance_class": "narcotic", "quantity_g": 2350.0, "reason": "weighed again"}
    assert world.post("/v1/seizures/find-1/corrections", again).status_code == 201
    less = {"amount": 2200.0, "unit": "g", "reason": "weighed without the bag"}
    asked = world.post("/v1/inspections/act-1/correction-requests", less)
    assert asked.status_code == 201, asked.text
    path = f"/v1/crossings/{red[1]['crossing_id']}"
    Accounts(world.runtime.store, world.runtime.network).create_user("at-gate", Role.SUPERVISOR)
    for step, body in (("assignments", {"to": "at-gate"}), ("returns", None)):
        assert world.post(f"{path}/{step}", body, Role.SUPERVISOR).status_code == 201
    for step in ("takings", "returns", "takings"):
        assert world.post(f"{path}/{step}?team=t-1", None).status_code == 201
    sent = world.client.post(f"{path}/files", content=write_png("L"), headers=world.headers())
    assert sent.status_code == 201, sent.text
    seen = {"seen": "look_here", "x": 0.5, "y": 0.5}
    marked = world.post(f"{path}/files/{sent.json()['sequence']}/marks", seen)
    assert marked.status_code == 201, marked.text
    left = world.post(f"/v1/crossings/{red[1]['crossing_id']}/release", {})
    assert left.status_code == 201, left.text
    review = {"verdict": "override", "channel": "yellow", "reason_code": "other", "reason": "seen"}
    path = f"/v1/decisions/{red[2]['decision_id']}/reviews"
    assert world.post(path, review, Role.SUPERVISOR).status_code == 201
    reasons = world.get(f"/v1/decisions/{red[2]['decision_id']}", Role.SUPERVISOR).json()["reasons"]
    said = {"code": reasons[0]["code"], "verdict": "wrong"}
    path = f"/v1/decisions/{red[2]['decision_id']}/reason-verdicts"
    assert world.post(path, said, Role.SUPERVISOR).status_code == 201
    roster = {"minutes": {"physical": 5000.0, "documents": 900.0}, "teams": ["t-1", "t-2"]}
    answer = world.client.put(
        f"/v1/posts/{POST}/roster", json=roster, headers=world.headers(Role.SUPERVISOR)
    )
    assert answer.status_code == 201


def _other_side_reports(world: World, decided: list[Any]) -> None:
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, decided[4]["receipt"]["sequence"])
    ours = body["arrival"]["crossing"]
    left = {
        "crossing_id": "x-1",
        "post": OTHER,
        "direction": "exit",
        "arrived_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "vehicle_class": ours["vehicle_class"],
        "plate": ours["plate"],
        "weighed_mass_kg": 3 * ours["weighed_mass_kg"],
    }
    headers = {"Authorization": f"Bearer {world.other}"}
    assert world.client.post("/v1/crossings", json=left, headers=headers).status_code == 201
    seizure = {
        "seizure_id": "find-2",
        "plate": ours["plate"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
    }
    answer = world.client.post("/v1/seizures", json=seizure, headers=headers)
    assert answer.status_code == 201, answer.text


def _people_come_and_go(world: World) -> None:
    accounts = Accounts(world.runtime.store, world.runtime.network)
    for name in ("ada", "ben", "cam"):
        at_desk(world, name)
    person(world, Role.SUPERVISOR, owner="ada")
    at_desk(world, "dee").send("/", "/logout", {})
    accounts.change_password("ben")
    accounts.remove_user("cam")
    pepper = open_pepper(world.home)
    made = accounts.create_key(Role.CHECKPOINT, POST, pepper=pepper)
    accounts.revoke_key(made.name)
    first, second = person(world, Role.ADMINISTRATOR), person(world, Role.ADMINISTRATOR)
    for body in (
        {"grant": "person", "name": "eve", "role": "analyst"},
        {"grant": "role", "name": "ben", "role": "supervisor", "post": POST},
        {"grant": "person", "name": "fay", "role": "analyst"},
    ):
        asked = {"matter": "account", "content": body}
        made = send(world, "/v1/proposals", asked, first).json()
        step = f"/v1/proposals/{made['receipt']['sequence']}/approvals"
        if body["name"] == "fay":
            step = f"/v1/people/proposals/{made['id']}/withdrawals"
        done = send(world, step, {}, second)
        assert done.status_code == 201


def _models_are_registered(world: World) -> None:
    journal = Journal(world.runtime.store, [project_events])
    records = [Draft(MODEL_REGISTERED, "m9", "", {"by": "ada", "evaluation": "bb"})]
    records += [Draft(kind, "m9", "", {"by": "ben"}) for kind in (MODEL_SHADOWED, MODEL_APPROVED)]
    journal.append(records)


def _declarations_come_ahead(world: World) -> None:
    """Lodge one that is used and amended, one too late, one cancelled, one that stays expected."""

    def lodge(name: str, plate: str, **more: Any) -> None:
        papers = {"declaration_id": name, "procedure": "import"}
        papers["items"] = [{"item_no": 1, "hs_code": "080620"}]  # type: ignore[assignment]
        body = {"declaration": papers, "post": POST, "vehicles": [{"plate": plate}]} | more
        answer = world.post("/v1/declarations", body, Role.DECLARANT)
        assert answer.status_code == 201, answer.text

    lodge("ahead-1", "01A0091BC")
    lodge("ahead-1", "01A0091BC", direction="entry")
    for number in (91, 92):
        decided = world.decide(arrival(number) | {"declaration": None})
        assert decided.status_code == 201, decided.text
    lodge("ahead-1", "01A0091BC", direction="exit")
    lodge("ahead-2", "01A0092BC")
    lodge("ahead-3", "01A0093BC")
    path = "/v1/declarations/ahead-3/cancellations"
    assert world.post(path, {}, Role.DECLARANT).status_code == 201
    lodge("ahead-4", "01A0005BC")


def _node_sends(world: World) -> None:
    """Take the records of a post's node."""
    with TemporaryDirectory() as folder, patch.dict(os.environ):
        os.environ.pop(DATABASE_VARIABLE, None)  # its store is another one
        for node in open_installation(make_home(Path(folder))):
            centre = Installation(world.home, world.runtime.store)
            agree(node, centre, posts=["UZ-NODE"])
            sync(node, centre)


def _partner_sends(world: World) -> None:
    """Exchange envelopes with a partner; the last one has a number that is taken."""
    sides = LinkSides(tj=open_link_keys(world.home))
    keys, handlers = sides.tj, list_handlers(world.home)
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, keys, handlers)
    link = exchange.propose(sides.agreement, by="ann")
    exchange.approve(link, by="bob")
    manifest = Manifest.model_validate(manifest_body(post="TJ-FOT", plate="01A0005BC"))
    attention = Attention.model_validate(
        attention_body(SystemClock().now()) | {"value": "01A9999BC"}, strict=False
    )
    sent, _, withdrawn = exchange.send(
        link,
        [
            OutgoingMessage(manifest),
            OutgoingMessage(attention),
            OutgoingMessage(Withdraw(attention=REQUEST)),
        ],
    )
    later = SystemClock().now() + DAY
    first = sides.seal(manifest_body(plate="01A0005BC"), expires=later)
    refused = sides.seal(
        manifest_body(colour="red"), after=Position(1, first.digest), expires=later
    )
    with world.runtime.store.read() as connection:
        rows = list_waiting(connection, link)
    receipts = [sides.receipt(row.number, row.digest, sequence=row.number) for row in rows]
    envelopes = (first.raw.decode(), refused.raw.decode())
    taken = exchange.take_parcel(
        sides.parcel(envelopes, receipts=tuple(receipts), at=withdrawn.known_at + 1)
    )
    assert (taken.new, taken.settled, sent.seq < withdrawn.seq) == (2, 3, True)
    forged = sides.seal(manifest_body(movement="m-x", plate="01A0005BC"), expires=later)
    misdirected = sides.seal({}, receiver="ab" * 32)
    stopped = exchange.take_parcel(
        sides.parcel((misdirected.raw.decode(), forged.raw.decode()), at=0)
    )
    assert stopped.is_stopped
    exchange.propose_resumption(link, by="ann", why="looked into")
    exchange.approve(link, by="bob")
    exchange.end(link, by="ann", why="over")


@contextmanager
def serve(home: Home, keys: Any, other: str) -> Iterator[World]:
    """Serve a home."""
    client, served = open_world(home, FakeModels(), Settings(key_seconds=0.2))
    with client:
        yield World(home, FakeModels(), client, served.state.runtime, keys, other)


@cache
def _eventful() -> tuple[Path, Any, str]:
    """Let everything happen once: it takes longer than most tests."""
    folder = Path(mkdtemp(prefix="darvoza-eventful-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = make_home(folder)
    keys, other = make_keys(home)
    with serve(home, keys, other) as world:
        live(world)
    return folder, keys, other


def copy_eventful(root: Path) -> tuple[Home, Any, str]:
    """Copy a home in which everything has happened, on SQLite, to a folder that is not there."""
    folder, keys, other = _eventful()
    return Home(Path(shutil.copytree(folder, root))), keys, other


@pytest.fixture(scope="module")
def empty_home(
    server_url: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, Any, str]]:
    """Yield a home without records, its keys, and the key of another post."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(DATABASE_VARIABLE, raising=False)
        if server_url:
            patched.setenv(DATABASE_VARIABLE, server_url)
        home = make_home(tmp_path_factory.mktemp("home"))
        yield home, *make_keys(home)


@pytest.fixture(scope="module")
def eventful_home(empty_home: tuple[Home, Any, str]) -> tuple[Home, Any, str]:
    """Return a home in which everything has happened once; on SQLite it is a copy."""
    if os.environ.get(DATABASE_VARIABLE):
        with serve(*empty_home) as world:
            live(world)
        return empty_home
    shutil.rmtree(empty_home[0].root)
    return copy_eventful(empty_home[0].root)


@pytest.fixture(scope="module")
def eventful_world(eventful_home: tuple[Home, Any, str]) -> Iterator[World]:
    """Serve a home in which everything has happened once, on each store."""
    with serve(*eventful_home) as world:
        yield world
