"""A vehicle or a party has one page, of what its reader may see and as of when it is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.auth.agencies import Duties
from api.auth.callers import Caller
from api.entities import answers, connections
from api.entities.answers import AskedTime, EntityView, describe_entity
from api.entities.connections import ConnectionsView
from api.entities.passages import Entity, PassageReader
from engine.domain.rights import Matter, Right, Role, Scope
from engine.domain.time_units import NEVER
from engine.errors import StoreUnavailableError
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from tests.support.people import at_desk, person
from tests.support.running_service import OTHER, POST, World, arrival

START = 7_100
GOODS = {"item_no": 1, "hs_code": "190190", "net_mass_kg": 100.0}
CARRIER, DRIVER, FIRM, BOX = "CR-7155", "p-71a", "601777888", "MSCU6630870"


def body(number: int, firm: str = FIRM, **more: Any) -> dict[str, Any]:
    found = arrival(START + number, **{"carrier_id": CARRIER, "driver_ref": DRIVER} | more)
    bare = {"declaration_id": f"e-{START + number}", "procedure": "import", "items": [GOODS]}
    found["declaration"] = (found["declaration"] or bare) | {
        "consignee_id": firm,
        "consignor_id": f"50{number:07d}",
    }
    return found


@pytest.fixture(scope="module")
def passed(world: World) -> list[dict[str, Any]]:
    """Return the decisions of three vehicles of one carrier."""
    found = [world.decide(body(n, container_numbers=[BOX])).json() for n in (1, 2, 3)]
    assert all("decision_id" in one for one in found), found
    return found


def look(
    world: World, kind: str, value: str, role: Role = Role.SUPERVISOR, **asked: Any
) -> dict[str, Any]:
    answer = world.client.get(
        f"/v1/entities/{kind}/{value}",
        params={"purpose": "analysis"} | asked,
        headers=world.headers(role),
    )
    assert answer.status_code == 200, answer.text
    TypeAdapter(EntityView).validate_python(answer.json())
    return dict(answer.json())


def crossings(found: dict[str, Any]) -> list[str]:
    return [one["crossing_id"] for one in found["passages"]]


def follow(world: World, path: str, role: Role = Role.SUPERVISOR, **asked: Any) -> dict[str, Any]:
    asked = {"purpose": "case"} | asked
    answer = world.client.get(path, params=asked, headers=world.headers(role))
    assert answer.status_code == 200, answer.text
    if not path.endswith(".graphml"):
        TypeAdapter(ConnectionsView).validate_python(answer.json())
        return dict(answer.json())
    return {"text": answer.text}


def reads(world: World) -> list[dict[str, Any]]:
    with world.runtime.store.read() as snapshot:
        return [dict(one.body) for one in JournalReader(snapshot).records(SENSITIVE_READ)]


OURS = [f"c-{START + n}" for n in (3, 2, 1)]


def test_every_kind_has_its_passages_and_its_company(
    world: World, passed: list[dict[str, Any]]
) -> None:
    asked = {"carrier": "cr 7155", "driver": DRIVER, "firm": FIRM, "container": "mscu-6630870"}
    for kind, value in asked.items():
        found = look(world, kind, value)
        assert [one for one in crossings(found) if one in OURS] == OURS, kind
        company = {(one["kind"], one["value"]): one for one in found["companions"]}
        others = {("carrier", CARRIER), ("driver", DRIVER), ("firm", FIRM), ("container", BOX)}
        assert {name[0] for name in others - company.keys()} == {kind}
        assert company["firm", "500000001"]["roles"] == ["consignor"]
        assert company["firm", "500000001"]["passages"] == 1
    assert crossings(look(world, "plate", f"01a{START + 1}bc")) == OURS[2:]
    assert look(world, "plate", "99ZZ999")["passages"] == []


def test_an_amended_declaration_is_one_passage(world: World) -> None:
    sent = body(10, carrier_id="CR-AMENDED", plate="71AMEND")
    decided = world.decide(sent).json()
    sent["declaration"]["items"] = [GOODS | {"net_mass_kg": 900.0}]
    path = f"/v1/decisions/{decided['decision_id']}/amendments"
    assert world.post(path, sent).status_code == 201
    found = look(world, "carrier", "CR-AMENDED")
    assert crossings(found) == [f"c-{START + 10}"]
    assert found["passages"][0]["decision_id"] != decided["decision_id"]


def test_pages_of_passages_are_read_on(world: World, passed: list[dict[str, Any]]) -> None:
    whole = crossings(look(world, "carrier", CARRIER))
    some: list[str] = []
    asked: dict[str, Any] = {"limit": 2}
    while True:
        page = look(world, "carrier", CARRIER, **asked)
        some += crossings(page)
        if page["next_before"] is None:
            break
        asked["before"] = page["next_before"]
    assert some == whole and len(whole) >= 3


def test_as_of_a_decision_nothing_later_is_shown(
    world: World, passed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = passed[1]["decision_id"]
    found = look(world, "carrier", CARRIER, as_of=second)
    assert (crossings(found), found["is_now"]) == (OURS[2:], False)
    at = look(world, "carrier", CARRIER, as_of=passed[2]["as_of"])
    assert crossings(at) == OURS[1:]
    for wrong in ("yesterday", "2026-10-14T07:00:00"):
        asked = {"purpose": "case", "as_of": wrong}
        answer = world.client.get(
            f"/v1/entities/carrier/x1{CARRIER[:2]}",
            params=asked,
            headers=world.headers(Role.ANALYST),
        )
        assert answer.status_code == 422 and "as_of" in answer.text
    # Negative control: the time that was asked for is forgotten.
    monkeypatch.setattr(answers, "read_time", lambda *_: AskedTime(NEVER, 0))
    assert len(crossings(look(world, "carrier", CARRIER, as_of=second))) > 1


def file_find(world: World, number: int, **more: Any) -> None:
    when = datetime.now(UTC).isoformat()
    act = {
        "inspection_id": f"a-{START + number}",
        "crossing_id": f"c-{START + number}",
        "recorded_at": when,
        "outcome": "seizure",
        "methods": ["physical"],
        "minutes": 30,
        "places_searched": ["spare_wheel"],
    }
    assert world.post("/v1/inspections", act | more).status_code == 201
    find = {
        "seizure_id": f"s-{START + number}",
        "crossing_id": f"c-{START + number}",
        "inspection_id": f"a-{START + number}",
        "recorded_at": when,
        "substance_class": "narcotic",
        "quantity_g": 700.0,
    }
    assert world.post("/v1/seizures", find | more).status_code == 201


def test_finds_entries_declarations_and_cases_are_shown_to_who_may_open_them(
    world: World,
) -> None:
    before = world.decide(body(21, carrier_id="CR-21", plate="71FIND21")).json()
    world.decide(body(22, carrier_id="CR-21", plate="71FIND22"))
    file_find(world, 22)
    expiry = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    entry = {"carrier": "CR-21", "source_post": POST, "reason": "false seals", "expiry": expiry}
    assert world.post("/v1/watchlist", entry, Role.ANALYST).status_code == 201
    ahead = {
        "declaration": {"declaration_id": "ahead-21", "procedure": "import", "items": [GOODS]},
        "post": POST,
        "vehicles": [{"plate": "71FIND21", "carrier_id": "CR-21"}],
    }
    assert world.post("/v1/declarations", ahead).status_code == 201
    case = {"seizure_id": f"s-{START + 22}", "summary": "hidden in a wheel"}
    opened = world.post("/v1/cases", case, Role.SUPERVISOR)
    assert opened.status_code == 201, opened.text
    found = look(world, "carrier", "CR-21")
    assert [one["found"] for one in found["passages"]] == ["find", None]
    assert [one["seizure_id"] for one in found["finds"]] == [f"s-{START + 22}"]
    assert (found["finds"][0]["amount"], found["finds"][0]["unit"]) == (700.0, "g")
    assert [(one["reason"], one["state"]) for one in found["entries"]] == [
        ("false seals", "proposed")
    ]
    assert [one["declaration_id"] for one in found["declarations"]] == ["ahead-21"]
    assert [one["summary"] for one in found["cases"]] == ["hidden in a wheel"]
    # An analyst opens no case.
    assert look(world, "carrier", "CR-21", Role.ANALYST)["cases"] == []
    earlier = look(world, "carrier", "CR-21", as_of=before["decision_id"])
    lists = ("passages", "finds", "entries", "declarations", "cases")
    assert [earlier[name] for name in lists] == [[], [], [], [], []]
    searched = world.client.get("/v1/search", params={"q": "71find21"}, headers=world.headers())
    assert [one["declaration_id"] for one in searched.json()["declarations"]] == ["ahead-21"]
    assert searched.json()["entries"] == searched.json()["parties"] == []
    of_entry = world.get("/v1/search?q=CR-21").json()
    assert [one["reason"] for one in of_entry["entries"]] == ["false seals"]
    of_case = world.get(f"/v1/search?q={opened.json()['case_id']}").json()
    assert [one["case_id"] for one in of_case["cases"]] == [opened.json()["case_id"]]
    assert world.get(f"/v1/search?q={opened.json()['case_id']}", Role.ANALYST).json()["cases"] == []


def test_an_inland_find_is_on_the_page_of_its_plate(world: World) -> None:
    find = {
        "seizure_id": "s-inland-71", "plate": "71 INLAND", "quantity_g": 5.0,
        "recorded_at": datetime.now(UTC).isoformat(), "substance_class": "narcotic",
    }  # fmt: skip
    assert world.post("/v1/seizures", find, Role.SUPERVISOR).status_code == 201
    found = look(world, "plate", "71inland")
    assert [one["seizure_id"] for one in found["finds"]] == ["s-inland-71"]
    withdrawn = {"withdrawn": True, "reason": "another plate"}
    path = "/v1/seizures/s-inland-71/corrections"
    second = person(world, Role.SUPERVISOR)
    assert world.client.post(path, json=withdrawn, headers=second).status_code == 201
    assert look(world, "plate", "71inland")["finds"] == []


def test_everything_connected_goes_two_steps_and_says_what_it_leaves_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a find over the driver to another firm; and no further."""
    world.decide(body(31, "f-31", carrier_id="CR-31", driver_ref="p-31", plate="71LINK31"))
    world.decide(body(32, "f-32", carrier_id="CR-32", driver_ref="p-31", plate="71LINK32"))
    world.decide(body(33, "f-33", carrier_id="CR-32", driver_ref="p-33", plate="71LINK33"))
    world.decide(body(34, "f-34", carrier_id="CR-34", driver_ref="p-33", plate="71LINK34"))
    file_find(world, 31)
    path = f"/v1/seizures/s-{START + 31}/connections"
    found = follow(world, path)
    steps = {(one["kind"], one["value"]): one["step"] for one in found["connected"]}
    assert steps["driver", "p-31"] == steps["carrier", "CR-31"] == 0
    assert steps["carrier", "CR-32"] == 1 and steps["plate", "71LINK33"] == 2
    assert ("carrier", "CR-34") not in steps
    assert [one["seizure_id"] for one in found["finds"]] == [f"s-{START + 31}"]
    ties = {(one["one"], one["other"]): one for one in found["connections"]}
    assert ties["CR-32", "71LINK33"]["passages"] == 1
    assert ties["CR-32", "71LINK33"]["first"] == ties["CR-32", "71LINK33"]["last"]
    known = {one["value"]: one["roles"] for one in found["connected"]}
    assert known["f-31"] == ["consignee"] and known["CR-31"] == ["carrier"]
    sent = next(one for one in found["connections"] if "f-31" in (one["one"], one["other"]))
    assert ["consignee"] in (sent["one_roles"], sent["other_roles"])
    written = follow(world, f"{path}.graphml")["text"]
    assert written.count("<node ") == len(found["connected"])
    assert written.count("<edge ") == len(found["connections"])
    assert '<data key="roles">consignee</data>' in written
    # A hub is named, counted and not followed.
    monkeypatch.setattr(connections, "HUB_PASSAGES", 1)
    less = follow(world, "/v1/entities/plate/71LINK31/connections")
    hub = next(one for one in less["connected"] if one["value"] == "p-31")
    assert (hub["cut"], hub["total"], hub["followed"]) == ("hub", 2, 0)
    assert less["limits"]["hubs"] == 1
    assert "CR-32" not in {one["value"] for one in less["connected"]}
    monkeypatch.setattr(connections, "MOST_NODES", 5)
    bounded = follow(world, path)
    assert len(bounded["connected"]) == 5 and bounded["limits"]["left_out"] > 0
    desk = at_desk(world, "reads-what-is-left-out")
    page = desk.get(path.removeprefix("/v1") + "?purpose=case").text
    assert "beyond the first 5, left out" in page and '<details class="card" open>' in page


