"""Work on the queue: one officer takes a vehicle, and vehicles on blue are audited."""

import json
from datetime import timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from api.acts.release_audits import OpenAudits
from api.http.answers import Acknowledged
from api.service.executors import Backtests
from engine.criteria.profiles.profile import BacktestSubject
from engine.domain.rights import Role
from engine.domain.time_units import moment
from engine.journal.kinds import CROSSING, DECISION, INSPECTION, SEIZURE
from engine.queue import takings
from engine.queue.match_outcomes import project_outcomes
from engine.queue.takings import TAKINGS
from features.history.labels import labels
from features.history.tables import read_event_log
from models.evaluation.profile_backtest import profile_backtest
from tests.support.clocks import travel
from tests.support.people import at_desk, person, send
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.decisions.test_decisions import amend, heavier
from tests.unit.service.profiles.test_profiles import make_proposal
from tests.unit.service.reports.test_acts import act, find, read_basis

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
    checked = {
        desk: desk.send(page, f"{page}/acts", sent | {"minutes": "9"}) for desk in (ann, bob)
    }
    assert 'id="taken-by">page-bob' in checked[ann].text and "taken-by" not in checked[bob].text
    assert ann.send(page, f"{page}/acts", sent).status_code == 303
    text = ann.get(page).text
    assert 'id="taken-by">page-bob' in text


def give(world: World, decision: dict[str, Any], **body: Any) -> Any:
    path = f"/v1/crossings/{decision['crossing_id']}/assignments"
    return world.post(path, body, Role.SUPERVISOR)


def test_a_supervisor_gives_a_vehicle_to_an_officer_of_the_post(world: World) -> None:
    red = find(world, "red", next(STARTS))
    officer, other = at_desk(world, "given-ann", Role.CHECKPOINT), at_desk(world, "given-bob")
    at_desk(world, "given-analyst", Role.ANALYST)
    for wrong in ("nobody", "given-analyst"):
        assert give(world, red, to=wrong).status_code == 404
    for role in (Role.CHECKPOINT, Role.ANALYST):
        path = f"/v1/crossings/{red['crossing_id']}/assignments"
        assert world.post(path, {"to": "given-ann"}, role).status_code == 403
    assert give(world, red, to="given-ann").status_code == 201
    taken = read_taken(world, red)
    assert taken is not None and taken["by"] == "given-ann" and taken["given_by"]
    assert give(world, red, to="given-bob").status_code == 409, "she holds it"
    queue = officer.get(f"/posts/{POST}/queue").text
    assert "Given to you by" in queue
    assert "Given to you by" not in other.get(f"/posts/{POST}/queue").text
    taken_back = world.post(f"/v1/crossings/{red['crossing_id']}/returns", None, Role.SUPERVISOR)
    assert taken_back.status_code == 201, "who gave it takes it back"
    assert read_taken(world, red) is None


def test_who_is_given_a_vehicle_is_notified_until_it_is_settled(world: World) -> None:
    red = find(world, "red", next(STARTS))
    ann, bob = at_desk(world, "told-ann"), at_desk(world, "told-bob")

    def list_given(desk: Any) -> list[str]:
        found = desk.get("/v1/notifications").json()["notifications"]
        return [one["id"] for one in found if one["kind"] == "vehicle_given"]

    page = f"/decisions/{red['decision_id']}"
    assert bob.send(page, f"{page}/assignments", {"to": "told-ann"}).status_code == 303
    assert list_given(ann) == [red["decision_id"]] and list_given(bob) == []
    assert "given by told-bob" in ann.get(page).text
    filed = world.post("/v1/inspections", act(97_003, red["crossing_id"]))
    assert filed.status_code == 201 and list_given(ann) == []


START = 9_700
CODE = "BLUE-9"


