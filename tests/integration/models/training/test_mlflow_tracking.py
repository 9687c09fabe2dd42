"""Every training run is found again in MLflow, from the home's own files, whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.domain.time_units import DAY
from engine.errors import TamperedBundleError
from engine.storage.home import Home
from models.bundle import Scorer, signing_key
from models.lifecycle.states import ModelState, ModelStates, Role
from models.training import mlflow_tracking
from models.training.bundle_writer import made_with, write_bundle
from models.training.mlflow_tracking import (
    record_backtest,
    record_drift,
    register,
    set_aliases,
)
from models.training.trainer import TrainingResult, train
from tests.support.small_dataset import QUICK, START, small_world

# The product keeps these to itself; a test that asks MLflow directly meets whichever comes first.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DATA = small_world(2000, seed=21)


@pytest.fixture(scope="module")
def training_result() -> TrainingResult:
    return train(DATA, QUICK, cutoff=START + 200 * DAY)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Keep one store for all tests: to make it takes longer than they do."""
    return Home(tmp_path_factory.mktemp("tracked") / "home").prepare()


@pytest.fixture(scope="module")
def bundle(home: Home, training_result: TrainingResult) -> Path:
    return write_bundle(home.bundles, training_result, signing_key(home))


def store(home: Home) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(mlflow_tracking.tracking_uri(home), mlflow_tracking.tracking_uri(home))


def runs(home: Home) -> list[dict[str, str]]:
    """The tags of the runs that MLflow calls finished."""
    client = store(home)
    found = client.get_experiment_by_name(mlflow_tracking.EXPERIMENT)
    kept = client.search_runs(
        [found.experiment_id], f"attributes.status = '{mlflow_tracking.FINISHED}'"
    )
    return [dict(run.data.tags) | {"run_id": run.info.run_id} for run in kept]


