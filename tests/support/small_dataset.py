"""A small world for the models' tests: drawn here, with a known truth behind every label."""

import numpy as np

from engine.domain.time_units import DAY, HOUR, NEVER
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset

START = 1_700_000_000_000_000 // DAY * DAY
_FEW_TREES = Trees(iterations=5, learning_rate=0.3, depth=2, leaves=4, seeds=1)
QUICK = TrainConfig(discrepancy=_FEW_TREES, seizure=_FEW_TREES, weights="even", folds=2, jobs=1)
"""Where it matters that a model is trained, and not what it learns."""


def small_world(
    n: int, *, seed: int, features: int = 8, days: int = 240, inspect: float = 0.4
) -> Dataset:
    """Return n crossings of two posts; features 0 to 3 carry risk, the rest carry none."""
    draw = np.random.default_rng(seed)
    arrived = np.sort(START + draw.integers(0, days * DAY, n)).astype(np.int64)
    values = draw.normal(size=(n, features)).astype(np.float32)
    values[draw.random((n, features)) < 0.1] = np.nan
    seen = np.nan_to_num(values[:, :4])
    logit = -2.2 + 1.2 * seen[:, 0] - 0.8 * seen[:, 1] + 0.9 * seen[:, 2] * (seen[:, 3] > 0)
    carries = draw.random(n) < 1 / (1 + np.exp(-logit))
    grave = carries & (draw.random(n) < 0.15)
    random = draw.random(n) < 0.05
    chosen = random | (draw.random(n) < inspect)
    linked = ~chosen & grave & (draw.random(n) < 0.3)
    known = np.full(n, NEVER, np.int64)
    late = arrived + draw.integers(1 * HOUR, 3 * DAY, n)
    known[chosen | linked] = late[chosen | linked]
    basis = np.full(n, None, object)
    basis[chosen] = "score"
    basis[random] = "random"
    return Dataset(
        crossing_id=np.array([f"x{row}" for row in range(n)], object),
        post=draw.choice(np.array(["OYB", "FOT"], object), n),
        vehicle_class=draw.choice(np.array(["truck", "car", "bus"], object), n),
        direction=np.where(draw.random(n) < 0.8, "entry", "exit").astype(object),
        plate_country=draw.choice(np.array(["UZ", "TJ", None], object), n),
        arrived_at=arrived,
        as_of=arrived.copy(),
        names=tuple(f"f{column}" for column in range(features)),
        definitions="d" * 64,
        values=values,
        seizure=np.where(chosen | linked, grave, -1).astype(np.int8),
        discrepancy=np.where(chosen | linked, carries, -1).astype(np.int8),
        label_known_at=known,
        basis=basis,
        propensity=np.where(chosen, 0.05 + 0.95 * inspect, np.nan),
        is_full=chosen & (random | (draw.random(n) < 0.9)),
        synthetic=True,
    )
