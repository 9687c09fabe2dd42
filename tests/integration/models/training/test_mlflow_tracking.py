"""Every training run is found again in MLflow, from the home's own files, whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.domain.time_units import DAY
from engine.storage.home import Home
from models.training import mlflow_tracking
from models.training.bundle_writer import made_with, write_bundle
from models.training.mlflow_tracking import register
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
    return write_bundle(home.bundles, training_result, Ed25519PrivateKey.generate())


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
    bundle = write_bundle(home.bundles, own, Ed25519PrivateKey.generate())
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
        assert [one for one in runs(home) if one["version"] == bundle.name] == []

    run = register(home, bundle, training_result.report)
    client = store(home)
    finished = [one["run_id"] for one in runs(home) if one["version"] == bundle.name]
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

    (kept,) = (one for one in runs(home) if one["version"] == bundle.name)
    assert kept["version"] == bundle.name
    assert kept["data_digest"] == training_result.data_digest
    assert kept["definitions"] == DATA.definitions
    assert kept["synthetic"] == "true"
    assert made_with().items() <= kept.items()
    assert {"python", "scikit-learn", "numpy"} <= set(made_with())
    artifacts = home.tracking / "artifacts" / run / "artifacts"
    assert "generated data" in (artifacts / "report.html").read_text("utf-8")
    assert (artifacts / "bundle" / "card.md").read_bytes() == (bundle / "card.md").read_bytes()
