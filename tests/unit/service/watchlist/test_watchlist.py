"""The watch list: entries by two people, their preview, and what became of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.criteria.watchlist import AcknowledgedNotice, WatchEntryView, WatchList
from api.http.answers import AcknowledgedStep
from engine.criteria.watchlist import WatchEntry
from engine.domain.rights import Role
from tests.support.clocks import travel
from tests.support.people import at_desk, person, send
from tests.support.running_service import World, arrival
from tests.unit.service.decisions.test_decisions import amend
from tests.unit.service.reports.test_acts import act

People = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def people(world: World) -> People:
    return {
        "ann": person(world, Role.ANALYST),
        "bob": person(world, Role.SUPERVISOR),
        "cem": person(world, Role.SUPERVISOR),
    }


def ahead(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def decide_arrival(world: World, number: int, **crossing: Any) -> dict[str, Any]:
    answer = world.decide(arrival(number, **crossing))
    seen: dict[str, Any] = world.get(f"/v1/decisions/{answer.json()['decision_id']}").json()
    return seen


def propose_entry(world: World, people: People, **entry: Any) -> str:
    body = {"reason": "tip-off", "expiry": ahead(60)} | entry
    answer = send(world, "/v1/watchlist", body, people["ann"])
    assert answer.status_code == 201, answer.text
    TypeAdapter(AcknowledgedStep).validate_python(answer.json())
    found: str = answer.json()["id"]
    return found


def list_entry(world: World, people: People, **entry: Any) -> str:
    entry_id = propose_entry(world, people, **entry)
    path = f"/v1/watchlist/{entry_id}/approvals"
    assert send(world, path, {}, people["bob"]).json()["state"] == "in_force"
    return entry_id


def test_an_entry_sends_to_red_once_a_second_person_agreed(world: World, people: People) -> None:
    entry_id = propose_entry(world, people, plate="01 А 777 ВС")
    before = decide_arrival(world, 8001, plate="01a777bc")
    assert before["watchlist"] is False
    send(world, f"/v1/watchlist/{entry_id}/approvals", {}, people["bob"])
    after = decide_arrival(world, 8002, plate="01a-777 bc")
    assert (after["watchlist"], after["channel"], after["propensity"]) == (True, "red", 1.0)
    assert after["basis"] in ("watchlist", "random")
    found = world.get(f"/v1/watchlist/{entry_id}").json()
    TypeAdapter(WatchEntryView).validate_python(found)
    assert found["names"] == {"plate": "01 А 777 ВС"} and found["channel"] == "red"
    TypeAdapter(WatchList).validate_python(world.get("/v1/watchlist", Role.ANALYST).json())


NAMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "trailer": ({"trailer": "TR 900"}, {"trailer_plate": "tr-900"}),
    "vin": ({"vin": "WDB9634031L000001"}, {"vin": "wdb9634031l000001"}),
    "container": ({"container": "MSKU 901234 5"}, {"container_numbers": ["X", "msku9012345"]}),
    "carrier": ({"carrier": "carrier-9"}, {"carrier_id": "carrier-9"}),
    "a party, whichever it is": ({"party": "party-9"}, {"carrier_id": "party-9"}),
    "driver": ({"driver_ref": "driver-9"}, {"driver_ref": "driver-9"}),
    "a plate by its shape": ({"plate": "80 B 0I1", "look_alikes": True}, {"plate": "8O8 011"}),
    "any of two": ({"plate": "NOBODY 1", "trailer": "TR 901"}, {"trailer_plate": "TR901"}),
}


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_found_by_what_it_names(world: World, people: People, name: str) -> None:
    entry, crossing = NAMES[name]
    number = 8100 + 2 * list(NAMES).index(name)
    assert decide_arrival(world, number, **crossing)["watchlist"] is False
    list_entry(world, people, **entry)
    assert decide_arrival(world, number + 1, **crossing)["watchlist"] is True


def test_parties_of_a_declaration_are_found(world: World, people: People) -> None:
    list_entry(world, people, party="importer-9")
    body = arrival(8201)
    body["declaration"]["consignee_id"] = "importer-9"
    answer = world.decide(body).json()
    assert world.get(f"/v1/decisions/{answer['decision_id']}").json()["watchlist"] is True
    other = decide_arrival(world, 8202, plate="importer-9")
    assert other["watchlist"] is False


def test_without_its_shape_a_plate_must_be_the_same(world: World, people: People) -> None:
    list_entry(world, people, plate="OOO 111")
    assert decide_arrival(world, 8211, plate="000 III")["watchlist"] is False


def test_an_entry_is_shareable_where_two_people_agreed_to_that(
    world: World, people: People
) -> None:
    """The mark is part of what the second person approves; an entry without it keeps its text."""
    plain, marked = (
        list_entry(world, people, plate=plate, **mark)
        for plate, mark in (("05 E 001", {}), ("05 E 002", {"is_shareable": True}))
    )
    marks = [
        world.get(f"/v1/watchlist/{one}", Role.ANALYST).json()["is_shareable"]
        for one in (plain, marked)
    ]
    assert marks == [False, True]
    body = {"plate": "P 01", "reason": "x", "expiry": ahead(3)}
    notice = body | {"is_shareable": True}
    assert world.post("/v1/notices", notice, Role.COUNTERPART).status_code == 422


def test_a_notice_stands_at_once_and_says_that_it_is_one_word(world: World, people: People) -> None:
    body = {"plate": "02 B 555 KA", "reason": "hashish under a trailer", "expiry": ahead(300)}
    response = world.post("/v1/notices", body, Role.COUNTERPART)
    assert response.status_code == 201
    answer = response.json()
    TypeAdapter(AcknowledgedNotice).validate_python(answer)
    assert answer["is_notice"] and answer["channel"] == "yellow" and answer["state"] == "in_force"
    assert datetime.fromisoformat(answer["expiry"]) < datetime.now(UTC) + timedelta(days=31)
    seen = decide_arrival(world, 8301, plate="02b555ka")
    assert seen["watchlist"] and seen["channel"] in ("yellow", "red")

    path = f"/v1/watchlist/{answer['id']}"
    assert world.get(path).json()["source_post"] == "OYB"
    confirmed = send(world, f"{path}/approvals", {}, people["bob"])
    assert confirmed.status_code == 201
    again = world.get(path).json()
    assert not again["is_notice"] and again["channel"] == "red"
    assert decide_arrival(world, 8302, plate="02b555ka")["channel"] == "red"


def test_a_notice_is_the_word_of_its_own_post(world: World, people: People) -> None:
    body = {"party": "p", "reason": "x", "expiry": ahead(3), "source_post": "FOT"}
    assert world.post("/v1/notices", body, Role.COUNTERPART).status_code == 403
    assert send(world, "/v1/notices", body, people["bob"]).status_code == 201


def test_an_entry_expires(world: World, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "engine.targeting.targeting.RECENT_SECONDS", -1
    )  # only the clock jumps below
    entry_id = list_entry(world, people, plate="04 D 333", expiry=ahead(1 / 24))
    assert decide_arrival(world, 8501, plate="04D333")["watchlist"]
    with travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        assert not decide_arrival(world, 8502, plate="04D333")["watchlist"]
        assert world.get(f"/v1/watchlist/{entry_id}").json()["state"] == "expired"


@pytest.mark.parametrize(
    "change",
    [
        {"plate": None},
        {"expiry": "2020-01-01T00:00:00Z"},
        {"expiry": "2099-01-01T00:00:00Z"},
        {"expiry": None},
        {"reason": ""},
        {"nationality": "XX"},
    ],
)
def test_a_bad_entry_is_refused(world: World, people: People, change: dict[str, Any]) -> None:
    body = {"plate": "05 E 222", "reason": "x", "expiry": ahead(60)} | change
    assert send(world, "/v1/watchlist", body, people["ann"]).status_code == 422


def test_the_same_request_again_is_one_entry(world: World, people: People) -> None:
    body, key = {"plate": "06", "reason": "x", "expiry": ahead(60)}, {"Idempotency-Key": "w-1"}
    first = send(world, "/v1/watchlist", body, people["ann"], **key)
    assert send(world, "/v1/watchlist", body, people["ann"], **key).content == first.content
    other = send(world, "/v1/watchlist", body | {"reason": "y"}, people["ann"], **key)
    assert other.status_code == 409
    assert (
        send(world, "/v1/watchlist", body, people["bob"], **key).json()["id"]
        != (first.json()["id"])
    )


def test_a_key_that_named_one_entry_approves_no_other(world: World, people: People) -> None:
    body, key = {"reason": "x", "expiry": ahead(60)}, {"Idempotency-Key": "w-2"}
    made = [
        send(world, "/v1/watchlist", body | {"plate": plate}, people["ann"]).json()["id"]
        for plate in ("07", "08")
    ]
    one, other = (f"/v1/watchlist/{entry}/approvals" for entry in made)
    first = send(world, one, {}, people["bob"], **key)
    assert first.status_code == 201
    assert send(world, one, {}, people["bob"], **key).content == first.content
    assert send(world, other, {}, people["bob"], **key).status_code == 409
    assert send(world, other, {}, people["bob"]).json()["state"] == "in_force"


def test_no_entry_has_a_field_about_a_person() -> None:
    named = set(WatchEntry.model_fields)
    assert not named & {"nationality", "ethnicity", "religion", "sex", "age", "birthplace"}


def test_what_was_never_proposed_is_not_found(world: World, people: People) -> None:
    assert world.get("/v1/watchlist/watch-0").status_code == 404
    assert send(world, "/v1/watchlist/watch-0/approvals", {}, people["bob"]).status_code == 404
    assert send(world, "/v1/profiles/NONE-1/approvals", {}, people["bob"]).status_code == 404


START = 8_900


@pytest.fixture(scope="module")
def entry_id(world: World) -> str:
    """Return a notice that matched three vehicles: one with a find, one with papers alone."""
    body = {"party": "party-8900", "reason": "x", "expiry": ahead(20)}
    made: str = world.post("/v1/notices", body, Role.COUNTERPART).json()["id"]
    bodies = [arrival(START + 3 * n, carrier_id="party-8900") for n in range(3)]
    decided = [world.decide(one).json() for one in bodies]
    assert amend(world, decided[0], bodies[0] | {"declaration": DECLARED}).status_code == 201
    for number, methods, outcome in ((0, ["physical"], "seizure"), (1, ["documents"], "clear")):
        crossing = decided[number]["crossing_id"]
        filed = act(START + number, crossing, methods=methods, outcome=outcome, places_searched=[])
        assert world.post("/v1/inspections", filed).status_code == 201
    return made


DECLARED = {
    "declaration_id": "e-8900",
    "procedure": "import",
    "items": [{"item_no": 1, "hs_code": "100190"}],
}


def outcome_of(world: World, entry_id: str) -> Any:
    found = world.get(f"/v1/watchlist/{entry_id}").json()
    TypeAdapter(WatchEntryView).validate_python(found)
    return found["outcome"]


def test_an_entry_says_what_became_of_it(world: World, entry_id: str) -> None:
    outcome = outcome_of(world, entry_id)
    months, gravity = outcome.pop("months"), outcome.pop("gravity")
    assert gravity == 5.0  # one seizure, of which no record tells more
    assert outcome == {"matches": 3, "searches": 1, "finds": 1, "minutes": 80.0}
    assert [{k: v for k, v in one.items() if k != "month"} for one in months] == [outcome]
    listed = world.get("/v1/watchlist", Role.ANALYST).json()
    TypeAdapter(WatchList).validate_python(listed)
    (same,) = (one for one in listed["entries"] if one["id"] == entry_id)
    assert same["outcome"] == outcome | {"gravity": gravity, "months": months}


def test_its_page_says_so(world: World, entry_id: str) -> None:
    text = at_desk(world, "outcomes", Role.SUPERVISOR).get("/watchlist").text
    row = text.partition(f'id="{entry_id}"')[2].partition("</tr>\n<tr")[0]
    assert "matched: 3 · searched: 1 · finds: 1 · minutes: 80" in row and "2026" in row
