"""Record of trainings, backtests and measurements of drift in the MLflow store of the home.

Assumes SQLite and files of this home alone: no server, no telemetry, nothing leaves the machine. It
is a notebook for people: what serves comes from the signed bundle, and nothing breaks when this
store is lost. A run is recorded once it is finished, which is the last thing that is written of it:
one that was torn by a kill is recorded again. Each training's bundle is a version of the registered
model ``darvoza`` there; the aliases ``champion``
and ``challenger`` follow the journal.

The scorer of a bundle is a model of MLflow's pyfunc flavour. Assumes that darvoza is installed
where the model is loaded: what MLflow keeps is the bundle as it
was signed, verified by the key that stands next to it, and the scorer is that of the service. So
chances equal the served ones to the bit. Who can write to the store of the runs can change the
bundle together with its key: what serves is verified by the home's own key instead.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.storage.home import Home
from models.bundle import Scorer, load_bundle, read_verify_key
from models.data.dataset import TARGETS
from models.evaluation import report_html as plots
from models.evaluation.report_html import draw_plot, render_report
from models.evaluation.report_text import page
from models.explanation.contributions import ALL
from models.lifecycle.states import ModelStates
from models.training.mlflow_pages import KEY_VARIABLE

if TYPE_CHECKING:
    import pandas as pd


KEY = "verify_key"
"""Of the model's configuration: the raw public key of the home in hexadecimal digits."""


class PyfuncScorer:
    """A scorer that takes features as a frame, by name."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def predict(
        self, model_input: "pd.DataFrame", params: Mapping[str, Any] | None = None
    ) -> "pd.DataFrame":
        """Return ``p_seizure`` and ``p_discrepancy`` of rows, float64, with the index of these.

        A feature that has no column is unknown; other columns are ignored. MLflow gives ``params``,
        and a scorer has none.
        """
        import pandas as pd

        values = model_input.reindex(columns=list(self._scorer.names)).to_numpy(np.float32)
        scores = self._scorer.score(values)
        chances = {f"p_{target}": getattr(scores, f"p_{target}") for target in TARGETS}
        return pd.DataFrame(chances, index=model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PyfuncScorer:
    """Return the model that MLflow asks for; raises ``TamperedBundleError``."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex((model_config or {})[KEY]))
    return PyfuncScorer(Scorer.load(Path(path), key=key))


def save_model(path: Path, bundle: Path, key: Ed25519PublicKey, *, run_id: str) -> None:
    """Write a bundle as the MLflow model of a run, with its signature and an example.

    ``path`` is a new folder; its name is that of the run's artifact.

    The example is the usual vehicle of the bundle, so that no record of the home leaves it.
    Raises ``TamperedBundleError`` if the bundle is not what ``key`` signed.
    """
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    kept = load_bundle(bundle, key)
    usual = np.array([kept.norms[ALL]], np.float32)
    mlflow.pyfunc.save_model(
        path,
        mlflow_model=Model(artifact_path=path.name, run_id=run_id),
        loader_module=__name__,
        data_path=str(bundle),
        model_config={KEY: key.public_bytes_raw().hex()},
        signature=ModelSignature(
            inputs=Schema([ColSpec("float", name, required=False) for name in kept.names]),
            outputs=Schema([ColSpec("double", f"p_{target}") for target in TARGETS]),
        ),
        input_example=pd.DataFrame(usual, columns=list(kept.names)),
        pip_requirements=["darvoza"],
    )


# Read when mlflow is imported, so they are set before it is.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")

EXPERIMENT = "darvoza"
MODEL = "darvoza"
APP = "darvoza"
"""The entry point by which MLflow finds :func:`models.training.mlflow_pages.create_app`."""
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag by which MLflow's pages open an experiment on runs and metrics, the classic view, instead of
traces of language models."""
FINISHED = "FINISHED"
KILLED = "KILLED"
"""MLflow's words for a run of which all was recorded, and for one that was torn."""
_METRICS_AT_ONCE, _LONGEST_DIGEST = 1_000, 36
"""Bounds of MLflow's store."""
_FIGURES = ("hit_rate_at_capacity", "recall_at_capacity", "lift", "average_precision", "auc")


def tracking_uri(home: Home) -> str:
    """Return the address of the home's MLflow store, for ``darvoza mlflow``."""
    return f"sqlite:///{home.tracking / 'mlflow.db'}"


