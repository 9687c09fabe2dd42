"""Two models share the picks in a running service: led by both, made again, never in the way."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.service.model_watch import ModelWatch
from engine.audit.verification import DrawVerifier
from engine.domain.rights import Role
from engine.journal.entries import Draft
from engine.journal.kinds import SHIFT_CLOSED
from engine.ports import Scorer
from engine.queue.queue import list_decisions
from engine.selection import CHALLENGER, CHAMPION, TRIAL, draw_leader
from engine.shifts.shift_state import SHIFTS
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.lifecycle.states import OnTrial
from tests.integration.service.models.test_serving_modes import SECONDS, load
from tests.support.people import at_desk
from tests.support.running_service import FakeModels, UniformScorer, World, arrival, serving
from tests.unit.service.decisions.test_decisions import amend, heavier, inputs

PLAN = Plan(CATALOGUE)
DECISIONS = 60
TRIED = OnTrial("m1", "m2", sequence=7, share=0.4)


@pytest.fixture(scope="module")
def trial_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[Any]]]:
    """Serve a home whose model has a challenger, and decide on some arrivals."""
    models = FakeModels(tried=TRIED)
    for world in serving(tmp_path_factory.mktemp("home"), models):
        yield world, world.decide_all(map(arrival, range(DECISIONS)))


def read_decision(world: World, decision: Any) -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/v1/decisions/{decision['decision_id']}").json()
    return found


def test_both_lead_as_the_draw_says(trial_world: tuple[World, list[Any]]) -> None:
    world, decided = trial_world
    leaders = []
    for one in decided:
        result = read_decision(world, one)
        trial = result["trial"]
        leaders.append(trial["leader"])
        ours, theirs = ("m2", "m1") if trial["leader"] == CHALLENGER else ("m1", "m2")
        assert (result["model_version"], trial["other"], trial["share"]) == (ours, theirs, 0.4)
        drawn = inputs(world, one)["draws"][TRIAL]
        assert trial["leader"] == draw_leader(0.4, drawn)
        assert result["mode"] == "model"
    assert 8 < leaders.count(CHALLENGER) < 40
    ready = world.client.get("/readyz").json()
    assert (ready["model_version"], ready["challenger"], ready["trial_why"]) == ("m1", "m2", "")


def test_a_checkpoint_sees_nothing_of_a_trial(trial_world: tuple[World, list[Any]]) -> None:
    world, decided = trial_world
    assert not any("trial" in one or "m2" in json.dumps(one) for one in decided)
    path = f"/v1/decisions/{decided[0]['decision_id']}"
    assert "trial" not in world.get(path, Role.CHECKPOINT).json()


def test_a_supervisor_reads_what_the_other_model_said(trial_world: tuple[World, list[Any]]) -> None:
    world, decided = trial_world
    boss = at_desk(world, "trial")
    for one in decided[:4]:
        result, page = read_decision(world, one), boss.get(f"/decisions/{one['decision_id']}").text
        leader = "the challenger" if result["trial"]["leader"] == CHALLENGER else "model in force"
        assert f"<dt>Decided at random</dt><dd>{leader} " in page
        assert f"model {result['trial']['other']} said: above " in page


def test_decisions_of_a_trial_come_out_again(trial_world: tuple[World, list[Any]]) -> None:
    world, decided = trial_world
    number = next(n for n in range(DECISIONS) if arrival(n)["declaration"] is not None)
    changed = amend(world, decided[number], heavier(arrival(number), 9_999.0)).json()
    assert inputs(world, changed)["draws"] == inputs(world, decided[number])["draws"]
    with world.runtime.store.read() as connection:
        filed = list_decisions(connection, post=None, channel=None, since=0, most=999)
        made = [world.runtime.recompute.decision(connection, one.seq) for one in filed]
    assert len(made) > DECISIONS
    assert all(one.is_identical for one in made)
    both = {(one.stored["trial"]["leader"], one.stored["channel"]) for one in made}
    assert {(side, "red") for side in (CHAMPION, CHALLENGER)} <= both
    tables = {one.stored["model_version"] for one in made}
    assert tables == {"m1", "m2"}


def test_another_score_of_the_other_model_would_not_come_out(
    trial_world: tuple[World, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control.

    Propensities stand on the side that did not lead, so it is made again too.
    """
    world, decided = trial_world

    def other(version: str) -> Scorer:
        return UniformScorer("m3" if version == "m2" else version, PLAN)

    monkeypatch.setattr(world.runtime.recompute, "_scorer", other)
    led = [one for one in decided if read_decision(world, one)["trial"]["leader"] == CHAMPION]
    with world.runtime.store.read() as connection:
        sequences = [one["receipt"]["sequence"] for one in led]
        made = [world.runtime.recompute.decision(connection, seq) for seq in sequences]
    assert not any(one.is_identical for one in made)


