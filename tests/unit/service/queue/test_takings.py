"""Two officers are never on one vehicle without knowing: one takes it, the other is told."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.rights import Role
from engine.journal.kinds import INSPECTION
from engine.queue import takings
from engine.queue.takings import TAKINGS
from tests.support.extra_callers import person, send
from tests.support.page_session import at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

STARTS = count(97_000, 500)
QUEUE = f"/v1/posts/{POST}/queue"


def read_taken(world: World, decision: dict[str, Any]) -> dict[str, Any] | None:
    """Return who holds a vehicle by the queue; its decision says the same."""
    waiting = world.get(QUEUE).json()["waiting"]
    (found,) = [one for one in waiting if one["decision_id"] == decision["decision_id"]]
    alone = world.get(f"/v1/decisions/{decision['decision_id']}").json()
    assert alone.get("taken") == found.get("taken")
    taken: dict[str, Any] | None = found.get("taken")
    return taken


def takings_of(decision: dict[str, Any]) -> str:
    return f"/v1/crossings/{decision['crossing_id']}/takings"


def test_a_taken_vehicle_is_taken_over_only_by_its_name(world: World) -> None:
    red = find(world, "red", next(STARTS))
    ann, bob = person(world, Role.SUPERVISOR), person(world, Role.SUPERVISOR)
    assert read_taken(world, red) is None
    first = send(world, takings_of(red), {}, ann)
    assert first.status_code == 201, first.text
    taken = read_taken(world, red)
    assert taken is not None and taken["sequence"] == first.json()["receipt"]["sequence"]
    refused = send(world, takings_of(red), {}, bob)
    assert refused.status_code == 409
    assert taken["by"] in refused.text and f"over: {taken['sequence']}" in refused.text
    wrong = send(world, takings_of(red), {"over": taken["sequence"] + 1}, bob)
    assert wrong.status_code == 409 and read_taken(world, red) == taken
    again = send(world, takings_of(red), {"over": taken["sequence"]}, bob)
    assert again.status_code == 201, again.text
    body = world.runtime.journal.body
    with world.runtime.store.read() as connection:
        over = body(connection, again.json()["receipt"]["sequence"])
    assert over["over"] == taken["sequence"] and over["by"] != taken["by"]
    returns = takings_of(red).replace("takings", "returns")
    assert send(world, returns, None, ann).status_code == 409, "she does not hold it any more"
    assert send(world, returns, None, bob).status_code == 201
    assert read_taken(world, red) is None


def test_a_second_taker_that_is_not_stopped_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: who holds a vehicle is not looked up."""
    monkeypatch.setattr(takings.VehicleHolder, "is_same", lambda *_: True)
    with pytest.raises(AssertionError, match="201 == 409"):
        test_a_taken_vehicle_is_taken_over_only_by_its_name(world)


def test_of_two_who_take_at_once_one_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = find(world, "red", next(STARTS))
    recording = world.runtime.recording
    ann, bob = person(world, Role.SUPERVISOR), person(world, Role.SUPERVISOR)
    drafted, statuses = recording.once, []

    def wait(claim: Any, draft: Any) -> Any:
        """Let bob take the vehicle after ann's request has read that it is free."""
        monkeypatch.setattr(recording, "once", drafted)
        statuses.append(send(world, takings_of(red), {}, bob).status_code)
        return drafted(claim, draft)

    monkeypatch.setattr(recording, "once", wait)
    statuses.append(send(world, takings_of(red), {}, ann).status_code)
    assert statuses == [201, 409]


def test_a_machine_takes_for_a_team(world: World) -> None:
    red = find(world, "red", next(STARTS))
    path = takings_of(red)
    refused = world.post(path, {})
    assert refused.status_code == 422 and "team" in refused.text
    assert world.post(f"{path}?team=t-1", {}).status_code == 201
    taken = read_taken(world, red)
    assert taken is not None and taken["team"] == "t-1"
    assert world.post(f"{path}?team=t-2", {}).status_code == 409
    assert world.post(path.replace("takings", "returns") + "?team=t-1", None).status_code == 201


def test_a_taking_ends_with_the_act_which_says_whose_it_was(world: World) -> None:
    red = find(world, "red", next(STARTS))
    ann = person(world, Role.SUPERVISOR)
    assert send(world, takings_of(red), {}, ann).status_code == 201
    taken = read_taken(world, red)
    assert taken is not None
    filed = world.post("/v1/inspections", act(97_001, red["crossing_id"]))
    assert filed.status_code == 201, filed.text
    assert filed.json()["taken_by"] == taken["by"]
    with world.runtime.store.read() as connection:
        sequence = filed.json()["receipt"]["sequence"]
        assert world.runtime.journal.body(connection, sequence, of=INSPECTION)["taken_by"]
        rows = connection.execute(
            select(TAKINGS.c.person).where(TAKINGS.c.crossing_id == red["crossing_id"])
        ).all()
        now = world.runtime.journal.now(connection)
        assert len(rows) == 1
        assert takings.read_holder(connection, red["crossing_id"], as_of=now) is None
    assert send(world, takings_of(red), {}, ann).status_code == 409, "it does not wait any more"
    own = find(world, "red", next(STARTS))
    assert send(world, takings_of(own), {}, ann).status_code == 201
    filed = send(world, "/v1/inspections", act(97_002, own["crossing_id"]), ann)
    assert filed.status_code == 201 and filed.json().get("taken_by") is None


def test_a_taking_ends_after_its_time(world: World) -> None:
    red = find(world, "red", next(STARTS))
    ann = person(world, Role.SUPERVISOR)
    assert send(world, takings_of(red), {}, ann).status_code == 201
    assert read_taken(world, red) is not None
    later = world.runtime.settings.taken_minutes * 60_000_000
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.now(connection)
        held = [
            takings.read_holder(connection, red["crossing_id"], as_of=now + round(part * later))
            for part in (0.5, 1.5)
        ]
    assert held[0] is not None and held[1] is None


def test_the_pages_ask_before_a_vehicle_is_taken_over(world: World) -> None:
    red = find(world, "red", next(STARTS))
    page = f"/decisions/{red['decision_id']}"
    ann, bob = at_desk(world, "page-ann"), at_desk(world, "page-bob", Role.CHECKPOINT)
    before = ann.get(f"/posts/{POST}/queue").text
    assert ann.send(page, f"{page}/takings", {}).status_code == 303
    assert "Taken by you since" in ann.get(page).text
    assert "taken by page-ann" in bob.get(f"/posts/{POST}/queue").text
    marks = [
        text.split('data-mark="')[1][:16] for text in (before, ann.get(f"/posts/{POST}/queue").text)
    ]
    assert marks[0] != marks[1], "open pages follow"
    assert "Taken by page-ann since" in bob.get(page).text
    asked = bob.send(page, f"{page}/takings", {})
    assert asked.status_code == 409 and "take over?" in asked.text
    assert "Taken by page-ann" in bob.get(page).text, "nothing is recorded yet"
    over = asked.text.split('name="over" value="')[1].split('"')[0]
    assert bob.send(page, f"{page}/takings", {"over": over}).status_code == 303
    assert "Taken by you since" in bob.get(page).text
    sent = {"once": "a" * 24, "outcome": "clear", "methods": "physical"}
    assert ann.send(page, f"{page}/acts", sent).status_code == 303
    text = ann.get(page).text
    assert 'id="taken-by">page-bob' in text and "filed by another person" in text