def test_a_run_that_was_torn_is_recorded_again(
    home: Home, training_result: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between any two writes, and called again, as `darvoza train` does.

    The bundle is this test's own: other tests record theirs in the same store, in any order.
    """
    own = replace(
        training_result,
        config=replace(training_result.config, seed=training_result.config.seed + 1),
    )
    bundle = write_bundle(home.bundles, own, signing_key(home))
    from mlflow import MlflowClient

    class KilledProcess(BaseException):
        """What a kill looks like from inside: nothing that is caught."""

    def kill(*_: Any, **__: Any) -> None:
        raise KilledProcess

    def status(run_id: str) -> str:
        return str(client.get_run(run_id).info.status)

    # What the page holds is none of this; to draw it six times takes longer than all the rest.
    monkeypatch.setattr(mlflow_tracking, "render_report", lambda *_, **__: "<p>a page</p>")
    torn = []
    for step in ("log_batch", "log_text", "log_artifact", "create_model_version", "set_terminated"):
        with monkeypatch.context() as patched:
            made = MlflowClient.create_run

            def keep_run(*given: Any, made: Any = made, **named: Any) -> Any:
                run = made(*given, **named)
                torn.append(run.info.run_id)
                return run

            patched.setattr(MlflowClient, "create_run", keep_run)
            patched.setattr(MlflowClient, step, kill)
            with pytest.raises(KilledProcess):
                register(home, bundle, training_result.report)
        assert [one for one in runs(home) if one.get("version") == bundle.name] == []

    run = register(home, bundle, training_result.report)
    client = store(home)
    finished = [one["run_id"] for one in runs(home) if one.get("version") == bundle.name]
    assert finished == [run] and run not in torn
    assert status(run) == mlflow_tracking.FINISHED and client.get_run(run).data.params
    assert {status(one) for one in torn} == {mlflow_tracking.KILLED}
    known = client.search_model_versions(f"name = '{mlflow_tracking.MODEL}'")
    (kept,) = (one for one in known if one.run_id == run)
    assert kept.tags["version"] == bundle.name


def test_a_run_keeps_its_choices_figures_and_digests(
    home: Home, bundle: Path, training_result: TrainingResult, capfd: pytest.CaptureFixture[str]
) -> None:
    run = register(home, bundle, training_result.report)
    assert register(home, bundle, training_result.report) == run
    assert capfd.readouterr() == ("", "")

    (kept,) = (one for one in runs(home) if one.get("version") == bundle.name)
    assert kept["version"] == bundle.name
    assert kept["data_digest"] == training_result.data_digest
    assert kept["definitions"] == DATA.definitions
    assert kept["synthetic"] == "true"
    assert made_with().items() <= kept.items()
    assert {"python", "scikit-learn", "numpy"} <= set(made_with())
    artifacts = home.tracking / "artifacts" / run / "artifacts"
    assert "generated data" in (artifacts / "report.html").read_text("utf-8")
    assert (artifacts / "bundle" / "card.md").read_bytes() == (bundle / "card.md").read_bytes()


def states(champion: str | None, challenger: str | None) -> ModelStates:
    """Return where two models stand; None of a place that is empty."""
    places: dict[str | None, Role] = {champion: "in_force", challenger: "challenger"}
    models = {
        name: ModelState(name, role, "t", "m", "e", "c", trial=1 if name == challenger else None)
        for name, role in places.items()
        if name
    }
    return ModelStates(models, (champion,) if champion else ())


def test_the_champion_of_mlflow_scores_as_the_service_to_the_bit(
    home: Home, bundle: Path, training_result: TrainingResult, tmp_path: Path
) -> None:
    import mlflow

    register(home, bundle, training_result.report)
    set_aliases(home, states(bundle.name, None))
    version = store(home).get_model_version_by_alias(mlflow_tracking.MODEL, "champion")
    assert version.tags["version"] == bundle.name
    mlflow.set_tracking_uri(mlflow_tracking.tracking_uri(home))
    loaded = mlflow.pyfunc.load_model(f"models:/{mlflow_tracking.MODEL}@champion")
    frame = pd.DataFrame(DATA.values, columns=list(DATA.names), index=DATA.crossing_id)
    answer = loaded.predict(frame.assign(other=1.0)[[*reversed(DATA.names), "other"]])
    scorer = Scorer.load(bundle, key=signing_key(home).public_key())
    served = [scorer.score(row) for row in DATA.values[:300, None]]  # the service asks one by one
    for target in ("p_seizure", "p_discrepancy"):
        expected = np.concatenate([getattr(one, target) for one in served])
        np.testing.assert_array_equal(answer[target].to_numpy()[:300], expected)
    assert answer.index.tolist() == DATA.crossing_id.tolist()
    # A feature without a column is an unknown one, for the service and here.
    unknown = DATA.values.copy()
    unknown[:, 2] = np.nan
    fewer = loaded.predict(frame.drop(columns=DATA.names[2]))
    np.testing.assert_array_equal(fewer["p_seizure"], scorer.score(unknown).p_seizure)

    signature = loaded.metadata.signature
    assert signature.inputs.input_names() == list(DATA.names)
    assert signature.outputs.input_names() == ["p_seizure", "p_discrepancy"]
    example = loaded.metadata.load_input_example()
    assert list(example) == list(DATA.names) and len(loaded.predict(example)) == 1

    kept = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path)))
    (table,) = kept.rglob("calibration.json")
    table.write_bytes(table.read_bytes() + b" ")  # negative control: not what was signed
    with pytest.raises(TamperedBundleError):
        mlflow.pyfunc.load_model(str(kept))


def test_aliases_follow_what_decides(
    home: Home, bundle: Path, training_result: TrainingResult
) -> None:
    config = replace(training_result.config, seed=training_result.config.seed + 2)
    other = write_bundle(home.bundles, replace(training_result, config=config), signing_key(home))
    for one in (bundle, other):
        register(home, one, training_result.report)

    def named(alias: str) -> str | None:
        number = store(home).get_registered_model(mlflow_tracking.MODEL).aliases.get(alias)
        if number is None:
            return None
        return str(store(home).get_model_version(mlflow_tracking.MODEL, number).tags["version"])

    for champion, challenger in (
        (bundle.name, other.name),
        (other.name, None),
        (None, None),
        ("m-of-another-home", None),
    ):
        set_aliases(home, states(champion, challenger))
        known = None if champion == "m-of-another-home" else champion
        assert (named("champion"), named("challenger")) == (known, challenger)


def test_backtests_and_drift_are_runs(home: Home, training_result: TrainingResult) -> None:
    report = dict(training_result.report)
    run = record_backtest(home, report, {"folder": "f", "period": {"labels": "frozen"}})
    kept = store(home).get_run(run)
    assert kept.data.tags["kind"] == "backtest"
    assert kept.data.params["period.labels"] == '"frozen"'
    judged = report["targets"]["discrepancy"]["inspected"]["average_precision"]
    assert kept.data.metrics["discrepancy.inspected.average_precision"] == judged["value"]

    watch = {"alarmed": True}
    every = {"rows": 9, "knowable": False, "picked": watch, "random": {"alarmed": False}}
    record_drift(home, {"version": "m1", "decisions": 12, "all": every})
    (measured,) = (one for one in runs(home) if one.get("kind") == "drift")
    metrics = store(home).get_run(measured["run_id"]).data.metrics
    assert measured["model"] == "m1"
    assert metrics == {"decisions": 12, "rows": 9, "picked.alarmed": 1, "random.alarmed": 0}
