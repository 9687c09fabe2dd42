"""Choice between even weights and inverse-propensity weights, judged by the random stream.

Assumes that rows drawn at random are the only fair judge: every other label was chosen by the very
selection that weights would undo. Weights spend rows, so that they are kept only where they state
better chances for later random checks, by more than chance explains.
"""

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class WeightingChoice:
    """A configuration whose weighting is settled, and the evidence for it."""

    config: TrainConfig
    """With the chosen weights, for the model that serves."""
    model: FittedModel
    """Fitted with them before the test period, for the report."""
    chosen: str
    gain: Estimate | None
    """Log-loss of discrepancies on the random stream that weights save, per row, in nats.

    None where the configuration named the weights.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return what the report keeps."""
        return {"chosen": self.chosen, "gain": self.gain.as_dict() if self.gain else None}


def select_weighting(
    seen: Dataset, config: TrainConfig, *, test: Dataset, until: int, known_before: int
) -> WeightingChoice:
    """Choose the weights that state the best chances for the random stream of the test period.

    ``test`` arrived after ``known_before``, and holds what was found since; ``until`` and
    ``known_before`` are as :func:`models.learning.fit.fit` takes them, and so is what it raises.
    """

    def fit_weighted(settings: TrainConfig) -> FittedModel:
        return fit(seen, settings, until=until, known_before=known_before)

    if config.weights != "evidence":
        return WeightingChoice(config, fit_weighted(config), config.weights, gain=None)
    even, weighted = (replace(config, weights=way) for way in ("even", "propensity"))
    even_model = fit_weighted(even)
    random_rows = test.take(test.evidence("discrepancy") & (test.basis == "random"))
    finds, why = int(random_rows.discrepancy.sum()), ""
    if np.isnan(seen.propensity[seen.is_inspected & (seen.arrived_at < until)]).all():
        why = "no propensity was logged"
    elif finds < FEWEST_FINDS:
        why = f"fewer than {FEWEST_FINDS} finds in the random stream"
    if why:
        gain = unknown_estimate(len(random_rows), finds, why)
        return WeightingChoice(even, even_model, "even", gain)
    weighted_model = fit_weighted(weighted)
    gain = _estimate_gain(even_model, weighted_model, random_rows)
    if gain.low is not None and gain.low > 0:
        return WeightingChoice(weighted, weighted_model, "propensity", gain)
    return WeightingChoice(even, even_model, "even", gain)


def _estimate_gain(even: FittedModel, weighted: FittedModel, rows: Dataset) -> Estimate:
    """Return the log-loss per row that weights save, with its paired bootstrap interval."""
    saved = _loss(even, rows) - _loss(weighted, rows)
    return estimates(
        {"gain": lambda drawn: float(drawn @ saved / drawn.sum())}, rows.discrepancy, seed=_SEED
    )["gain"]


def _loss(model: FittedModel, rows: Dataset) -> Floats:
    """Return each row's log-loss of discrepancy, in nats."""
    chance = model.score(rows.values).p_discrepancy
    right = np.where(rows.discrepancy == 1, chance, 1 - chance)
    return np.asarray(-np.log(np.maximum(right, _LEAST)), np.float64)