def test_who_leads_is_drawn_again_once_the_seed_is_known(
    trial_world: tuple[World, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = trial_world
    with world.runtime.store.read() as connection:
        row = connection.execute(SHIFTS.select()).first()
    assert row is not None
    body = {"shift": row.shift_id, "seed": bytes(row.seed).hex()}
    world.runtime.writer.submit(Draft(SHIFT_CLOSED, row.shift_id, row.post, body)).result()

    def faults() -> list[str]:
        with world.runtime.store.read() as connection:
            draws = DrawVerifier()
            found = [rule for _, rule, _ in draws.faults(connection)]
        assert draws.checked >= DECISIONS
        return found

    assert faults() == []
    monkeypatch.setattr("engine.audit.verification.draw_leader", lambda share, drawn: CHALLENGER)
    assert set(faults()) == {"leader"}, "negative control: records let the champion lead too"


def ready(world: World, **wanted: Any) -> None:
    """Wait until the service says that it stands so."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        now = world.client.get("/readyz").json()
        if wanted.items() <= now.items():
            return
        time.sleep(0.02)
    raise AssertionError(f"never {wanted}, but {now}")


def test_a_challenger_that_cannot_be_loaded_never_stops_a_decision(tmp_path: Path) -> None:
    models = FakeModels(tried=TRIED, broken=frozenset({"m2"}))
    for world in serving(tmp_path / "home", models):
        why = "there is no model m2"
        ready(world, mode="model", challenger=None, trial_why=why, ready=True, why="")
        result = read_decision(world, world.decide(arrival(1)).json())
        assert (result["mode"], result["model_version"], result["trial"]) == ("model", "m1", None)
        assert TRIAL not in inputs(world, result)["draws"]
        refused = next(
            line
            for line in world.client.get("/metrics").text.splitlines()
            if line.startswith("darvoza_models_refused_total")
        )
        assert float(refused.split()[1]) >= 1
        models.broken = frozenset()
        ready(world, challenger="m2", trial_why="")
        assert read_decision(world, world.decide(arrival(2)).json())["trial"]["sequence"] == 7
        models.tried = None
        ready(world, challenger=None, trial_why="")
        assert read_decision(world, world.decide(arrival(3)).json())["trial"] is None


def watch(trial: list[OnTrial | None], *, wanted: str = "m1", loader: Any = load) -> ModelWatch:
    watched = ModelWatch(
        wanted=lambda: wanted,
        load=loader,
        definitions=PLAN.digest,
        seconds=60,
        trial=lambda: trial[-1],
    )
    watched.look()
    return watched


def faulty(version: str) -> Scorer:
    if version == "m2":
        raise ZeroDivisionError
    return load(version)


@pytest.mark.parametrize(
    ("trial", "wanted", "mode"),
    [
        (OnTrial("m0", "m2", 7, 0.4), "m1", "model"),
        (OnTrial("bad", "m2", 7, 0.4), "bad", "rules_only"),
        (OnTrial("m1", "other-features", 7, 0.4), "m1", "model"),
    ],
    ids=["against another", "against what cannot serve", "of other features"],
)
def test_no_challenger_leads_next_to_another_model_than_its_champion(
    trial: OnTrial, wanted: str, mode: str
) -> None:
    standing = watch([trial], wanted=wanted).state
    assert standing.in_force.challenger is None and standing.in_force.mode == mode
    assert ("other features" in standing.trial_why) == (trial.challenger == "other-features")


def test_a_fault_of_ours_in_a_challenger_keeps_no_model_from_serving() -> None:
    trials: list[OnTrial | None] = [None]
    watched = watch(trials, loader=faulty)
    for before in (None, OnTrial("m1", "m3", 6, 0.4)):
        trials.append(before)
        watched.look()
        assert (watched.in_force().challenger is None) == (before is None)
        trials.append(TRIED)
        with pytest.raises(ZeroDivisionError):
            watched.look()
        assert watched.in_force().mode == "model", "and not the challenger of an older trial"
        assert watched.in_force().challenger is None
