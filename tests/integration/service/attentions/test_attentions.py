"""Requests over HTTP: asked, accepted, put to yellow, confirmed to red, answered; and cases.

The world is ``tj`` at the post OYB; its partner ``uz`` is a store of its own that hands parcels to
the door.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from api.http import middleware
from api.links.worker import LinkWorker
from engine.domain.rights import Role
from engine.domain.time_units import HOUR
from engine.links.agreement import parse_agreement
from engine.links.area import LINK_RECEIVED
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkKeys, open_link_keys
from engine.links.messages import Answer, Attention, CaseOffer, OutcomeReport
from engine.links.outbox import OutgoingMessage
from engine.links.parcel import read_parcel
from engine.links.requests import find_request, open_request, take_step
from tests.support.people import at_desk, person, send
from tests.support.running_service import POST, World
from tests.unit.engine.links.links import partner_content
from tests.unit.engine.links.two_sides import NAME, Side
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.cases.test_cases import open_case
from tests.unit.service.cases.test_cases import person as make_person
from tests.unit.service.reports.test_acts import act
from tests.unit.service.watchlist.test_counterpart import streams
from tests.unit.service.watchlist.test_watchlist import decide_arrival

PATH = "/v1/attentions"


class Partner(Side):
    """The other side, which hands its parcels to the world's door."""

    def exchange_with(self, world: World) -> None:
        """Hand over what waits, take the answer, and sign for it."""
        for _ in range(2):
            path = f"/v1/links/{self.link.name}/parcels"
            answer = world.client.post(path, content=self.parcel(with_receipts=True))
            assert answer.status_code == 200, answer.text
            self.exchange.take_parcel(answer.content)

    def ask(self, world: World, name: str, value: str, **changes: Any) -> str:
        """Ask the world for attention."""
        about: dict[str, Any] = {
            "attention": name,
            "identifier": "plate",
            "value": value,
            "action": "search",
            "answer_by": hours(2),
            "until": hours(48),
            "why": "seen at a warehouse",
            "source": "B",
            "information": "2",
        }
        message = Attention(**(about | changes))
        open_request(self.exchange, NAME, OutgoingMessage(message, ("H2",), by="sarvinoz"))
        self.exchange_with(world)
        return name

    def take(self, world: World, name: str, message: Any) -> None:
        """Take a step of a request."""
        take_step(self.exchange, name, OutgoingMessage(message, by="sarvinoz"))
        self.exchange_with(world)

    def state(self, name: str) -> str:
        """Return the state of a request as the partner reads it."""
        with self.store.read() as connection:
            now = self.exchange.journal.now(connection)
            return find_request(connection, name).state(now)


def hours(count: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=count)