@pytest.fixture(scope="module")
def blue_decisions(world: World) -> list[dict[str, Any]]:
    """Return six decisions on blue, oldest first."""
    people = [person(world, role) for role in (Role.ANALYST, Role.SUPERVISOR)]
    body = make_proposal(CODE, 'crossing.carrier_id == "blue-9"', channel="blue")

    def run(_: Backtests, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        with world.runtime.store.read() as connection:
            made = profile_backtest(read_event_log(world.home, connection), trial, days=days)
        return dict(json.loads(json.dumps(made)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Backtests, "run", run)
        assert send(world, "/v1/profiles", body, people[0]).status_code == 201
    approved = send(world, f"/v1/profiles/{CODE}/approvals", {}, people[1])
    assert approved.status_code == 201, approved.text
    bodies = [arrival(number, carrier_id="blue-9") for number in range(START, START + 40)]
    found = [world.decide(body).json() | {"body": body} for body in bodies]
    blue = [one for one in found if one["channel"] == "blue" and one["body"]["declaration"]]
    assert len(blue) >= 7
    return blue[:7]


def list_audits(world: World, **asked: str) -> dict[str, Any]:
    query = "".join(f"?{name}={value}" for name, value in asked.items())
    answer = world.get(f"/v1/audits{query}", Role.ANALYST)
    TypeAdapter(OpenAudits).validate_python(answer.json())
    return {one["decision_id"]: one for one in answer.json()["audits"]}


def close(world: World, decision: dict[str, Any], **more: Any) -> Any:
    body = {"reason_code": "too_late", "reason": "The goods were sold."} | more
    path = f"/v1/audits/{decision['decision_id']}/closures"
    return world.post(path, body, Role.SUPERVISOR)


def test_a_blue_vehicle_is_listed_until_its_act(
    world: World, blue_decisions: list[dict[str, Any]]
) -> None:
    one = blue_decisions[0]
    shown = list_audits(world, post=POST)[one["decision_id"]]
    assert (shown["crossing_id"], shown["profiles"]) == (one["crossing_id"], [CODE])
    assert shown["age_days"] == 0 and one["decision_id"] not in list_audits(world, post=OTHER)
    filed = world.post("/v1/inspections", act(START, one["crossing_id"], outcome="discrepancy"))
    assert read_basis(world, filed) == ("profile", None)
    assert one["decision_id"] not in list_audits(world)


def taught(world: World, crossing_id: str) -> tuple[int, Any, bool]:
    """Return the label of an audit, its basis, and whether its propensity is unknown."""
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
    found = labels(tables)
    row = tables.crossings["crossing_id"].to_pylist().index(crossing_id)
    return int(found.discrepancy[row]), found.basis[row], bool(np.isnan(found.propensity[row]))


def finds(world: World) -> int:
    number: int = world.get(f"/v1/profiles/{CODE}").json()["outcome"]["finds"]
    return number


def test_an_audit_teaches_like_any_act(
    world: World, blue_decisions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, other), before = blue_decisions[1:3], finds(world)
    world.post("/v1/inspections", act(START + 1, one["crossing_id"], outcome="discrepancy"))
    assert taught(world, one["crossing_id"]) == (1, "profile", True)
    assert finds(world) == before + 1
    books = act(START + 9, blue_decisions[6]["crossing_id"], methods=["documents"])
    assert world.post("/v1/inspections", books).status_code == 201
    assert taught(world, blue_decisions[6]["crossing_id"])[0] == 0
    red = find(world, "red", START + 60)["crossing_id"]
    papers = act(START + 10, red, methods=["documents"])
    assert world.post("/v1/inspections", papers).status_code == 201
    assert taught(world, red)[0] == -1, "no audit: clear papers say nothing"
    # Negative control: an audit that its projection and the labels never hear of.
    monkeypatch.setattr("features.history.tables.KINDS", (DECISION, CROSSING, SEIZURE))
    journal = world.runtime.journal
    deaf = [one for one in journal._projections if one is not project_outcomes]
    monkeypatch.setattr(journal, "_projections", deaf)
    world.post("/v1/inspections", act(START + 2, other["crossing_id"], outcome="discrepancy"))
    assert taught(world, other["crossing_id"])[0] == -1
    assert finds(world) == before + 1


def test_one_that_will_not_be_made_is_closed_once_with_a_reason(
    world: World, blue_decisions: list[dict[str, Any]]
) -> None:
    one = blue_decisions[3]
    assert close(world, one, reason="").status_code == 422
    done = close(world, one)
    assert done.status_code == 201, done.text
    TypeAdapter(Acknowledged).validate_python(done.json())
    assert one["decision_id"] not in list_audits(world)
    assert close(world, one).content == done.content
    assert close(world, one, reason="Another.").status_code == 409
    assert close(world, blue_decisions[0] | {"decision_id": "dec-0"}).status_code == 404
    path = f"/v1/audits/{one['decision_id']}/closures"
    assert world.post(path, {"reason_code": "other", "reason": "x"}).status_code == 403


def test_only_the_last_decision_of_a_movement_is_audited(
    world: World, blue_decisions: list[dict[str, Any]]
) -> None:
    one = blue_decisions[4]
    changed = amend(world, one, heavier(one["body"], 7.0))
    assert changed.status_code == 201
    assert one["decision_id"] not in list_audits(world)
    is_blue = changed.json()["channel"] == "blue"
    assert (changed.json()["decision_id"] in list_audits(world)) is is_blue


def test_audits_age_and_the_page_says_so(
    world: World, blue_decisions: list[dict[str, Any]]
) -> None:
    one = blue_decisions[5]
    page = at_desk(world, "audits", Role.SUPERVISOR)
    text = page.get("/audits").text
    assert one["crossing_id"] in text and "Days open" in text
    assert at_desk(world, "audits-officer", Role.CHECKPOINT).get("/audits").status_code == 403
    with world.runtime.store.read() as connection:
        later = moment(world.runtime.journal.now(connection)) + timedelta(days=3)
    with travel(later, tick=False):
        assert list_audits(world)[one["decision_id"]]["age_days"] == 3
