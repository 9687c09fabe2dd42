"""The client speaks the whole contract: every route has a call, every answer a type."""

import inspect
import json
import re
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from lxml import etree

from api.auth.permissions import MAY, OPEN
from api.cli.demo import _result
from api.client import Calls, Client, RefusedError
from api.decisions.answers import CheckpointView, SupervisorView
from api.harness.lived_shifts import send_arrival
from api.http.answers import Problem
from api.http.responses import BODIES
from api.service.executors import Backtests
from engine.domain.records import Arrival
from engine.domain.rights import Role
from engine.errors import NotEnoughDataError
from tests.service.extra_callers import person
from tests.service.running_service import POST, World, arrival

SAMPLES = Path(__file__).parents[3] / "docs" / "samples" / "messages"


class Line:
    """Stands in for a connection: asks the service in this process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: Any = None

    def request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        self._found = self._world.client.request(method, path, content=body, headers=headers)

    def getresponse(self) -> "Line":
        return self

    @property
    def status(self) -> int:
        return int(self._found.status_code)

    def read(self) -> bytes:
        return bytes(self._found.content)

    def close(self) -> None:
        """Nothing to close."""


def client(world: World, role: Role, headers: dict[str, str] | None = None) -> Client:
    key = (headers or world.headers(role))["Authorization"].removeprefix("Bearer ")
    made = Client("here", 0, key)
    made._connection = Line(world)  # type: ignore[assignment]
    return made


def ahead() -> str:
    return (datetime.now(UTC) + timedelta(days=9)).isoformat()


def test_the_demonstration_prints_a_queue_as_the_service_answers_it(world: World) -> None:
    with client(world, Role.CHECKPOINT) as desk:
        for number in range(620_000, 620_060):
            desk.decide(arrival(number))
    with client(world, Role.SUPERVISOR) as desk:
        waiting = [one for one in desk.queue(POST).waiting if isinstance(one, SupervisorView)]
    shown = json.loads(json.dumps(_result({POST: waiting}, seconds=1.25, version="m-1")))
    assert shown["synthetic"] and shown["model_version"] == "m-1"
    asked = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    same = ("decision_id", "channel", "rank", "reasons", "search_order", "as_of", "risk")
    for ours, theirs in zip(shown["queues"][POST], asked, strict=True):
        assert [ours[field] for field in same] == [theirs[field] for field in same]
    assert waiting


def test_the_demonstration_outlives_a_connection_that_was_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client(world, Role.CHECKPOINT) as desk:
        line, failed = desk._connection, []

        def broken(*_: Any) -> None:
            failed.append(True)
            monkeypatch.undo()
            raise BrokenPipeError

        monkeypatch.setattr(line, "request", broken)
        send_arrival(desk, arrival(630_001))
        assert failed and desk.decide(arrival(630_002)).post == POST
    asked = world.get("/v1/decisions?limit=2").json()["decisions"]
    assert {one["crossing_id"] for one in asked} == {"c-630001", "c-630002"}


def test_a_checkpoint_reports(world: World) -> None:
    with client(world, Role.CHECKPOINT) as desk:
        body = arrival(610_001)
        decided = desk.decide(body, key="k-1")
        assert not isinstance(decided, SupervisorView)
        assert decided == desk.decide(Arrival.model_validate(body, strict=False), key="k-1")
        rows = desk.decide_batch([arrival(610_002), arrival(610_003, vehicle_class="zeppelin")])
        assert isinstance(rows[0], CheckpointView) and isinstance(rows[1], Problem)
        body["declaration"]["items"][0]["net_mass_kg"] = 5.0
        assert desk.amend(decided.decision_id, body).decision_id != decided.decision_id
        assert desk.record(arrival(610_004, direction="exit")).kind == "crossing"
        act = {"inspection_id": "i-61", "crossing_id": decided.crossing_id, "outcome": "seizure"}
        at = {"recorded_at": datetime.now(UTC).isoformat()}
        assert desk.inspect(act | at, team="night 1").receipt.sequence > decided.receipt.sequence
        found = {"seizure_id": "s-61", "inspection_id": "i-61", "substance_class": "other"}
        assert desk.seize(found | at | {"crossing_id": decided.crossing_id}).kind == "seizure"
        assert desk.release(decided.crossing_id).id == decided.crossing_id
        assert desk.queue(POST).post == POST
        assert desk.ready().ready


def test_supervisors_and_analysts_read_and_judge(world: World) -> None:
    decided = world.decide(arrival(610_010)).json()["decision_id"]
    with client(world, Role.SUPERVISOR) as desk:
        assert isinstance(desk.decision(decided), SupervisorView)
        assert desk.decisions(post=POST, limit=1).decisions[0].post == POST
        assert desk.features(decided).decision_id == decided
        assert desk.explanation(decided).reasons
        assert desk.past(decided).decision_id == decided
        assert desk.review(decided, BODIES["Review"]).kind == "review"
        assert desk.put_roster(POST, {"minutes": {"physical": 600.0}}, key="r-1").id == POST
        assert desk.roster(POST).channels
        assert desk.shift(POST).post == POST
        assert desk.models().models == []
        with pytest.raises(RefusedError) as refused:
            desk.approve_model("none")
        assert refused.value.status == 404 and refused.value.problem["title"] == "NoModel"
        assert desk.rules_only("as a test").in_force is None


def test_an_integrity_officer_reads(world: World) -> None:
    with client(world, Role.INTEGRITY) as desk:
        assert desk.shift(POST).post == POST
        assert desk.integrity(POST, days=7).days == 7


@pytest.fixture
def _no_backtest(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise NotEnoughDataError("the backtest", "there is no history")

    monkeypatch.setattr(Backtests, "run", none)


@pytest.mark.usefixtures("_no_backtest")
def test_profiles_and_the_watch_list_take_two_people(world: World) -> None:
    first, second = (person(world, Role.SUPERVISOR) for _ in range(2))
    with (
        client(world, Role.SUPERVISOR, first) as one,
        client(world, Role.SUPERVISOR, second) as two,
    ):
        profile = BODIES["ProfileProposal"] | {"code": "CLIENT-1", "valid_until": ahead()}
        made = one.propose_profile(profile, key="p-1")
        entry = one.propose_entry(BODIES["WatchEntry"] | {"expiry": ahead()})
        assert one.notice(BODIES["Notice"] | {"expiry": ahead()}).is_notice
        calls: list[Callable[[], object]] = [
            lambda: one.try_profile(BODIES["BacktestAsked"]),
            lambda: one.backtest_profile(made.id),
            lambda: one.approve("profiles", made.id),
        ]
        for call in calls:
            with pytest.raises(RefusedError):
                call()
        assert two.approve("watchlist", entry.id).state == "in_force"
        assert one.retire("watchlist", entry.id, reason="left").state == "in_force"
        assert one.profile(made.id).code == "CLIENT-1"
        assert made.id in [known.code for known in one.profiles().profiles]
        assert one.entry(entry.id).id == entry.id and one.watchlist().entries
        assert one.retire("profiles", made.id, reason="of no use").id == made.id


def test_an_administrator_keeps_webhooks(world: World) -> None:
    with client(world, Role.ADMINISTRATOR) as admin:
        made = admin.register_webhook(BODIES["WebhookRequest"], key="hook-1")
        rotated = admin.rotate_webhook(made.webhook_id, overlap_hours=2)
        assert rotated.secret.startswith("whsec_") and rotated.secret != made.secret
        assert admin.resend_events(made.webhook_id).webhook_id == made.webhook_id
        admin.end_webhook(made.webhook_id)
        assert admin.webhook(made.webhook_id).state == "ended"
        assert made.webhook_id in [one.webhook_id for one in admin.webhooks().webhooks]


def test_two_administrators_keep_accounts(world: World) -> None:
    other = person(world, Role.ADMINISTRATOR)
    with client(world, Role.ADMINISTRATOR) as one, client(world, Role.ADMINISTRATOR, other) as two:
        made = one.propose_account({"grant": "person", "name": "invited", "role": "analyst"})
        with pytest.raises(RefusedError):
            one.approve_account(made.id)
        assert two.approve_account(made.id).code not in (None, made.code)
        assert one.withdraw_account(made.id).kind == "account_withdrawn"
        found = two.people()
        assert made.id in [proposal.proposal for proposal in found.proposals]
        assert one.remove_account({"key_id": found.keys[0].key_id}).kind == "key_revoked"


class Deaf:
    """Stands in for a connection that notes what is asked, and answers nothing."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()

    def request(self, method: str, path: str, *_: object) -> None:
        self.asked.add((method, path.partition("?")[0]))
        raise ConnectionError