OF_BOTH = ("p-81z", "CR-MANY")


def test_a_broker_of_everybody_takes_no_room_from_the_vehicle_that_was_seized(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's other firm is reached and listed before the carrier's many vehicles."""
    for number in range(81, 90):
        about = {"plate": f"81MANY{number}", "driver_ref": f"p-{number}", "carrier_id": "CR-MANY"}
        world.decide(body(number, f"f-{number}", **about))
    world.decide(body(90, "f-90", plate="81SEIZED", driver_ref="p-81z", carrier_id="CR-MANY"))
    world.decide(body(91, "f-91", plate="81OTHER", driver_ref="p-81z", carrier_id="CR-RARE"))
    file_find(world, 90)
    path = f"/v1/seizures/s-{START + 90}/connections"
    monkeypatch.setattr(connections, "MOST_NODES", 12)
    found = follow(world, path)
    assert found["limits"]["left_out"] > 0
    assert {"81OTHER", "CR-RARE"} <= {one["value"] for one in found["connected"]}
    ties = [(one["step"], one["one"], one["other"]) for one in found["connections"]]
    assert [step for step, _, _ in ties] == sorted(step for step, _, _ in ties)
    assert "81SEIZED" in ties[0], ties[0]
    beside = [{one, other} for step, one, other in ties if step == 1]
    first = [next(at for at, ends in enumerate(beside) if who in ends) for who in OF_BOTH]
    assert first == sorted(first), "rows of who has fewer passages come first"


def test_each_passage_that_counts_as_a_find_is_listed_with_its_vehicle(world: World) -> None:
    """A discrepancy is a find and seizes nothing."""
    for number in (71, 72, 73):
        world.decide(
            body(
                number,
                f"f-{number}",
                carrier_id="CR-7171",
                driver_ref="p-71z",
                plate=f"71DI{number}",
            )
        )
    file_find(world, 71)
    for number, outcome in ((72, "discrepancy"), (73, "clear")):
        act = {
            "inspection_id": f"a-{START + number}", "crossing_id": f"c-{START + number}",
            "recorded_at": datetime.now(UTC).isoformat(), "outcome": outcome,
            "methods": ["physical"], "minutes": 30, "places_searched": ["spare_wheel"],
        }  # fmt: skip
        assert world.post("/v1/inspections", act).status_code == 201
    path = f"/v1/seizures/s-{START + 71}/connections"
    found = follow(world, path)
    listed = {one["crossing_id"]: one["plate"] for one in found["found_in"]}
    assert listed == {f"c-{START + 71}": "71DI71", f"c-{START + 72}": "71DI72"}
    assert {one["found"] for one in found["found_in"]} == {"find"}
    (driver,) = (one for one in found["connected"] if one["value"] == "p-71z")
    assert driver["finds"] == len(listed), "what is counted is what is listed"
    assert [one["crossing_id"] for one in found["finds"]] == [f"c-{START + 71}"]
    desk = at_desk(world, "reads-finds", Role.SUPERVISOR)
    page = desk.get(f"/seizures/s-{START + 71}/connections?purpose=case").text
    shown = page.partition('id="found-in"')[2].partition("</section>")[0]
    assert "71DI71" in shown and "71DI72" in shown and "71DI73" not in shown
    assert shown.count("a find without goods that you may see") == 1


def test_a_purpose_is_owed_and_each_look_is_a_record(
    world: World, passed: list[dict[str, Any]]
) -> None:
    bare = world.get(f"/v1/entities/driver/{DRIVER}")
    assert bare.status_code == 422 and "purpose" in bare.text
    before = len(reads(world))
    look(world, "driver", DRIVER, Role.ANALYST, purpose="request")
    follow(world, f"/v1/entities/driver/{DRIVER}/connections")
    page, graph = reads(world)[before:]
    assert (page["by"], page["kind"], page["purpose"]) == ("the-analyst", "entity", "request")
    ours = {one["receipt"]["sequence"] for one in passed}
    assert ours <= set(page["found"]) and ours <= set(graph["found"])
    assert graph["kind"] == "connections" and DRIVER not in str([page, graph])


def test_what_cannot_be_recorded_is_not_shown(
    world: World, passed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("no room is left")

    monkeypatch.setattr(world.runtime.writer, "submit", refuse)
    for path in (f"driver/{DRIVER}", f"driver/{DRIVER}/connections"):
        answer = world.get(f"/v1/entities/{path}?purpose=audit")
        assert answer.status_code == 503 and OURS[0] not in answer.text


def test_posts_and_roles_bound_what_is_shown(
    world: World, passed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    far = {"Authorization": f"Bearer {world.other}"}
    there = body(41, post=OTHER, plate="71FAR041")
    assert world.client.post("/v1/decisions", json=there, headers=far).status_code == 201
    assert f"c-{START + 41}" in crossings(look(world, "carrier", CARRIER))
    here = replace(caller_of(world), post=POST)
    seen = describe_entity(world.runtime, here, Entity("carrier", CARRIER), "audit")
    listed = {one.crossing_id for one in seen.passages}
    assert listed >= set(OURS) and f"c-{START + 41}" not in listed
    assert "71FAR041" not in {one.value for one in seen.companions}
    whole = describe_entity(world.runtime, caller_of(world), Entity("carrier", CARRIER), "audit")
    assert seen.total == whole.total - 1
    for role in (Role.CHECKPOINT, Role.INTEGRITY, Role.ADMINISTRATOR, Role.COUNTERPART):
        path = f"/v1/entities/carrier/{CARRIER[:2]}71?purpose=case"
        assert world.get(path, role).status_code == 403
    # Negative control: the post of the caller is not asked for.
    monkeypatch.setattr(Caller, "sees_post", lambda *_: True)
    ask = PassageReader.ask
    monkeypatch.setattr(
        PassageReader, "ask", lambda *asked: replace(ask(*asked), post=None, hidden=())
    )
    leaked = describe_entity(world.runtime, here, Entity("carrier", CARRIER), "audit")
    assert f"c-{START + 41}" in {one.crossing_id for one in leaked.passages}


def test_rows_of_other_agencies_are_hidden(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.decide(body(61, "f-61", carrier_id="CR-61"))
    file_find(world, 61, agency="police")
    expiry = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    entry = {
        "carrier": "CR-61", "source_post": POST, "reason": "r", "expiry": expiry,
        "agency": "police",
    }  # fmt: skip
    assert world.post("/v1/watchlist", entry, Role.ANALYST).status_code == 201
    whole = look(world, "carrier", "CR-61")
    assert (len(whole["finds"]), len(whole["entries"])) == (1, 1)
    assert whole["passages"][0]["found"] == "find"
    own = {
        (matter, right): Scope.OWN if matter in HIDDEN else Scope.ALL
        for matter in Matter
        for right in Right
    }
    customs = replace(caller_of(world), agency="customs", duties=Duties("customs", own))

    def read_party() -> EntityView:
        return describe_entity(world.runtime, customs, Entity("carrier", "CR-61"), "audit")

    assert (read_party().finds, read_party().entries, read_party().passages[0].found) == (
        [],
        [],
        None,
    )
    # Negative control: the agency of a row is not asked for.
    monkeypatch.setattr(Caller, "sees", lambda *_: True)
    assert (len(read_party().finds), len(read_party().entries)) == (1, 1)


HIDDEN = (Matter.ACTS, Matter.SEIZURES, Matter.WATCHLIST)


def caller_of(world: World) -> Caller:
    found = world.runtime.callers.look_up(world.headers(Role.SUPERVISOR)["Authorization"])
    return found.enter("GET", "/v1/entities/{kind}/{value}")


def test_pages_ask_for_the_purpose_draw_and_link(
    world: World, passed: list[dict[str, Any]]
) -> None:
    desk = at_desk(world, "looks-at-parties", Role.SUPERVISOR)
    before = len(reads(world))
    asked = desk.get(f"/entities/driver/{DRIVER}").text
    assert 'name="purpose"' in asked and OURS[0] not in asked
    assert len(reads(world)) == before
    page = desk.get(f"/entities/driver/{DRIVER}?purpose=inspection").text
    journal = at_desk(world, "reads-the-journal", Role.INTEGRITY).get("/journal").text
    assert "Vehicle and parties (a vehicle that is inspected): № " in journal
    assert f'href="/decisions/{passed[0]["decision_id"]}"' in page
    assert f'href="/entities/firm/{FIRM}?purpose=inspection"' in page and "<svg" in page
    graph = desk.get(f"/entities/driver/{DRIVER}/connections?purpose=inspection").text
    assert "<svg" in graph and ".graphml?purpose=inspection" in graph
    csv = world.client.get(
        f"/v1/entities/driver/{DRIVER}?purpose=audit&spreadsheet=comma&table=companions",
        headers=world.headers(Role.ANALYST),
    )
    assert csv.text.lstrip("\ufeff").startswith("kind,value,") and FIRM in csv.text
    for path in ("plates/x9", "driver/-"):
        answer = world.get(f"/v1/entities/{path}?purpose=case")
        assert answer.status_code == 422, path


def test_a_decision_and_a_case_lead_to_parties_and_connections(world: World) -> None:
    decided = world.decide(body(51, "f-51", plate="71PAGE51")).json()
    file_find(world, 51)
    case = {"seizure_id": f"s-{START + 51}", "summary": "under the floor"}
    opened = world.post("/v1/cases", case, Role.SUPERVISOR).json()["case_id"]
    desk = at_desk(world, "follows-links", Role.SUPERVISOR)
    page = desk.get(f"/decisions/{decided['decision_id']}").text
    assert 'href="/entities/plate/71PAGE51"' in page and 'href="/entities/firm/f-51"' in page
    assert f'href="/seizures/s-{START + 51}/connections"' in page
    assert f'href="/cases/{opened}/connections"' in desk.get(f"/cases/{opened}").text
    whole = desk.get(f"/cases/{opened}/connections").text
    assert "71PAGE51" in whole and "under the floor" in whole
    found = follow(world, f"/v1/cases/{opened}/connections")
    assert ("plate", "71PAGE51", 0) in {
        (one["kind"], one["value"], one["step"]) for one in found["connected"]
    }
    officer = at_desk(world, "at-the-barrier", Role.CHECKPOINT)
    assert "/entities/" not in officer.get(f"/decisions/{decided['decision_id']}").text
    for path in (f"/cases/{opened}/connections", f"/seizures/s-{START + 51}/connections"):
        assert officer.get(f"{path}?purpose=case").status_code == 403
        assert world.get(f"/v1{path}?purpose=case", Role.CHECKPOINT).status_code == 403
    hidden = world.get("/v1/seizures/s-none/connections?purpose=case")
    assert hidden.status_code == 404
