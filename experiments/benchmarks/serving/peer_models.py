"""Our model as plain services take it: ``mlflow models serve``, and one made of joblib.

One of the bundle's two ensembles, without calibration, features, selection or a record: the peer is
asked for less than the service does, so a ratio against it is conservative.
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

from engine.storage.home import Home
from models.bundle import load_bundle, read_verified, read_verify_key

TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""All that the analysts' file of a bundle may hold besides scikit-learn's public types."""


PLAIN = "plain.joblib"
"""The same estimator for a service without MLflow, next to its files."""


def save(home: Home, version: str, *, out: Path) -> tuple[str, ...]:
    """Write an MLflow model of a bundle's discrepancy ensemble; return the columns it takes.

    The bundle is verified first; ``out`` is a folder that does not exist yet.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    names = load_bundle(home.bundles / version, read_verify_key(home, version)).names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import joblib
        import mlflow.sklearn

        chosen = estimators(home, version)["discrepancy"]
        mlflow.sklearn.save_model(chosen, str(out), skops_trusted_types=TRUSTED)
    joblib.dump(chosen, out / PLAIN)
    return names


def estimators(home: Home, version: str) -> dict[str, Any]:
    """Return a bundle's scikit-learn estimators by target, verified and loaded from the list."""
    import skops.io

    _, files = read_verified(home.bundles / version, read_verify_key(home, version))
    found: dict[str, Any] = skops.io.loads(files["model.skops"], trusted=TRUSTED)
    return found


def command(model: Path, *, port: int) -> list[str]:
    """Return the command that serves a saved model on this machine only."""
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    return [*serve, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]


def environment() -> dict[str, str]:
    """Return what that command needs: it looks for its server on the path."""
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
