"""What both sides of a trial found is counted, folded by the week, and moves the share."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.main import app
from api.models import steps
from engine.domain.rights import Role
from engine.domain.time_units import WEEK
from engine.errors import PromotionRefusedError
from engine.queue.queue import list_decisions
from engine.selection import CHALLENGER, CHAMPION
from models.lifecycle import transitions
from models.lifecycle.states import OnTrial, find_trial, read_state
from models.monitoring.trials import (
    ArmCounts,
    counts_for_leader,
    measure_trial,
    measurement,
    update_counts,
)
from tests.integration.service.models.signed_bundles import JUDGED
from tests.integration.service.models.test_champion_challenger import ready
from tests.support.clocks import travel
from tests.support.people import user
from tests.support.running_service import NOON, FakeModels, World, arrival, serving
from tests.support.sizes import PROOF
from tests.unit.service.decisions.test_decisions import amend, heavier
from tests.unit.service.reports.test_acts import act

DECISIONS = 220
BEFORE = 30 if PROOF else 8
"""Weeks in which nothing is searched."""
Said = dict[str, Any]


class JournalModels(FakeModels):
    """Models in memory, of which the journal says which is on trial."""

    def trial(self, connection: Any) -> OnTrial | None:
        return find_trial(connection)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from on_trial_again(tmp_path_factory.mktemp("home"))


def on_trial_again(folder: Path) -> Iterator[World]:
    """Serve a home in which m1 is in force and two people put m2 on trial."""
    for made in serving(folder, JournalModels()):
        journal = made.runtime.journal
        facts = {"manifest": "m", "evaluation": "e", "card": "c"}
        for version, step in (("m1", transitions.approve), ("m2", transitions.challenge)):
            with made.runtime.store.read() as connection:
                now = read_state(connection)
            journal.append(transitions.register(now, version, by="ana", **facts))
            for by in ("ben", "cem"):
                with made.runtime.store.read() as connection:
                    now = read_state(connection)
                journal.append(step(now, version, by=by, manifest="m"))
        ready(made, challenger="m2")
        yield made


@pytest.fixture(scope="module")
def trial_answers(world: World) -> dict[str, Said]:
    """Decide on many arrivals, and search what either side alone wanted; return what was said."""
    world.decide_all(map(arrival, range(DECISIONS)))
    with world.runtime.store.read() as connection:
        filed = list_decisions(connection, post=None, channel=None, since=0, most=999)
        bodies = [world.runtime.journal.body(connection, one.seq)["decision"] for one in filed]
    return {body["crossing_id"]: body for body in bodies}


def read_output(done: Result) -> Said:
    """Return what a command prints; the service in this process may log next to it."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(line))


def trial(world: World) -> OnTrial:
    with world.runtime.store.read() as connection:
        found = find_trial(connection)
    assert found is not None
    return found


def figures(world: World, *, weeks: float = 0.5) -> Any:
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.head(connection).as_of + round(weeks * WEEK)
        return dict(json.loads(json.dumps(measure_trial(connection, trial(world), now=now))))


def alone(trial_answers: dict[str, Said], side: str) -> list[str]:
    """Return what this side alone wanted and led, by what a supervisor may read."""
    return [
        crossing
        for crossing, body in trial_answers.items()
        if body["trial"]["leader"] == side and body["trial"]["wanted"] == [side]
    ]


def search(world: World, crossing: str, **more: Any) -> None:
    number = 70_000 + int(crossing.removeprefix("c-"))
    known = act(number, crossing, **more)
    assert world.post("/v1/inspections", known).status_code == 201


def test_all_that_one_side_alone_wanted_and_led_goes_to_officers(
    trial_answers: dict[str, Said],
) -> None:
    for side in (CHAMPION, CHALLENGER):
        ours = alone(trial_answers, side)
        assert len(ours) >= 6
        assert all(trial_answers[one]["channel"] in ("yellow", "red") for one in ours)
    both = [one for one in trial_answers.values() if len(one["trial"]["wanted"]) == 2]
    assert all(one["channel"] in ("yellow", "red") for one in both)