def register(home: Home, bundle: Path, report: Mapping[str, Any]) -> str:
    """Record a training run and register its bundle as a model version.

    Returned is MLflow's run id. ``bundle`` is a bundle's folder, whose card names data, definitions
    and every choice; one of which all was recorded before keeps its run.
    """
    card = json.loads((bundle / "card.json").read_bytes())
    with _quiet():
        from mlflow.exceptions import MlflowException

        client, experiment = _open_store(home)
        before = client.search_runs([experiment], f"tags.version = '{bundle.name}'")
        for run in before:
            if run.info.status == FINISHED:
                return str(run.info.run_id)
        for torn in before:
            _give_up(client, torn.info.run_id)
        run = client.create_run(experiment, run_name=bundle.name, tags=_tags(bundle.name, card))
        run_id = str(run.info.run_id)
        params = [(name, text) for name, text in _flat("", card["config"])]
        _record(client, run_id, report, title=bundle.name, params=params, more=_count(card))
        client.log_inputs(run_id, [_describe_dataset(card)])
        for name in ("manifest.json", "card.json", "card.md", "report.json", "calibration.json"):
            client.log_artifact(run_id, str(bundle / name), "bundle")
        try:
            client.create_registered_model(MODEL)
        except MlflowException:
            client.get_registered_model(MODEL)  # it exists; any other trouble shows here
        with TemporaryDirectory(prefix="darvoza-model-") as scratch:
            key = read_verify_key(home, bundle.name)
            save_model(Path(scratch) / "model", bundle, key, run_id=run_id)
            client.log_artifacts(run_id, str(Path(scratch) / "model"), "model")
        client.create_model_version(
            MODEL,
            source=f"{run.info.artifact_uri}/model",
            run_id=run_id,
            tags={"version": bundle.name},
        )
        client.set_terminated(run_id, FINISHED)
        return run_id


def record_backtest(home: Home, report: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """Record a backtest as a run; return MLflow's run id. ``choices`` are its cuts and settings."""
    with _quiet():
        client, experiment = _open_store(home)
        run = client.create_run(experiment, run_name="backtest", tags={"kind": "backtest"})
        run_id = str(run.info.run_id)
        _record(client, run_id, report, title="Backtest", params=list(_flat("", choices)))
        client.set_terminated(run_id, FINISHED)
        return run_id


def record_drift(home: Home, figures: Mapping[str, Any]) -> None:
    """Record a measurement of drift as a run; ``figures`` as the journal has them."""
    with _quiet():
        from mlflow.entities import Metric

        client, experiment = _open_store(home)
        tags = {"kind": "drift", "model": figures["version"]}
        run = client.create_run(experiment, run_name="drift", tags=tags)
        every = figures["all"]
        measured = {"decisions": figures["decisions"], "rows": every["rows"]}
        measured |= {f"{way}.alarmed": every[way]["alarmed"] for way in ("picked", "random")}
        if every["knowable"]:
            measured |= {"moved": every["moved"], "score.psi": every["score"]["psi"]}
            measured |= {f"family.{one['family']}.psi": one["psi"] for one in every["families"]}
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, float(value), 0, 0) for name, value in measured.items()],
        )
        client.log_text(run.info.run_id, json.dumps(figures, indent=1), "drift.json")
        client.set_terminated(run.info.run_id, FINISHED)


def set_aliases(home: Home, now: ModelStates) -> None:
    """Let ``champion`` name the model in force, and ``challenger`` the one on trial.

    Where there is none, or no run made it, the alias goes.
    """
    with _quiet():
        client, _ = _open_store(home)
        number = {
            made.tags.get("version"): made.version
            for made in client.search_model_versions(f"name = '{MODEL}'")
        }
        challenger = None if now.challenger is None else now.challenger.version
        for alias, version in (("champion", now.in_force), ("challenger", challenger)):
            if version in number:
                client.set_registered_model_alias(MODEL, alias, number[version])
            elif number:
                client.delete_registered_model_alias(MODEL, alias)


