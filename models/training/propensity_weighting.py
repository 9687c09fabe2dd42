"""Do inspected rows count alike, or by the inverse of their logged propensity? The lot decides.

Assumes that rows drawn at random are the only fair judge: every other label was chosen by the very
selection that weights would undo. Weights spend rows, so that they are kept only where they state
better chances for what the lot drew afterwards, by more than chance explains.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from models.array_types import Floats
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.learning.fit import fit
from models.learning.fitted_model import FittedModel
from models.statistics.intervals import Estimate, estimates, unknown_estimate

FEWEST_FINDS = 30
"""Finds of the random stream below which the two are not even tried."""
_SEED = 1952  # of the bootstrap; the year of Horvitz and Thompson's weights
_LEAST = 1e-12


def select_weighting(
    seen: Dataset, config: TrainConfig, *, test: Dataset, until: int, known_before: int
) -> tuple[FittedModel, TrainConfig, dict[str, Any]]:
    """Fit the model that is judged, with the weights that serve the random stream best.

    Parameters
    ----------
    seen : Dataset of n rows
    config : TrainConfig
    test : Dataset of m rows
        What arrived after ``known_before``, with what was found since.
    until, known_before : int
        As :func:`models.learning.fit.fit` takes them.

    Returns
    -------
    Model
    TrainConfig
        With the weights that were chosen, for whatever is fitted next.
    dict
        ``chosen``, and ``gain``: the log-loss of discrepancies on the random stream that weights
        save, per row, with its interval; what the report keeps.

    Raises
    ------
    NotEnoughDataError
        As :func:`models.learning.fit.fit`.
    """

    def fitted(settings: TrainConfig) -> FittedModel:
        return fit(seen, settings, until=until, known_before=known_before)

    if config.weights != "evidence":
        return fitted(config), config, {"chosen": config.weights, "gain": None}
    alike, weighted = (replace(config, weights=way) for way in ("even", "propensity"))
    even = fitted(alike)
    lot = test.take(test.evidence("discrepancy") & (test.basis == "random"))
    finds = int(lot.discrepancy.sum())
    teaching = seen.inspected & (seen.arrived_at < until)
    if np.isnan(seen.propensity[teaching]).all():
        return (
            even,
            alike,
            _describe_choice("even", unknown_estimate(len(lot), finds, "no propensity was logged")),
        )
    if finds < FEWEST_FINDS:
        why = f"fewer than {FEWEST_FINDS} finds in the random stream"
        return even, alike, _describe_choice("even", unknown_estimate(len(lot), finds, why))
    other = fitted(weighted)
    saved = _loss(even, lot) - _loss(other, lot)
    gain = estimates(
        {"gain": lambda drawn: float(drawn @ saved / drawn.sum())}, lot.discrepancy, seed=_SEED
    )["gain"]
    if gain.low is not None and gain.low > 0:
        return other, weighted, _describe_choice("propensity", gain)
    return even, alike, _describe_choice("even", gain)


def _loss(model: FittedModel, rows: Dataset) -> Floats:
    """Return each row's log-loss of discrepancy, in nats."""
    chance = model.score(rows.values).p_discrepancy
    right = np.where(rows.discrepancy == 1, chance, 1 - chance)
    return np.asarray(-np.log(np.maximum(right, _LEAST)), np.float64)


def _describe_choice(chosen: str, gain: Estimate) -> dict[str, Any]:
    return {"chosen": chosen, "gain": gain.as_dict()}
