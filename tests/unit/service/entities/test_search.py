"""Every decided vehicle is found again by what is known of it, and each look is a record."""

from typing import Any

import pytest
from pydantic import TypeAdapter

import api.entities.search
from api.auth.callers import Caller
from api.entities.search import SearchResult
from engine.domain.rights import Role
from engine.errors import StoreUnavailableError
from engine.journal.areas import list_tables
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from engine.queue import identifier_index
from engine.queue.identifier_index import IDENTIFIERS
from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import act
from tests.unit.service.reports.test_acts import find as find_vehicle

START = 4_300
VEHICLE = {
    "plate": "40 Х 777 КЕ",  # Cyrillic letters that look like Latin ones
    "trailer_plate": "01 9317 АА",
    "vin": "XTA21099043576182",
    "container_numbers": ["MSCU 663087-0"],
    "seal_numbers": ["UZ-Seal 0042-17"],
    "carrier_id": "301-222-333",
    "cmr_number": "CMR/88-1234",
    "national": {"permit": "РП 2026/0417", "axles": 5, "escorted": True},
}
PAPERS = {
    "declarant_id": "401222333",
    "consignor_id": "501222333",
    "consignee_id": "601222333",
    "tir_carnet": "XR.81 20 0001",
    "national": {"licence": "LIC-77"},
}
OF_ITEM = {"national": {"certificate": "PHYTO 00123"}}
WAYS = {
    "40x777ke": "plate",
    "777К": "plate",
    "X-777": "plate",
    "9317aa": "trailer_plate",
    "xta2109904": "vin",
    "43576182": "vin",
    "MSCU663": "container",
    "6630870": "container",
    "uz seal 0042": "seal",
    "301222333": "carrier",
    "401-222": "declarant",
    "501 222 333": "consignor",
    "601222333": "consignee",
    f"e-{START + 1}": "declaration",
    "xr81200": "tir",
    "cmr88": "cmr",
    "рп-2026-0417": "national",
    "lic77": "national",
    "phyto00123": "national",
    f"C-{START + 1}": "crossing",
}


@pytest.fixture(scope="module")
def known_decision(world: World) -> dict[str, Any]:
    """Return the decision of a vehicle of which much is known; others stand next to it."""
    body = arrival(START + 1, **VEHICLE)
    body["declaration"] |= PAPERS
    body["declaration"]["items"][0] |= OF_ITEM
    found: dict[str, Any] = world.decide(body).json()
    for number in range(START + 2, START + 8):
        assert world.decide(arrival(number)).status_code == 201
    return found


def find(world: World, text: str, role: Role = Role.SUPERVISOR, **more: Any) -> dict[str, Any]:
    answer = world.client.get("/v1/search", params={"q": text} | more, headers=world.headers(role))
    assert answer.status_code == 200, answer.text
    TypeAdapter(SearchResult).validate_python(answer.json())
    return dict(answer.json())


def find_ids(world: World, text: str, **more: Any) -> list[str]:
    return [one["decision_id"] for one in find(world, text, **more)["found"]]


def reads(world: World) -> list[dict[str, Any]]:
    with world.runtime.store.read() as snapshot:
        return [dict(one.body) for one in JournalReader(snapshot).records(SENSITIVE_READ)]


@pytest.mark.parametrize(("text", "kind"), WAYS.items())
def test_a_vehicle_is_found_by_each_of_its_identifiers(
    world: World, known_decision: dict[str, Any], text: str, kind: str
) -> None:
    found = [one for one in find(world, text)["found"] if one["crossing_id"] == f"c-{START + 1}"]
    assert [one["decision_id"] for one in found] == [known_decision["decision_id"]]
    assert kind in found[0]["matched"]
    opened = world.get(f"/v1/decisions/{found[0]['decision_id']}")
    assert opened.json()["crossing_id"] == f"c-{START + 1}"


def test_a_decision_is_found_by_its_whole_number_alone(
    world: World, known_decision: dict[str, Any]
) -> None:
    name = known_decision["decision_id"]
    assert find_ids(world, name.upper()) == [name]
    assert find_ids(world, name[:-1]) == []


def test_a_national_field_is_found_by_its_whole_text_and_shown_as_it_was_declared(
    world: World, known_decision: dict[str, Any]
) -> None:
    assert find_ids(world, "РП 2026/041") == find_ids(world, "PHYTO") == []
    page = at_desk(world, "reads-papers", Role.CHECKPOINT)
    shown = page.get(f"/decisions/{known_decision['decision_id']}").text
    for name, value in (
        ("permit", "РП 2026/0417"),
        ("axles", "5"),
        ("escorted", "yes"),
        ("licence", "LIC-77"),
        ("certificate", "PHYTO 00123"),
    ):
        assert f"<code>{name}</code></dt><dd>{value}</dd>" in shown


