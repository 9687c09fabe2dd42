"""A checkpoint's find by plate stays within its post until a second person confirms it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.auth.credentials import open_pepper
from engine.domain.rights import Role
from engine.journal.kinds import FIND_CONFIRMED
from features.history.labels import labels
from features.history.tables import read_event_log
from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival, serving
from tests.unit.service.auth.test_persons import record_key
from tests.unit.service.reports.test_acts import act

PLATE = "01F777FF"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """A service of its own: what is found decides features of everything after it."""
    yield from serving(tmp_path)


def enter_vehicle(world: World, number: int, post: str, **more: Any) -> dict[str, Any]:
    known = {"post": post, "plate": PLATE, "driver_ref": "d-find", "crossing_id": f"f-{number}"}
    body = arrival(number)
    body["crossing"] |= known | more
    headers = {} if post == POST else {"Authorization": f"Bearer {world.other}"}
    decision: dict[str, Any] = world.decide(body, **headers).json()
    assert "decision_id" in decision, decision
    return decision


def seizure(number: int, **more: Any) -> dict[str, Any]:
    known = {"seizure_id": f"s-{number}", "recorded_at": datetime.now(UTC).isoformat()}
    return known | {"substance_class": "narcotic", "quantity_g": 900} | more


def finds_of_driver(world: World, number: int) -> float:
    """Return the finds elsewhere that the next vehicle of the driver comes with."""
    decision = enter_vehicle(world, number, POST, plate=f"01G{number:03d}GG")
    found = world.get(f"/v1/decisions/{decision['decision_id']}/features").json()["features"]
    assert isinstance(found["driver_finds_elsewhere"], float)
    return found["driver_finds_elsewhere"]


def read_labels(world: World) -> Mapping[str, int]:
    """Return the seizure label of each crossing of the home's event log."""
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
    found = labels(tables)
    return dict(zip(tables.crossings["crossing_id"].to_pylist(), found.seizure, strict=True))


def test_a_find_on_another_posts_vehicle_waits_and_then_counts(own: World) -> None:
    there = enter_vehicle(own, 1, OTHER)
    reported = own.post("/v1/seizures", seizure(1, plate=PLATE))
    assert reported.status_code == 201
    assert finds_of_driver(own, 2) == 0 and read_labels(own)[there["crossing_id"]] == -1
    (one,) = own.get("/v1/finds").json()["finds"]
    assert (one["post"], one["crossing_id"], one["plate"]) == (OTHER, "f-1", PLATE)

    path = f"/v1/finds/{one['sequence']}/confirmations"
    confirmed = own.post(path, None, Role.SUPERVISOR)
    assert confirmed.status_code == 201 and confirmed.json()["crossing_id"] == "f-1"
    assert own.post(path, None, Role.SUPERVISOR).content == confirmed.content
    assert own.get("/v1/finds", Role.INTEGRITY).json() == {"finds": []}
    assert finds_of_driver(own, 3) == 1 and read_labels(own)[there["crossing_id"]] == 1

    with own.runtime.store.read() as connection:
        known = read_event_log(own.home, connection).seizures.to_pylist()
        entry = own.runtime.journal.body(connection, confirmed.json()["receipt"]["sequence"])
    assert [row["linked_crossing_id"] for row in known] == ["f-1"]
    recorded = datetime.fromisoformat(confirmed.json()["recorded_at"])
    assert known[0]["known_at"] == int(recorded.timestamp() * 1e6 + 0.5), "as of its confirmation"
    assert entry["of"] == one["sequence"] and FIND_CONFIRMED != "seizure"


def test_the_answer_does_not_tell_whether_the_vehicle_was_elsewhere(own: World) -> None:
    enter_vehicle(own, 1, OTHER)
    known = own.post("/v1/seizures", seizure(1, plate=PLATE)).json()
    unknown = own.post("/v1/seizures", seizure(2, plate="99Z999ZZ")).json()
    assert set(known) == set(unknown) and known["kind"] == unknown["kind"] == "seizure"


def test_a_find_within_the_post_or_by_a_supervisor_is_linked_at_once(own: World) -> None:
    here = enter_vehicle(own, 1, POST)
    there = enter_vehicle(own, 2, OTHER, plate="01H222HH", driver_ref="d-other")
    assert own.post("/v1/seizures", seizure(1, plate=PLATE)).status_code == 201
    by = own.post("/v1/seizures", seizure(2, plate="01H222HH"), Role.SUPERVISOR)
    assert by.status_code == 201 and own.get("/v1/finds").json() == {"finds": []}
    found = read_labels(own)
    assert found[here["crossing_id"]] == found[there["crossing_id"]] == 1