def test_every_route_has_a_call() -> None:
    deaf, made = Deaf(), Client("here", 0, "dz_none")
    made._connection = deaf  # type: ignore[assignment]
    calls = [
        one
        for name, one in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name not in vars(Calls)
    ]
    for call in calls:
        names = [
            name
            for name, parameter in inspect.signature(call).parameters.items()
            if parameter.default is parameter.empty and name not in ("self", "matter")
        ]
        for matter in ("profiles", "watchlist"):
            bodies: dict[str, Any] = {"arrivals": [], "document": b"", "crossing": {}}
            given = {name: bodies.get(name, f"{{{name}}}") for name in names}
            if "matter" in inspect.signature(call).parameters:
                given["matter"] = matter
            if call is Client.decisions:
                given = {}
            with pytest.raises(ConnectionError):
                call(made, **given)
    asked = {(verb, unquote(path)) for verb, path in deaf.asked}
    routes = {(verb, re.sub(r"{\w+}", "{}", path)) for verb, path in {*MAY, *OPEN}}
    known = {(verb, re.sub(r"{\w+}", "{}", path)) for verb, path in asked}
    no_calls = {("GET", "/healthz"), ("GET", "/metrics"), ("POST", "/v1/links/{}/parcels")}
    assert known == routes - no_calls