def test_look_alikes_are_found_by_folding(
    world: World, known_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_ids(world, "х777к") == [known_decision["decision_id"]]
    # Negative control: a search that only changes the case.
    monkeypatch.setattr(api.entities.search, "fold", str.upper)
    assert find_ids(world, "х777к") == []


def test_a_passage_is_one_row_with_its_last_decision_and_its_act(world: World) -> None:
    body = arrival(START + 50, plate="09Q050QQ")
    first = world.decide(body).json()
    item = {"item_no": 1, "hs_code": "080620"}
    papers = {"declaration_id": "one-row", "procedure": "import", "items": [item]}
    path = f"/v1/decisions/{first['decision_id']}/amendments"
    amended = world.post(path, body | {"declaration": papers})
    assert amended.status_code == 201, amended.text
    assert find_ids(world, "09Q050QQ") == [amended.json()["decision_id"]]
    assert find_ids(world, first["decision_id"]) == [first["decision_id"]], "by its number"
    red = find_vehicle(world, "red", START + 2_000)
    assert find(world, red["crossing_id"])["found"][0]["outcome"] is None
    done = world.post("/v1/inspections", act(START, red["crossing_id"], outcome="clear"))
    assert done.status_code == 201, done.text
    assert find(world, red["crossing_id"])["found"][0]["outcome"] == "clear"
    page = at_desk(world, "seeks-acts").get(f"/search?q={red['crossing_id']}").text
    assert "nothing found</strong>" in page


def test_a_short_text_is_refused(world: World, known_decision: dict[str, Any]) -> None:
    for text in ("", "-- 7 7 --", "..."):
        answer = world.client.get("/v1/search", params={"q": text}, headers=world.headers())
        assert answer.status_code == 422
        assert answer.json()["fields"][0]["rule"] == "too_short"
    assert find_ids(world, "777") == [known_decision["decision_id"]]


def test_what_is_found_says_no_figure_and_a_checkpoint_sees_its_own_post(
    world: World, known_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = arrival(START + 20, post=OTHER, plate="40X776FAR")
    far = {"Authorization": f"Bearer {world.other}"}
    assert world.client.post("/v1/decisions", json=there, headers=far).status_code == 201
    assert len(find(world, "40x77")["found"]) == 2
    (seen,) = find(world, "40x77", Role.CHECKPOINT)["found"]
    assert (seen["decision_id"], seen["post"]) == (known_decision["decision_id"], POST)
    figures = {"risk", "propensity", "basis", "is_random", "reasons", "place", "rank"}
    assert not figures & set(seen)
    assert find(world, "40x77", Role.ANALYST)["found"][-1] == seen
    # Negative control: a search that asks nothing of the post.
    bug = identifier_index.find_decisions
    monkeypatch.setattr(
        api.entities.search,
        "find_decisions",
        lambda *at, **asked: bug(*at, **asked | {"post": None}),
    )
    monkeypatch.setattr(Caller, "sees_post", lambda *_: True)
    assert len(find(world, "40x77", Role.CHECKPOINT)["found"]) == 2


def test_each_look_is_recorded_without_its_text(
    world: World, known_decision: dict[str, Any]
) -> None:
    before, seq = len(reads(world)), known_decision["receipt"]["sequence"]
    find(world, "777КЕ", Role.ANALYST)
    find(world, "nothing there")
    hit, miss = reads(world)[before:]
    assert hit == {
        "by": "the-analyst",
        "role": "analyst",
        "sequence": 0,
        "kind": "search",
        "found": [seq],
    }
    assert (miss["by"], miss["found"]) == ("the-supervisor", [])
    listed = world.get("/v1/journal", Role.INTEGRITY).json()["reads"]
    assert [one["found"] for one in listed[:2]] == [[], [seq]]
    page = at_desk(world, "who-looked", Role.INTEGRITY).get("/journal").text
    assert f"Search: № {seq:,}" in page and "nothing found" in page


def test_what_cannot_be_recorded_is_not_shown(
    world: World, known_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("no room is left")

    monkeypatch.setattr(world.runtime.writer, "submit", refuse)
    answer = world.get("/v1/search?q=40x777")
    assert answer.status_code == 503 and known_decision["decision_id"] not in answer.text


def test_a_long_result_is_read_page_by_page(world: World, known_decision: dict[str, Any]) -> None:
    whole = find_ids(world, f"01A{START}"[:5])
    assert len(whole) >= 6
    some: list[str] = []
    before: dict[str, Any] = {}
    while True:
        page = find(world, f"01A{START}"[:5], limit=4, **before)
        some += [one["decision_id"] for one in page["found"]]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert some == whole


def test_the_page_finds_and_opens(world: World, known_decision: dict[str, Any]) -> None:
    desk = at_desk(world, "looks", Role.CHECKPOINT)
    page = desk.get("/search").text
    assert "Type at least 3 letters or digits." in page
    found = desk.get("/search?q=777%D0%9A").text  # К in Cyrillic
    assert f'href="/decisions/{known_decision["decision_id"]}"' in found and "plate" in found
    assert "No vehicle that you may see was found." in desk.get("/search?q=zzz999").text
    assert 'id="search"' in desk.get(f"/decisions/{known_decision['decision_id']}").text
    keeper = at_desk(world, "keeps-accounts", Role.INTEGRITY)
    assert 'id="search"' not in keeper.get("/journal").text


def test_an_erasure_takes_the_identifiers_of_a_decision(world: World) -> None:
    """The rows of an erasure are checked whole by tests of erasures; here, that it has these."""
    assert list_tables()[IDENTIFIERS.name].erased_by == ("seq",)