def search_wanted(world: World, trial_answers: dict[str, Said]) -> None:
    """Search what either side alone wanted, and all that neither or both wanted."""
    ours, theirs = alone(trial_answers, CHALLENGER), alone(trial_answers, CHAMPION)
    search(world, ours[0], outcome="discrepancy", methods=["documents"])  # a find is a find
    search(world, ours[1], methods=["documents", "weighing"])  # no evidence
    search(world, ours[2])
    more = act(80_000, ours[2], outcome="discrepancy")  # searched again
    assert world.post("/v1/inspections", more).status_code == 201
    for one in ours[3:5]:
        search(world, one, outcome="discrepancy")
    for one in theirs[:5]:
        search(world, one)
    seizure = {
        "seizure_id": "sz-1",
        "crossing_id": theirs[5],  # found inland: no search of ours
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    for crossing, body in trial_answers.items():
        wanted, leader = body["trial"]["wanted"], body["trial"]["leader"]
        if wanted != [leader]:
            search(world, crossing, outcome="discrepancy")


@pytest.fixture(scope="module")
def trial_counts(world: World, trial_answers: dict[str, Said]) -> dict[str, Said]:
    """Measure before anything is searched, and afterwards, at once and later."""
    before = figures(world, weeks=BEFORE)
    search_wanted(world, trial_answers)
    at = {"now": 0.5, "in two weeks": 2, "in seven": 7}
    return {"before": before} | {name: figures(world, weeks=weeks) for name, weeks in at.items()}


def test_searches_count_for_the_model_that_alone_wanted_and_led(
    trial_counts: dict[str, Said], trial_answers: dict[str, Said]
) -> None:
    found = trial_counts["now"]
    assert found["sides"] == {
        CHAMPION: {"sent": len(alone(trial_answers, CHAMPION)), "searched": 5, "found": 0},
        CHALLENGER: {"sent": len(alone(trial_answers, CHALLENGER)), "searched": 4, "found": 4},
    }
    assert found["weeks"] == [] and found["share"] == pytest.approx(0.5, abs=1e-3)


def test_weeks_that_are_over_make_the_race(trial_counts: dict[str, Said]) -> None:
    later = trial_counts["in two weeks"]
    nothing = {side: {"finds": 0, "clear": 0} for side in (CHAMPION, CHALLENGER)}
    first = {CHAMPION: {"finds": 0, "clear": 5}, CHALLENGER: {"finds": 4, "clear": 0}}
    assert later["weeks"] == [first, nothing]
    race = update_counts(ArmCounts(), champion=(0, 5), challenger=(4, 0))
    race = update_counts(race, champion=(0, 0), challenger=(0, 0))
    assert later["share"] == race.share > 0.85 and later["winner"] is None
    assert trial_counts["in seven"]["winner"] is None, "four finds are not enough"


def test_the_last_decision_on_a_vehicle_counts(tmp_path: Path) -> None:
    """An amendment draws the same leader, and is asked again what it wanted."""
    for world in on_trial_again(tmp_path):
        changed: list[bool] = []
        for number in range(DECISIONS):
            body = arrival(number)
            if body["declaration"] is None:
                continue
            one = world.decide(body).json()
            first = world.get(f"/v1/decisions/{one['decision_id']}").json()["trial"]
            if not counts_for_leader(first):
                continue
            sent = figures(world)["sides"][first["leader"]]["sent"]
            again = amend(world, one, heavier(body, 77_777.0)).json()
            last = world.get(f"/v1/decisions/{again['decision_id']}").json()["trial"]
            assert last["leader"] == first["leader"], "the same numbers are drawn"
            changed.append(not counts_for_leader(last))
            assert figures(world)["sides"][first["leader"]]["sent"] == sent - changed[-1]
            if any(changed) and len(changed) > 2:
                return
        raise AssertionError("no amendment was wanted otherwise")


@pytest.mark.usefixtures("trial_counts")
def test_the_command_records_the_share_and_the_service_takes_it(world: World) -> None:
    asked = ["trial", "--home", str(world.home.root), "--as", "every-night"]
    with travel(NOON + timedelta(days=8), tick=True):
        found = read_output(CliRunner().invoke(app, [*asked, "--json"]))["measured"]
        text = CliRunner().invoke(app, asked).stdout
    assert found["share"] == trial(world).share > 0.8
    assert "challenger m2" in text and "not yet decided" in text
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    number = 900
    while datetime.now(UTC) < deadline:
        one = world.decide(arrival(number := number + 1)).json()
        value = world.get(f"/v1/decisions/{one['decision_id']}").json()["trial"]
        if value["share"] == found["share"]:
            return
    raise AssertionError("the share never came")


def test_a_measurement_of_another_trial_moves_no_share(world: World) -> None:
    before = trial(world)
    other: Any = figures(world) | {"trial": before.sequence - 1, "share": 0.1}
    world.runtime.journal.append([measurement(other, by="late")])
    assert trial(world) == before


def run_command(world: World, monkeypatch: pytest.MonkeyPatch, *asked: str, name: str) -> Said:
    """Give a command as a user with a password; return what it prints, or how it ended."""
    monkeypatch.setenv("DARVOZA_PASSWORD", user(world, name, Role.SUPERVISOR))
    line = ["trial", *asked, "--home", str(world.home.root), "--as", name, "--json"]
    done = CliRunner().invoke(app, line)
    return read_output(done) if done.exit_code == 0 else {"refused": done.exception}


def test_a_trial_is_ended_by_one_and_begun_by_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = steps.VerifiedBundle("m", JUDGED, fits=True)
    monkeypatch.setattr(steps, "_verify_bundle", lambda *_: found)
    for world in on_trial_again(tmp_path):
        response = world.post("/v1/models/end-trial", {"reason": "It finds less."}, Role.ANALYST)
        assert (response.status_code, response.json()["challenger"]) == (201, None)
        one = world.get("/v1/models/m2").json()
        assert (one["role"], one["trial"]) == ("retired", None)
        assert one["history"][-1]["why"] == "It finds less."
        ready(world, challenger=None, trial_why="")
        again = run_command(world, monkeypatch, "m2", name="ann")
        assert again == {"in_force": "m1", "challenger": None, "approved": ["ann"]}
        again = run_command(world, monkeypatch, "m2", name="bob")
        assert (again["challenger"], again["approved"]) == ("m2", ["ann", "bob"])
        assert trial(world).share == 0.5
        refused = run_command(world, monkeypatch, "m2", name="cyd")["refused"]
        assert isinstance(refused, PromotionRefusedError)
        ended = run_command(world, monkeypatch, "--end", "--why", "enough", name="dan")
        assert ended == {"in_force": "m1", "challenger": None, "approved": []}
