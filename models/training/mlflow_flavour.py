"""The scorer of a bundle as a model of MLflow's pyfunc flavour, for analysts.

Assumes that darvoza is installed where the model is loaded: what MLflow keeps is the bundle as it
was signed, verified by the key that stands next to it, and the scorer is that of the service. So
chances equal the served ones to the bit. Who can write to the store of the runs can change the
bundle together with its key: what serves is verified by the home's own key instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from models.bundle import Scorer, load_bundle
from models.data.dataset import TARGETS
from models.explanation.contributions import ALL

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
