"""A plain scoring service, as an analyst would write it: FastAPI and a model from joblib. A peer.

It answers ready-made rows of features with chances, and does nothing else: no record, no features,
no reasons, no caller. ``python -m experiments.benchmarks.plain_service MODEL PORT`` serves
until stopped. ``/nothing`` is the floor: what the server and the framework cost a handler that does
nothing.
"""

import sys
from typing import Any

import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    """What is asked about."""

    rows: list[list[float]]
    """Shape (n, n_features)."""


def service(model: Any) -> FastAPI:
    """Return the application around an estimator."""
    app = FastAPI()

    @app.post("/predict")
    async def predict(asked: Rows) -> dict[str, list[float]]:
        values = np.array(asked.rows, np.float32)
        return {"chances": model.predict_proba(values)[:, 1].tolist()}

    @app.post("/nothing")
    async def answer_empty() -> dict[str, bool]:
        return {"answered": True}

    return app


if __name__ == "__main__":
    uvicorn.run(
        service(joblib.load(sys.argv[1])),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_level="warning",
    )
