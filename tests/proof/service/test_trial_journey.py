"""A trial from end to end: two models are trained, one is put on trial, both lead, acts come in.

The world is synthetic: only vehicles that weigh little carry anything. The model in force was
taught that heavy ones do, as if the world had changed since; the challenger was taught what holds
now.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.service.model_watch import HomeModels
from api.service.settings import Settings
from engine.domain.rights import Role
from engine.queue.queue import list_decisions
from engine.storage.home import Home, file_digest
from experiments.support import deployment
from models.bundle import signing_key
from models.learning.fit import fit
from models.lifecycle import transitions
from models.lifecycle.states import read_state
from models.training.bundle_writer import write_bundle
from models.training.trainer import TrainingResult, risk_tables
from tests.integration.service.models.signed_bundles import report
from tests.integration.service.models.test_champion_challenger import ready
from tests.support.clocks import travel
from tests.support.people import person, send
from tests.support.running_service import NOON, World, arrival, make_home, make_keys, open_world
from tests.support.sizes import PROOF
from tests.unit.service.reports.test_acts import act

HEAVY = 12_000.0
DECISIONS = 95


def taught(*, heavy: bool) -> TrainingResult:
    """Train a model on a world in which heavy vehicles carry, or light ones.

    It may split by the mass, whatever the catalogue holds next to it; where nothing was weighed,
    chance decides.
    """
    data = deployment._rows()
    mass = data.values[:, data.names.index("weighed_mass_kg")]
    is_random = np.random.default_rng(3).random(len(mass)) < 0.5
    carries = np.where(np.isnan(mass), is_random, (mass > HEAVY) == heavy)
    data = replace(data, discrepancy=carries.astype(np.int8))
    trees = replace(deployment._CHOICES.discrepancy, iterations=20, share_of_features=1.0)
    until = int(data.as_of[-1]) + 2
    config = replace(deployment._CHOICES, discrepancy=trees)
    model = fit(data, config, until=until, known_before=until)
    table = risk_tables(data, model)
    made = replace(deployment.fit_synthetic(), report=json.loads(report()))
    return replace(made, model=model, data_digest=data.digest(), tables=table)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = make_home(tmp_path_factory.mktemp("home"))
    keys, other = make_keys(home)
    settings = Settings(model_seconds=0.05, red_share=0.1, yellow_share=0.4)
    client, running = open_world(home, HomeModels(home), settings)
    with client:
        yield World(home, None, client, running.state.runtime, keys, other)


def register_bundle(world: World, home: Home, *, heavy: bool) -> str:
    bundle = write_bundle(home.bundles, taught(heavy=heavy), signing_key(home))
    names = {"manifest": file_digest(bundle / "manifest.json"), "evaluation": "e", "card": "c"}
    with world.runtime.store.read() as connection:
        now = read_state(connection)
    world.runtime.journal.append(transitions.register(now, bundle.name, by="trainer", **names))
    return bundle.name


def carries(body: dict[str, Any]) -> bool:
    return bool(body["crossing"]["weighed_mass_kg"] < HEAVY)


def decide_arrivals(world: World, numbers: range) -> list[dict[str, Any]]:
    """Decide on arrivals and search those sent to officers; return what a supervisor reads."""
    found = []
    for number in numbers:
        place = number * 37 % 100  # three in ten are light
        mass = 2_000.0 + 10 * place if place < 30 else 22_000.0 + 100 * place
        body = arrival(number, weighed_mass_kg=mass)
        one = world.decide(body).json()
        found.append(world.get(f"/v1/decisions/{one['decision_id']}").json())
        if one["channel"] in ("yellow", "red"):
            outcome = "discrepancy" if carries(body) else "clear"
            result = act(number, one["crossing_id"], outcome=outcome)
            assert world.post("/v1/inspections", result).status_code == 201
    return found


def begun(world: World) -> tuple[str, str, list[dict[str, str]]]:
    """Put a model into force and another on trial; return both, and who approved all of it."""
    champion = register_bundle(world, world.home, heavy=True)
    people = [person(world, Role.SUPERVISOR), person(world, Role.ANALYST)]
    for one in people:
        assert send(world, f"/v1/models/{champion}/approvals", None, one).status_code == 201
    ready(world, mode="model", model_version=champion)
    challenger = register_bundle(world, world.home, heavy=False)
    path = f"/v1/models/{challenger}/challenges"
    for role, one in zip(("candidate", "challenger"), people, strict=True):
        response = send(world, path, None, one)
        assert (response.status_code, response.json()["role"]) == (201, role), response.text
        assert send(world, path, None, one).status_code == 409
    ready(world, model_version=champion, challenger=challenger, trial_why="")
    return champion, challenger, people


def measure_week(world: World, version: str) -> dict[str, Any]:
    """Measure a week later, as every night, and return what is said of the trial."""
    with travel(NOON + timedelta(days=8), tick=True):
        asked = ["trial", "--home", str(world.home.root), "--as", "every-night", "--json"]
        assert CliRunner().invoke(app, asked).exit_code == 0
    found: dict[str, Any] = world.get(f"/v1/models/{version}").json()["trial"]
    return found


def test_a_challenger_that_finds_more_leads_more_and_comes_into_force_by_two(world: World) -> None:
    champion, challenger, people = begun(world)
    path = f"/v1/models/{challenger}"
    assert world.get("/v1/models").json()["challenger"] == challenger
    assert world.get(path).json()["trial"]["share"] == 0.5
    before = decide_arrivals(world, range(DECISIONS))
    assert {one["model_version"] for one in before} == {champion, challenger}
    with world.runtime.store.read() as connection:
        made = list_decisions(connection, post=None, channel=None, since=0, most=999)
        for filed in list(made)[:: 1 if PROOF else 5]:
            assert world.runtime.recompute.decision(connection, filed.seq).is_identical

    trial = measure_week(world, challenger)
    sides = trial["measured"]["sides"]
    assert sides["challenger"]["found"] > sides["champion"]["found"]
    assert min(one["searched"] for one in sides.values()) > 10
    assert trial["share"] == 0.9, "the most, while it is tried"
    assert trial["measured"]["better"] > 0.95 and trial["measured"]["winner"] is None
    assert world.get(f"/v1/models/{champion}").json()["trial"] == trial
    after = [
        one for one in decide_arrivals(world, range(1_000, 1_080)) if one["trial"]["share"] == 0.9
    ]
    assert len(after) > 60, "what came before the service looked again is led evenly"
    led = sum(one["trial"]["leader"] == "challenger" for one in after)
    assert 0.8 < led / len(after) < 0.98

    for one in people:
        assert send(world, f"{path}/approvals", None, one).status_code == 201
    ready(world, model_version=challenger, challenger=None)
    now = world.get(path).json()
    assert (now["role"], now["trial"]) == ("in_force", None)
    assert world.get(f"/v1/models/{champion}").json()["role"] == "retired"
    (last,) = decide_arrivals(world, range(5_000, 5_001))
    assert (last["trial"], last["model_version"]) == (None, challenger)
    kinds = [one["kind"] for one in now["history"]]
    assert kinds.count("model_challenged") == 2 and kinds[-1] == "model_in_force"


def test_a_trial_that_does_not_run_cannot_be_ended_nor_one_without_a_reason(world: World) -> None:
    for body, status in (({"reason": "?"}, 409), ({}, 422)):
        assert world.post("/v1/models/end-trial", body, Role.SUPERVISOR).status_code == status
