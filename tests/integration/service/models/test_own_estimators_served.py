"""Five estimators of analysts: trained, put into force by two people, deciding as they learnt."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from typer.testing import CliRunner

from api.cli.main import app
from api.service.model_watch import HomeModels
from api.service.settings import Settings
from engine.domain.rights import Role
from engine.storage.home import file_digest
from experiments.support import deployment
from features.catalogue.catalogue import CATALOGUE
from models.bundle import signing_key
from models.learning.fit import fit
from models.lifecycle import transitions
from models.lifecycle.states import read_state
from models.training.bundle_writer import write_bundle
from models.training.trainer import TrainingResult, risk_tables
from tests.integration.models.learning.test_own_estimators import ESTIMATORS, FIVE
from tests.integration.service.models.signed_bundles import report
from tests.integration.service.models.test_champion_challenger import ready
from tests.support.people import person, send
from tests.support.running_service import World, arrival, make_home, make_keys, open_world

MODULE = "estimators_of_an_analyst"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = make_home(tmp_path_factory.mktemp("home"))
    keys, other = make_keys(home)
    client, running = open_world(home, HomeModels(home), Settings(model_seconds=0.05))
    with client:
        yield World(home, None, client, running.state.runtime, keys, other)


@pytest.fixture(autouse=True)
def _module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each estimator a function of one importable module, as an analyst's file has it."""
    made: dict[str, Callable[[], Any]] = {name: ESTIMATORS[name] for name in FIVE}
    made["network"] = lambda: MLPClassifier(hidden_layer_sizes=(4,))
    module = ModuleType(MODULE)
    module.__dict__.update(made)
    monkeypatch.setitem(sys.modules, MODULE, module)


@cache
def train_with(name: str) -> TrainingResult:
    """Fit the estimator in place of the trees for discrepancies, on a synthetic history."""
    data = deployment._rows()
    config = replace(deployment._CHOICES, estimators=(("discrepancy", f"{MODULE}:{name}"),))
    until = int(data.as_of[-1]) + 2
    model = fit(data, config, until=until, known_before=until)
    known = replace(deployment.fit_synthetic(), report=json.loads(report()))
    return replace(known, model=model, config=config, tables=risk_tables(data, model))


def register(world: World, trained: TrainingResult) -> str:
    bundle = write_bundle(world.home.bundles, trained, signing_key(world.home))
    names = {"manifest": file_digest(bundle / "manifest.json"), "evaluation": "e", "card": "c"}
    with world.runtime.store.read() as connection:
        now = read_state(connection)
    world.runtime.journal.append(transitions.register(now, bundle.name, by="trainer", **names))
    return bundle.name


@pytest.mark.parametrize("number", range(len(FIVE)), ids=FIVE)
def test_an_estimator_decides_as_it_learnt(world: World, number: int) -> None:
    trained = train_with(FIVE[number])
    version = register(world, trained)
    for one in (person(world, Role.SUPERVISOR), person(world, Role.ANALYST)):
        answer = send(world, f"/v1/models/{version}/approvals", None, one)
        assert answer.status_code == 201, answer.text
    assert answer.json()["role"] == "in_force"
    ready(world, mode="model", model_version=version)
    decided = world.decide(arrival(9_100 + number)).json()
    seen = world.get(f"/v1/decisions/{decided['decision_id']}").json()
    assert (seen["mode"], seen["model_version"]) == ("model", version)
    read = world.get(f"/v1/decisions/{decided['decision_id']}/features").json()["features"]
    row = [np.nan if read[name] is None else read[name] for name in trained.model.names]
    learnt = trained.model.score(np.array([row], np.float32))  # by scikit-learn
    assert seen["risk"]["p_discrepancy"] == pytest.approx(learnt.p_discrepancy[0], abs=1e-9)
    explained = world.get(f"/v1/decisions/{decided['decision_id']}/explanation").json()
    assert explained["reasons"]
    assert set(trained.model.names) == set(CATALOGUE)


def test_a_neural_network_is_refused_by_name(world: World) -> None:
    words = ["train", "--estimator", f"{MODULE}:network", "--home", str(world.home.root)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "MLPClassifier cannot become part of a bundle" in str(result.exception)
    assert "LogisticRegression" in str(result.exception), "the refusal says what can"