def _open_store(home: Home) -> tuple[Any, str]:
    """Return a client of the home's store, and the experiment of all runs, made on first use."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri(home), tracking_uri(home))
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = (
        found.experiment_id
        if found
        else client.create_experiment(EXPERIMENT, (home.tracking / "artifacts").as_uri())
    )
    for tag in KIND.items():
        client.set_experiment_tag(experiment, *tag)
    return client, str(experiment)


def _give_up(client: Any, run_id: str) -> None:
    """Mark a run as torn, and take back the model version that it may have made."""
    for made in client.search_model_versions(f"run_id = '{run_id}'"):
        client.delete_model_version(made.name, made.version)
    client.set_terminated(run_id, KILLED)


def _tags(version: str, card: Mapping[str, Any]) -> dict[str, str]:
    return {
        "kind": "training",
        "version": version,
        "data_digest": card["data_digest"],
        "definitions": card["definitions"],
        "known_until": card["known_until"],
        "synthetic": str(card["synthetic"]).lower(),
    } | dict(card["made_with"])


def _record(
    client: Any,
    run_id: str,
    report: Mapping[str, Any],
    *,
    title: str,
    params: Sequence[tuple[str, str]],
    more: Iterable[tuple[str, float]] = (),
) -> None:
    """Write parameters, the metrics of a report and ``more``, and the readable reports of a run."""
    from mlflow.entities import Metric, Param

    stamp = 0  # figures of one run have no time of their own; the run has
    figures = [*more, *_list_metrics(report)]
    metrics = [Metric(name, value, stamp, 0) for name, value in figures if value is not None]
    curves = [
        Metric(name, value, stamp, step)
        for name, points in _list_curves(report)
        for step, value in points
    ]
    client.log_batch(run_id, metrics=metrics, params=[Param(*one) for one in params])
    for begin in range(0, len(curves), _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=curves[begin : begin + _METRICS_AT_ONCE])
    for name, drawing in _draw_plots(report):
        client.log_text(run_id, drawing, f"plots/{name}.svg")
    client.log_text(run_id, page(report), "report.txt")
    client.log_text(run_id, render_report(report, title=title), "report.html")


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each choice by its dotted name."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    else:
        yield prefix, json.dumps(value)


def _count(card: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield how each target was made."""
    for target in TARGETS:
        facts = card["targets"][target]
        yield f"{target}.finds", float(facts["finds"])
        for kind in ("blend", "blend_where_unseen", "out_of_time_log_loss"):
            for part, figure in facts[kind].items():
                yield f"{target}.{kind}.{part}", float(figure)


def _list_metrics(report: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Yield how each target was judged; what is not knowable is not a number."""
    for target, views in report.get("targets", {}).items():
        for name in ("calibration_error", "brier"):
            figure = views["inspected"][name]
            yield from _name_estimate(f"{target}.{name}", figure)
        for view in ("random_stream", "inverse_propensity", "inspected"):
            for name in _FIGURES:
                yield from _name_estimate(f"{target}.{view}.{name}", views[view][name])


def _name_estimate(name: str, figure: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Yield an estimate with the ends of its 95 % interval; nothing where it is not knowable."""
    if figure["knowable"]:
        yield name, figure["value"]
        for end in ("low", "high"):
            yield f"{name}.{end}", figure[end]


def _list_curves(report: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Yield named curves as (step, value): shares caught by percent inspected, and reliability."""
    for target, views in report.get("targets", {}).items():
        for name, found in (
            ("inspected", views["inspected"]["curve"]),
            ("random_stream", views["random_curve"]),
        ):
            if found["knowable"]:
                steps = [round(100 * share) for share in found["capacity"]]
                for line in ("caught", "low", "high"):
                    points = zip(steps, found[line], strict=True)
                    yield f"{target}.{name}.curve.{line}", list(points)
        bins = views["inspected"]["reliability"]
        for line in ("said", "came", "low", "high"):
            yield f"{target}.reliability.{line}", list(enumerate(bins[line]))


def _describe_dataset(card: Mapping[str, Any]) -> Any:
    """Return what taught the model, as MLflow keeps a dataset: counts and a digest, no record."""
    from mlflow.entities import Dataset, DatasetInput

    facts = {
        "known_until": card["known_until"],
        "definitions": card["definitions"],
        "synthetic": card["synthetic"],
    }
    profile = {"features": card["features"]} | {
        f"{target}.{name}": found[name]
        for target, found in card["targets"].items()
        for name in ("rows", "finds")
    }
    return DatasetInput(
        dataset=Dataset(
            name="history of the home",
            digest=card["data_digest"][:_LONGEST_DIGEST],
            source_type="home",
            source=json.dumps(facts),
            profile=json.dumps(profile),
        )
    )


def _draw_plots(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the plots of the report as SVG, by name."""
    for target in report.get("targets", {}):
        for name, draw in (
            ("capture", plots.plot_capture),
            ("reliability", plots.plot_reliability),
        ):
            text = f"{name} of {target}"
            drawn = draw_plot(
                partial(draw, report=report, target=target), name=f"{name}-{target}", text=text
            )
            yield f"{name}-{target}", str(drawn.svg)


def serve_pages(home: Home, *, port: int, key: str) -> None:
    """Serve MLflow's own pages on the loopback address, behind a key, until interrupted."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--app-name", APP, "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", tracking_uri(home)]
    store += ["--artifacts-destination", (home.tracking / "artifacts").as_uri()]
    own = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job runners take 600 MB
        KEY_VARIABLE: key,
    }
    subprocess.run([*command, *store], env=os.environ | own, check=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings that MLflow raises against itself from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