@pytest.fixture(scope="module")
def partner(world: World, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Agree on both sides."""
    file = tmp_path_factory.mktemp("partner") / "uz.sqlite"
    file.write_bytes(sqlite_template.read_bytes())
    partner = Partner(f"sqlite:///{file}", LinkKeys.generate(), "UZ-OYB")
    ours = open_link_keys(world.home)
    content = partner_content(partner.keys.identity, ours.identity)
    agreement = parse_agreement(content | {"pairs": [{"posts": ["UZ-OYB", POST]}]})
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, ours)
    for side in (exchange, partner.exchange):
        side.propose(agreement, by="anna")
        side.approve(NAME, by="boris")
    yield partner
    partner.store.dispose()


def attention_body(**changes: Any) -> dict[str, Any]:
    about = {
        "link": NAME,
        "identifier": "plate",
        "value": "01Z777ZZ",
        "action": "search",
        "answer_by": hours(2).isoformat(),
        "until": hours(24).isoformat(),
        "why": "it left in a hurry",
        "source": "A",
        "information": "1",
        "handling": ["H1"],
    }
    return about | changes


def answer(world: World, name: str, **body: Any) -> Any:
    return world.post(f"{PATH}/{name}/answers", body, Role.SUPERVISOR)


def read(world: World, name: str, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    found = world.get(f"{PATH}/{name}", role)
    assert found.status_code == 200, found.text
    seen: dict[str, Any] = found.json()
    return seen


def test_what_a_partner_asks_is_shown(world: World, partner: Partner) -> None:
    name = partner.ask(world, "a-shown", "01A100AA")
    for role in (Role.SUPERVISOR, Role.COUNTERPART, Role.INTEGRITY):
        seen = read(world, name, role)
        assert (seen["state"], seen["owner"], seen["is_ours"]) == ("open", "us", False)
        assert (seen["partner"], seen["value"], seen["action"]) == ("UZ", "01A100AA", "search")
        assert (seen["source"], seen["information"], seen["handling"]) == ("B", "2", ["H2"])
        assert (seen["why"], seen["notice"]) == ("seen at a warehouse", None)
        listed = world.get(PATH, role).json()["requests"]
        assert seen in listed
    assert is_problem(world.get(PATH, Role.CHECKPOINT), 403)
    assert is_problem(world.get(f"{PATH}/a-none"), 404)


def test_an_accepted_search_is_yellow_and_a_second_key_makes_it_red(
    world: World, partner: Partner
) -> None:
    name = partner.ask(world, "a-search", "01A200AA")
    before = decide_arrival(world, 9_001, plate="01A200AA")
    assert before["basis"] != "counterpart"
    made = answer(world, name, answer="accepted")
    assert (made.status_code, made.json()["state"]) == (201, "accepted")
    partner.exchange_with(world)
    assert partner.state(name) == "accepted"
    one = decide_arrival(world, 9_002, plate="01 a200-AA")
    assert (one["basis"], one["channel"]) in {("counterpart", "yellow"), ("random", "red")}
    assert one["watchlist"]
    own = world.post(f"/v1/watchlist/{name}/approvals", {}, Role.SUPERVISOR)
    assert is_problem(own, 403) or own.status_code == 409  # who accepted is no second person
    second = person(world, Role.SUPERVISOR)
    assert send(world, f"/v1/watchlist/{name}/approvals", {}, second).status_code == 201
    assert read(world, name)["notice"]["channel"] == "red"
    two = decide_arrival(world, 9_003, plate="01A200AA")
    assert two["channel"] == "red"
    assert two["basis"] in ("counterpart", "random")


@pytest.mark.parametrize(
    ("action", "start"), [("papers", 9_110), ("tell", 9_120), ("do_not_stop", 9_130)]
)
def test_what_orders_nothing_sends_no_vehicle_anywhere(
    world: World, partner: Partner, action: str, start: int
) -> None:
    plate = f"01A{start}AA"
    name = partner.ask(world, f"a-{action}", plate, action=action)
    assert answer(world, name, answer="accepted").status_code == 201
    for number in range(start, start + 4):
        one = decide_arrival(world, number, plate=plate)
        assert not one["watchlist"]
        assert one["basis"] != "counterpart"
    assert read(world, name)["notice"] == {
        "state": "in_force",
        "channel": None,
        "confirmed_by": [],
    }


def test_a_partners_request_that_would_order_is_caught(
    world: World, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: every action selects."""
    monkeypatch.setattr("engine.criteria.watchlist.is_selecting", lambda _: True)
    name = partner.ask(world, "a-bug", "01A399AA", action="tell")
    assert answer(world, name, answer="accepted").status_code == 201
    assert decide_arrival(world, 9_030, plate="01A399AA")["watchlist"]


def test_a_supervisor_asks_and_the_outcome_comes_back(world: World, partner: Partner) -> None:
    body = attention_body()
    made = world.post(PATH, body, Role.SUPERVISOR, key="one")
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    again = world.post(PATH, body, Role.SUPERVISOR, key="one")
    assert (again.status_code, again.json()["id"]) == (201, name)
    seen = read(world, name)
    assert (seen["is_ours"], seen["asked_by"], seen["delivery"]) == (
        True,
        "the-supervisor",
        "waiting",
    )
    partner.exchange_with(world)
    assert read(world, name)["delivery"] == "taken"
    partner.take(world, name, Answer(about=name, answer="accepted"))
    assert read(world, name)["state"] == "accepted"
    report = OutcomeReport(
        outcome_of=name,
        post="UZ-OYB",
        recorded_at=hours(0),
        is_searched=True,
        methods=("xray",),
        outcome="seizure",
        substance_class="other",
        goods_class="tobacco",
        quantity_band="up_to_10kg",
    )
    partner.take(world, name, report)
    seen = read(world, name)
    assert (seen["state"], seen["owner"]) == ("answered", None)
    assert seen["outcome"]["goods_class"] == "tobacco"
    page = at_desk(world, "of-classes").get("/attentions").text
    assert "seizure · tobacco" in page.lower()
    assert [one["step"] for one in seen["steps"]] == ["accept", "report"]
    (ours,) = [
        one
        for one in world.get(PATH).json()["counts"]
        if one["is_ours"] and one["kind"] == "attention"
    ]
    assert (ours["searched"], ours["finds"]) == (1, 1)
    assert ours["states"]["answered"] == 1


def test_a_key_without_a_person_sends_nothing(world: World, partner: Partner) -> None:
    name = partner.ask(world, "a-machine", "01A600AA")
    assert is_problem(world.post(PATH, attention_body(), Role.COUNTERPART), 403)
    body = {"answer": "accepted"}
    assert is_problem(world.post(f"{PATH}/{name}/answers", body, Role.COUNTERPART), 403)
    assert is_problem(world.post(PATH, attention_body(), Role.ANALYST), 403)


def test_a_case_changes_hands_once(world: World, partner: Partner) -> None:
    offer = {"link": NAME, "answer_by": hours(2).isoformat(), "summary": "three finds"}
    name = world.post(f"{PATH}/cases", offer, Role.SUPERVISOR).json()["id"]
    assert read(world, name)["owner"] == "us"
    partner.exchange_with(world)
    partner.take(world, name, Answer(about=name, answer="accepted"))
    seen = read(world, name)
    assert (seen["state"], seen["owner"], seen["kind"]) == ("accepted", "them", "case")
    assert is_problem(world.post(f"{PATH}/{name}/withdrawals", {}, Role.SUPERVISOR), 409)
    partner.take(world, name, Answer(about=name, answer="returned", reason="no such firm here"))
    seen = read(world, name)
    assert (seen["state"], seen["owner"]) == ("returned", "us")
    theirs = CaseOffer(case="c-theirs", answer_by=hours(2))
    open_request(partner.exchange, NAME, OutgoingMessage(theirs, by="sarvinoz"))
    partner.exchange_with(world)
    assert answer(world, "c-theirs", answer="accepted").json()["state"] == "accepted"
    assert read(world, "c-theirs")["owner"] == "us"


def exchange(world: World, partner: Partner) -> None:
    """Let the service do what it does each minute, and the partner fetch it."""
    LinkWorker(world.runtime, seconds=0).run_turn()
    partner.exchange_with(world)


def outcome_at(partner: Partner, name: str) -> dict[str, Any]:
    """Return the report that the partner holds."""
    bodies = [one for one in partner.bodies(LINK_RECEIVED) if one["message"] == "outcome"]
    (found,) = [one["body"] for one in bodies if one["body"]["outcome_of"] == name]
    return dict(found)


def send_to_officers(world: World, plate: str, start: int) -> dict[str, Any]:
    """Decide on a vehicle until the notice alone sends it."""
    for number in range(start, start + 20):
        one = decide_arrival(world, number, plate=plate)
        if one["basis"] == "counterpart":
            return one
    raise AssertionError("only random checks in 20")


def check_outcome_of_search(world: World, partner: Partner, name: str, start: int) -> None:
    plate = f"01A{start}BB"
    partner.ask(world, name, plate)
    assert answer(world, name, answer="accepted").status_code == 201
    one = send_to_officers(world, plate, start)
    exchange(world, partner)
    assert partner.state(name) == "accepted"  # it waits: nothing is known yet
    filed = act(start, one["crossing_id"], outcome="seizure", methods=["xray", "physical"])
    assert world.post("/v1/inspections", filed).status_code == 201
    exchange(world, partner)
    assert partner.state(name) == "accepted"  # its find is still to be filed
    seizure = {
        "seizure_id": f"s-{start}",
        "inspection_id": f"i-{start}",
        "crossing_id": one["crossing_id"],
        "recorded_at": hours(0).isoformat(),
        "substance_class": "narcotic",
        "substance": "CANARY-SUBSTANCE",
        "quantity_g": 4_200.0,
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    exchange(world, partner)
    assert partner.state(name) == "answered"
    known = outcome_at(partner, name)
    assert (known["is_searched"], known["outcome"], known["post"]) == (True, "seizure", POST)
    assert (known["substance_class"], known["quantity_band"]) == ("narcotic", "up_to_10kg")
    assert "CANARY" not in str(partner.bodies(LINK_RECEIVED))
    seen = read(world, name)
    assert (seen["state"], seen["notice"]["state"]) == ("answered", "retired")
    assert [(row["step"], row["by"]) for row in seen["steps"]] == [
        ("accept", "the-supervisor"),
        ("report", None),
    ]
    assert not decide_arrival(world, start + 50, plate=plate)["watchlist"]


def test_the_outcome_of_a_search_travels_by_itself(world: World, partner: Partner) -> None:
    before = streams(world)
    check_outcome_of_search(world, partner, "a-found", 9_200)
    assert (streams(world) - before)["counterpart"] == 1


def test_the_page_asks_and_answers(world: World, partner: Partner) -> None:
    name = partner.ask(world, "a-page", "01A700AA")
    desk = at_desk(world, "of-partners")
    shown = desk.get("/attentions").text
    assert "01A700AA" in shown and "seen at a warehouse" in shown and "H2" in shown
    done = desk.send("/attentions", f"/attentions/{name}/answers", {"answer": "accepted"})
    assert (done.status_code, done.headers["location"]) == (303, "/attentions?done=answered")
    assert read(world, name)["state"] == "accepted"
    once = token_hex(12)
    fields = {
        "once": once,
        "link": NAME,
        "action": "scan",
        "identifier": "container_number",
        "value": "MSCU1234567",
        "opened_at": str(int(hours(0).timestamp())),
        "answer_hours": "6",
        "until": f"{hours(72):%Y-%m-%d}",
        "handling": ["H1", "H3"],
    }
    for _ in range(2):  # sent twice, it is one request
        assert desk.send("/attentions", "/attentions", fields).status_code == 303
    listed = world.get(PATH).json()["requests"]
    (found,) = [one for one in listed if one["value"] == "MSCU1234567"]
    assert (found["action"], found["handling"]) == ("scan", ["H1", "H3"])
    gone = desk.send("/attentions", f"/attentions/{found['id']}/withdrawals", {})
    assert gone.status_code == 303
    offer = {"once": token_hex(12), "link": NAME, "answer_hours": "24", "summary": "three finds"}
    old = desk.send("/attentions", "/attentions/cases", offer | {"opened_at": "never"})
    assert old.status_code == 422
    offer["opened_at"] = str(int(hours(0).timestamp()))
    assert desk.send("/attentions", "/attentions/cases", offer).status_code == 303


def test_an_own_case_is_offered_with_the_files_that_may_be_passed_on(
    world: World, partner: Partner
) -> None:
    assert partner.phase == "in_force"
    by = make_person(world, "of-files", None)
    case_id = open_case(world, by)

    def add(content: bytes, **about: str) -> str:
        path, query = f"/v1/cases/{case_id}/files", {"shows": "photograph"} | about
        added = world.client.post(path, params=query, content=content, headers=by)
        assert added.status_code == 201, added.text
        return str(added.json()["digest"])

    free, kept = add(b"two packets", handling="H1"), add(b"from a source", handling="H2")
    body = {"link": NAME, "answer_by": hours(2).isoformat(), "case": case_id, "files": [kept]}
    refused = world.client.post(f"{PATH}/cases", json=body, headers=by)
    assert is_problem(refused, 422)
    assert refused.json()["fields"][0]["rule"] == "not_passed_on"
    desk = at_desk(world, "of-offers")
    assert case_id in desk.get("/attentions").text
    fields = {
        "once": token_hex(12), "link": NAME, "answer_hours": "24", "summary": "with a photograph",
        "opened_at": str(int(hours(0).timestamp())), "case": case_id,
    }  # fmt: skip
    assert desk.send("/attentions", "/attentions/cases", fields).status_code == 303
    (found,) = [
        one for one in world.get(PATH).json()["requests"] if one["summary"] == "with a photograph"
    ]
    assert [(one["digest"], one["is_here"]) for one in found["files"]] == [(free, True)]
    assert found["handling"] == ["H1"]
    path = f"{PATH}/{found['id']}/files"
    given = world.client.get(f"{path}/{free}", headers=by)
    assert (given.status_code, given.content) == (200, b"two packets")
    assert given.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in given.headers["content-security-policy"]
    assert is_problem(world.client.get(f"{path}/{kept}", headers=by), 404)
    assert f"{path}/{free}" in desk.get("/attentions").text


def figures(world: World) -> set[str]:
    """Return the public figures of links and requests, without times that pass."""
    lines = world.client.get("/metrics").text.splitlines()
    left_out = ("#", "darvoza_link_silent", "python_", "process_")
    return {line for line in lines if not line.startswith(left_out)}


def check_public_figures(world: World) -> None:
    world.client.get("/metrics")
    before = {line for line in figures(world) if '"/metrics"' not in line}
    assert world.post(PATH, attention_body(value="01Z779ZZ"), Role.SUPERVISOR).status_code == 201
    assert {line for line in figures(world) if '"/metrics"' not in line} == before


def test_an_outsider_learns_nothing_of_a_request(world: World, partner: Partner) -> None:
    assert partner.phase == "in_force"
    check_public_figures(world)


def test_a_count_of_the_routes_of_requests_is_caught(
    world: World, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: requests are counted as any other."""
    assert partner.phase == "in_force"
    monkeypatch.setattr(middleware, "UNCOUNTED", ("/v1/none",))
    with pytest.raises(AssertionError):
        check_public_figures(world)


def test_a_silent_line_is_seen(world: World, partner: Partner) -> None:
    """A parcel proves that its sender is there from when it names an answer of this side."""

    def read_silence() -> float:
        lines = world.client.get("/metrics").text.splitlines()
        (line,) = [one for one in lines if one.startswith("darvoza_link_silent_seconds")]
        return float(line.split()[1])

    name, expected = partner.link.name, world.runtime.metrics.links_expected
    with world.runtime.store.read() as connection:
        expected[name] = world.runtime.journal.now(connection) - 2 * HOUR
    path = f"/v1/links/{name}/parcels"
    answer = world.client.post(path, content=partner.parcel())
    assert read_silence() >= 7_200
    at = read_parcel(answer.content).at
    honest = replace(partner.exchange.make_parcel(partner.link), heard=at)
    assert world.client.post(path, content=honest.seal(partner.keys)).status_code == 200
    assert read_silence() < 60
    del expected[name]