def test_a_service_that_links_at_once_is_caught(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without its bound, one key writes finds on any vehicle of the network."""
    record = type(own.runtime.recording).seizure

    def unbound(self: Any, *asked: Any, within: str | None = None, **more: Any) -> Any:
        return record(self, *asked, **more)

    monkeypatch.setattr(type(own.runtime.recording), "seizure", unbound)
    there = enter_vehicle(own, 1, OTHER)
    own.post("/v1/seizures", seizure(1, plate=PLATE))
    assert finds_of_driver(own, 2) == 1 and read_labels(own)[there["crossing_id"]] == 1


def test_an_act_of_another_post_does_not_exist_for_a_find(own: World) -> None:
    there = enter_vehicle(own, 1, OTHER)
    theirs = {"Authorization": f"Bearer {own.other}"}
    filed = own.client.post("/v1/inspections", json=act(1, there["crossing_id"]), headers=theirs)
    assert filed.status_code == 201
    for name in ("i-1", "never"):
        refused = own.post("/v1/seizures", seizure(1, plate=PLATE, inspection_id=name))
        assert refused.status_code == 404


def test_the_reporter_of_a_find_does_not_confirm_it(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_vehicle(own, 1, OTHER)
    own.post("/v1/seizures", seizure(1, plate=PLATE))
    (one,) = own.get("/v1/finds").json()["finds"]
    monkeypatch.setattr(Caller, "person", property(lambda _: one["reported_by"]))
    refused = own.post(f"/v1/finds/{one['sequence']}/confirmations", None, Role.SUPERVISOR)
    assert refused.status_code == 403 and refused.json()["title"] == "SecondPerson"


def test_a_page_lists_the_finds_and_confirms_them(own: World) -> None:
    enter_vehicle(own, 1, OTHER)
    own.post("/v1/seizures", seizure(1, plate=PLATE))
    boss = at_desk(own, "finds-boss")
    assert PLATE in boss.get("/finds").text
    (one,) = own.get("/v1/finds").json()["finds"]
    sent = boss.send("/finds", f"/finds/{one['sequence']}/confirmations", {})
    assert sent.status_code == 303
    assert PLATE not in boss.get(sent.headers["location"]).text
    assert own.get("/v1/finds").json() == {"finds": []}


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE pending_finds SET post = 'OYB', crossing_id = 'f-2'",
        "INSERT INTO pending_finds (seq, post, crossing_id, known_at) VALUES (1, 'OYB', 'f-2', 1)",
    ],
)
def test_an_edited_table_of_finds_grants_nothing(own: World, edit: str) -> None:
    """A find is where its record says: no edit brings one within reach, or to another crossing."""
    enter_vehicle(own, 1, OTHER)
    enter_vehicle(own, 2, POST, plate="01J222JJ", driver_ref="d-innocent")
    own.post("/v1/seizures", seizure(1, plate=PLATE))
    (one,) = own.get("/v1/finds").json()["finds"]
    with own.runtime.store.write() as connection:
        connection.execute(text(edit))
    known = Accounts(own.runtime.store, own.runtime.network)
    known.create_user("boss-oyb", Role.SUPERVISOR, post=POST)
    pepper = open_pepper(own.home)
    boss = known.create_key(Role.SUPERVISOR, POST, pepper=pepper, owner="boss-oyb")
    headers = {"Authorization": f"Bearer {boss.secret}"}
    assert own.client.get("/v1/finds", headers=headers).json() == {"finds": []}
    path = f"/v1/finds/{one['sequence']}/confirmations"
    assert own.client.post(path, headers=headers).status_code == 404
    assert own.client.post("/v1/finds/1/confirmations", headers=headers).status_code == 404
    assert own.get("/v1/finds").json() == {"finds": [one]}
    confirmed = own.post(path, None, Role.SUPERVISOR)
    assert confirmed.json()["crossing_id"] == "f-1"
    assert finds_of_driver(own, 3) == 1


def test_a_key_without_an_owner_confirms_no_find(own: World) -> None:
    enter_vehicle(own, 1, OTHER)
    own.post("/v1/seizures", seizure(1, plate=PLATE))
    (one,) = own.get("/v1/finds").json()["finds"]
    headers = record_key(own, Role.SUPERVISOR)
    path = f"/v1/finds/{one['sequence']}/confirmations"
    assert own.client.get("/v1/finds", headers=headers).json() == {"finds": [one]}
    assert own.client.post(path, headers=headers).status_code == 403
    assert own.get("/v1/finds").json() == {"finds": [one]}
