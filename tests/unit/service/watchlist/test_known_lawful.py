"""Known lawful trade: two people, what fits, who sees it, and its end by a rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.criteria.known_lawful import LawfulEntryView, LawfulTrade
from engine.criteria.dual_control import read_approval_states
from engine.domain.rights import Role
from engine.queue.lawful_trade import LawfulWatch, count_lanes
from tests.support.people import at_desk, person, send
from tests.support.running_service import World, arrival
from tests.unit.service.reports.test_acts import act

People = dict[str, dict[str, str]]
PATH = "/v1/known-lawful"


@pytest.fixture(scope="module")
def people(world: World) -> People:
    return {
        "ann": person(world, Role.ANALYST),
        "bob": person(world, Role.SUPERVISOR),
        "ivy": person(world, Role.INTEGRITY),
    }


def ahead(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def propose_entry(world: World, people: People, **entry: Any) -> Any:
    body = {"reason": "audited", "expiry": ahead(entry.pop("days", 60))} | entry
    return send(world, PATH, body, people["ann"])


def put_on(world: World, people: People, **entry: Any) -> str:
    made = propose_entry(world, people, **entry)
    assert made.status_code == 201, made.text
    found: str = made.json()["id"]
    approve(world, people, found)
    return found


def approve(world: World, people: People, entry_id: str) -> None:
    waiting = world.client.get("/v1/proposals?state=waiting", headers=people["bob"]).json()
    number = next(one["waiting"]["number"] for one in waiting["proposals"] if one["id"] == entry_id)
    assert send(world, f"/v1/proposals/{number}/approvals", {}, people["ann"]).status_code == 403
    done = send(world, f"/v1/proposals/{number}/approvals", {}, people["bob"])
    assert done.status_code == 201, done.text


def read_matches(world: World, body: dict[str, Any]) -> list[str]:
    """Decide on an arrival and return the entries of known lawful trade that its record names."""
    answer = world.decide(body)
    assert answer.status_code == 201, answer.text
    with world.runtime.store.read() as connection:
        sequence = answer.json()["receipt"]["sequence"]
        inputs = world.runtime.journal.body(connection, sequence)["inputs"]
    return [one["code"] for one in inputs["matches"] if one["source"] == "known_lawful"]


def lawful_arrival(number: int, **papers: Any) -> dict[str, Any]:
    body = arrival(number, carrier_id="carrier-77")
    item = {"item_no": 1, "hs_code": "080620"}
    head = {"declaration_id": f"d-{number}", "procedure": "import", "items": [item]}
    body["declaration"] = head | {"consignee_id": "importer-77"} | papers
    body["crossing"]["declaration_id"] = f"d-{number}"
    return body


def test_an_entry_counts_once_two_people_agreed_and_all_that_it_names_fits(
    world: World, people: People
) -> None:
    made = propose_entry(world, people, carrier="carrier-77", consignee="importer-77")
    entry_id = made.json()["id"]
    assert read_matches(world, lawful_arrival(60_001)) == []
    approve(world, people, entry_id)
    assert read_matches(world, lawful_arrival(60_002)) == [entry_id]
    assert read_matches(world, lawful_arrival(60_003, consignee_id="another")) == []
    assert (
        read_matches(world, arrival(60_004, carrier_id="carrier-77") | {"declaration": None}) == []
    )
    decided = world.decide(lawful_arrival(60_007)).json()["decision_id"]
    assert world.get(f"/v1/decisions/{decided}").json()["known_lawful"] == [entry_id]
    assert "known_lawful" not in world.get(f"/v1/decisions/{decided}", Role.CHECKPOINT).json()
    assert entry_id in at_desk(world, "sardor").get(f"/decisions/{decided}").text
    seen = world.client.get(f"{PATH}/{entry_id}", headers=people["ivy"])
    TypeAdapter(LawfulEntryView).validate_python(seen.json())
    listed = world.client.get(PATH, headers=people["ann"]).json()
    TypeAdapter(LawfulTrade).validate_python(listed)
    assert (listed["factor"], listed["floor"], listed["bound"]) == (0.25, 0.01, 0.005)
    retired = send(
        world,
        "/v1/proposals",
        {"matter": "known_lawful", "leaves": entry_id, "why": "x"},
        people["ann"],
    )
    assert retired.status_code == 201 and read_matches(world, lawful_arrival(60_005)) == [entry_id]
    approve(world, people, entry_id)
    assert read_matches(world, lawful_arrival(60_006)) == []


def test_a_certificate_and_a_corridor_fit_as_the_papers_state_them(
    world: World, people: People
) -> None:
    held = put_on(world, people, consignor="farm-78", certificate="TJAEO 0045", administration="TJ")
    for number, documents, fits in (
        (60_021, ["Y022:TJAEO0045"], True),
        (60_022, ["tjaeo-0045"], True),
        (60_023, ["Y022:TJAEO0046"], False),
        (60_024, [], False),
    ):
        body = lawful_arrival(number, consignor_id="farm-78", documents=documents)
        assert (held in read_matches(world, body)) is fits
    other = lawful_arrival(60_025, consignor_id="farm-79", documents=["Y022:TJAEO0045"])
    assert held not in read_matches(world, other), "a certificate is of the party that holds it"
    corridor = put_on(world, people, dispatch_country="KZ", destination_country="AF")
    through = lawful_arrival(60_026, dispatch_country="KZ", destination_country="AF")
    back = lawful_arrival(60_027, dispatch_country="AF", destination_country="KZ")
    assert corridor in read_matches(world, through) and corridor not in read_matches(world, back)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "nobody": ({}, "carrier", "missing_key"),
    "half a corridor": ({"dispatch_country": "KZ"}, "carrier", "missing_key"),
    "a post alone": ({"post": "OYB"}, "carrier", "missing_key"),
    "no letter": ({"plate": "---", "carrier": "c"}, "plate", "not_a_plate"),
    "certificate alone": ({"carrier": "c", "certificate": "1"}, "administration", "missing_key"),
    "nobody's certificate": (
        {"plate": "A1", "certificate": "1", "administration": "TJ"},
        "carrier",
        "missing_key",
    ),
    "over": ({"carrier": "c", "days": -1}, "expiry", "expiry"),
    "too long": ({"carrier": "c", "days": 400}, "expiry", "expiry"),
    "by shape": ({"plate": "A1", "look_alikes": True}, "look_alikes", "unknown_field"),
    "country": ({"dispatch_country": "kz"}, "dispatch_country", "malformed_country"),
    "unknown post": ({"carrier": "c", "post": "NOWHERE"}, "post", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_by_field_and_rule(
    world: World, people: People, name: str
) -> None:
    entry, field, rule = WRONG[name]
    answer = propose_entry(world, people, **dict(entry))
    assert answer.status_code in (404, 422), answer.text
    assert rule in answer.text and (field in answer.text or not rule)


def test_nobody_at_a_checkpoint_learns_of_an_entry(world: World, people: People) -> None:
    before = world.decide(arrival(60_041, carrier_id="carrier-79")).json()
    entry_id = put_on(world, people, carrier="carrier-79")
    after = world.decide(arrival(60_042, carrier_id="carrier-79")).json()
    assert set(before) == set(after)
    for role in (Role.CHECKPOINT, Role.COUNTERPART):
        for path in (PATH, f"{PATH}/{entry_id}", "/v1/proposals"):
            assert world.get(path, role).status_code == 403
        assert entry_id not in world.get("/v1/notifications", role).text
    for path in ("/metrics", f"/v1/decisions/{after['decision_id']}"):
        assert entry_id not in world.get(path, Role.CHECKPOINT).text


def test_a_find_suspends_an_entry_by_a_record_that_names_no_person(
    world: World, people: People
) -> None:
    """The first load found by whatever search, of a trader with few vehicles."""
    entry_id = put_on(world, people, carrier="carrier-80")
    watch = LawfulWatch(world.runtime.store, world.runtime.journal)
    body = arrival(60_061, carrier_id="carrier-80")
    crossing = world.decide(body).json()["crossing_id"]
    assert watch.suspend() == 0
    clear = act(60_061, crossing, outcome="discrepancy")
    assert world.post("/v1/inspections", clear).status_code == 201
    assert watch.suspend() == 0, "a discrepancy is no load"
    found = act(60_062, crossing, outcome="seizure")
    assert world.post("/v1/inspections", found).status_code == 201
    assert watch.suspend() == 1 and watch.suspend() == 0
    seen = world.client.get(f"{PATH}/{entry_id}", headers=people["ann"]).json()
    assert (seen["state"], seen["is_suspended"]) == ("retired", True)
    assert (seen["figures"]["vehicles"], seen["figures"]["loads"]) == (1, 1)
    assert entry_id not in read_matches(world, arrival(60_063, carrier_id="carrier-80"))
    told = world.client.get("/v1/notifications", headers=people["bob"]).json()["notifications"]
    assert [one["about"] for one in told if one["id"] == entry_id] == ["known_lawful_suspended"]
    page = at_desk(world, "otabek").get("/known-lawful")
    assert page.status_code == 200 and entry_id in page.text


def test_a_seizure_without_an_act_counts_too(world: World, people: People) -> None:
    entry_id = put_on(world, people, carrier="carrier-81")
    crossing = world.decide(arrival(60_081, carrier_id="carrier-81")).json()["crossing_id"]
    taken = {
        "seizure_id": "sz-60081",
        "crossing_id": crossing,
        "substance_class": "narcotic",
        "quantity_g": 100,
    }
    assert world.post("/v1/seizures", taken).status_code == 201
    with world.runtime.store.read() as connection:
        states = read_approval_states(connection, "known_lawful", entry_id)
        counts = count_lanes(connection, [*states.values()])[entry_id]
    assert (counts.loads, counts.searched) == (1, 0)
    assert LawfulWatch(world.runtime.store, world.runtime.journal).suspend() >= 1


def test_the_form_proposes_and_says_what_is_wrong(world: World) -> None:
    desk = at_desk(world, "nodira")
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    fields = {"once": "0" * 24, "reason": "known for years", "expiry": day}
    fields |= {"first_kind": "carrier", "first": "carrier-82"}
    fields |= {"second_kind": "plate", "second": "---"}
    wrong = desk.send("/known-lawful", "/known-lawful", fields)
    assert wrong.status_code == 422 and "carrier-82" in wrong.text
    fields |= {"second": ""}
    unknown = desk.send("/known-lawful", "/known-lawful", fields | {"dispatch_country": "Narnia"})
    assert unknown.status_code == 422 and 'id="dispatch_country-wrong"' in unknown.text
    assert ">Goods from</a>: Choose from the list." in unknown.text
    fields |= {"dispatch_country": "Tajikistan", "destination_country": "uz"}
    done = desk.send("/known-lawful", "/known-lawful", fields)
    assert done.status_code == 303, done.text
    assert "carrier-82" in desk.get("/known-lawful").text