def test_a_standard_message_is_decided_and_answered_in_kind(world: World) -> None:
    document = (SAMPLES / "wco.xml").read_bytes()
    crossing: dict[str, object] = {
        "crossing_id": "client-m-1",
        "post": POST,
        "direction": "entry",
        "arrived_at": "2026-10-14T06:55:00Z",
        "vehicle_class": "truck",
        "seal_numbers": ["KZ7781", "KZ7782"],
    }
    with client(world, Role.CHECKPOINT) as desk:
        decision = desk.decide_message(document, crossing)
        response = etree.fromstring(desk.answer_message(document, crossing))
        assert response.findtext("{*}FunctionalReferenceID") == decision.decision_id
        other = crossing | {"crossing_id": "client-m-2"}
        receipt = etree.fromstring(desk.answer_message(document, other, to="crossings"))
        assert receipt.findtext("{*}FunctionCode") == "02"
        rejected = etree.fromstring(desk.answer_message(b"<ASYCUDA>", crossing))
        assert rejected.findtext("{*}FunctionCode") == "03"
        note = (SAMPLES / "ecmr.json").read_bytes()
        noted = desk.decide_message(note, crossing | {"crossing_id": "client-m-3"})
        assert noted.decision_id != decision.decision_id
        with pytest.raises(RefusedError, match="415"):
            desk.decide_message(b"<html/>", crossing)
    with client(world, Role.COUNTERPART) as desk, pytest.raises(RefusedError, match="403"):
        desk.answer_message(document, crossing)


def answer_and_end(server: socket.socket) -> None:
    """Answer one request on each connection, keep it alive, and end it all the same."""
    with suppress(OSError):
        while True:
            with server.accept()[0] as line:
                line.recv(65_536)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull")


def test_a_connection_that_the_service_ended_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer_and_end, args=(server,), daemon=True)
        answering.start()
        with Client("127.0.0.1", server.getsockname()[1], "k") as calls:
            for _ in range(3):
                assert calls.call("GET", "/").status == 200
                select.select([calls._connection.sock], [], [], 30)
            # Negative control: without the look at it, the next request gets no answer.
            monkeypatch.setattr(Client, "_leave_ended", lambda _: None)
            with pytest.raises(ConnectionError):
                calls.call("GET", "/")
        server.shutdown(socket.SHUT_RDWR)
        answering.join(60)  # else it may accept where another server gets the same number
