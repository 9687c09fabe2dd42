"""Record of every training run in the MLflow store of the home.

Assumes SQLite and files of this home alone: no server, no telemetry, nothing leaves the machine. It
is a notebook for people: what serves comes from the signed bundle, and nothing breaks when this
store is lost. A run is recorded once it is finished, which is the last thing that is written of it:
one that was torn by a kill is recorded again.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.storage.home import Home
from models.data.dataset import TARGETS
from models.evaluation.report_html import report_html
from models.evaluation.report_text import page
from models.training.mlflow_pages import KEY_VARIABLE

# Read when mlflow is imported, so they are set before it is.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")

EXPERIMENT = "darvoza"
MODEL = "darvoza"
APP = "darvoza"
"""The entry point by which MLflow finds :func:`models.training.mlflow_pages.create_app`."""
FINISHED = "FINISHED"
KILLED = "KILLED"
"""MLflow's words for a run of which all was recorded, and for one that was torn."""
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
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(tracking_uri(home), tracking_uri(home))
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = (
            found.experiment_id
            if found
            else client.create_experiment(EXPERIMENT, (home.tracking / "artifacts").as_uri())
        )
        before = client.search_runs([experiment], f"tags.version = '{bundle.name}'")
        for run in before:
            if run.info.status == FINISHED:
                return str(run.info.run_id)
        for torn in before:
            _give_up(client, torn.info.run_id)
        run = client.create_run(experiment, run_name=bundle.name, tags=_tags(bundle.name, card))
        run_id = str(run.info.run_id)
        _record(client, run_id, card, report)
        for name in ("manifest.json", "card.json", "card.md", "report.json", "calibration.json"):
            client.log_artifact(run_id, str(bundle / name), "bundle")
        try:
            client.create_registered_model(MODEL)
        except MlflowException:
            client.get_registered_model(MODEL)  # it exists; any other trouble shows here
        client.create_model_version(
            MODEL, source=bundle.as_uri(), run_id=run_id, tags={"version": bundle.name}
        )
        client.set_terminated(run_id, FINISHED)
        return run_id


def _give_up(client: Any, run_id: str) -> None:
    """Mark a run as torn, and take back the model version that it may have made."""
    for made in client.search_model_versions(f"run_id = '{run_id}'"):
        client.delete_model_version(made.name, made.version)
    client.set_terminated(run_id, KILLED)


def _tags(version: str, card: Mapping[str, Any]) -> dict[str, str]:
    return {
        "version": version,
        "data_digest": card["data_digest"],
        "definitions": card["definitions"],
        "known_until": card["known_until"],
        "synthetic": str(card["synthetic"]).lower(),
    } | dict(card["made_with"])


def _record(client: Any, run_id: str, card: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """Write parameters, metrics and the readable reports of a run."""
    from mlflow.entities import Metric, Param

    params = [Param(name, text) for name, text in _flat("", card["config"])]
    stamp = 0  # figures of one run have no time of their own; the run has
    metrics = [
        Metric(name, value, stamp, 0) for name, value in _metrics(card, report) if value is not None
    ]
    client.log_batch(run_id, metrics=metrics, params=params)
    client.log_text(run_id, page(report), "report.txt")
    client.log_text(run_id, report_html(report, title=card["version"]), "report.html")


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each choice by its dotted name."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    else:
        yield prefix, json.dumps(value)


def _metrics(
    card: Mapping[str, Any], report: Mapping[str, Any]
) -> Iterator[tuple[str, float | None]]:
    """Yield how each target was made and judged; what is not knowable is not a number."""
    for target in TARGETS:
        facts = card["targets"][target]
        yield f"{target}.finds", float(facts["finds"])
        for kind in ("blend", "blend_where_unseen", "out_of_time_log_loss"):
            for part, figure in facts[kind].items():
                yield f"{target}.{kind}.{part}", float(figure)
    for target, views in report.get("targets", {}).items():
        for name in ("calibration_error", "brier"):
            figure = views["inspected"][name]
            yield f"{target}.{name}", figure["value"] if figure["knowable"] else None
        for view in ("random_stream", "inverse_propensity", "inspected"):
            for name in _FIGURES:
                figure = views[view][name]
                yield f"{target}.{view}.{name}", figure["value"] if figure["knowable"] else None


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
