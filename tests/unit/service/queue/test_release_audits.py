"""Vehicles on blue stand in a list of audits until an act, or a reason, ends each."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from api.acts.release_audits import ClosedAudit, OpenAudits
from api.service.executors import Backtests
from engine.criteria.profiles.profile import BacktestSubject
from engine.domain.rights import Role
from engine.domain.time_units import moment
from engine.journal.kinds import CROSSING, DECISION, SEIZURE
from engine.queue.match_outcomes import OutcomeProjection
from features.history.labels import labels
from features.history.tables import read_event_log
from models.evaluation.profile_backtest import profile_backtest
from tests.support.clocks import travel
from tests.support.extra_callers import person, send
from tests.support.page_session import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.decisions.test_amendments import amend, heavier
from tests.unit.service.profiles.test_profiles import make_proposal
from tests.unit.service.reports.test_acts import act, read_basis

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
    assert len(blue) >= 6
    return blue[:6]


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
    # Negative control: an audit that its projection and the labels never hear of.
    monkeypatch.setattr("features.history.tables.KINDS", (DECISION, CROSSING, SEIZURE))
    monkeypatch.setattr(OutcomeProjection, "apply", lambda *_: None)
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
    TypeAdapter(ClosedAudit).validate_python(done.json())
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
