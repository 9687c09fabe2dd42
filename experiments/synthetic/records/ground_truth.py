"""What is true in the world, for its own evaluation alone: nothing in the product reads it.

One row a crossing. The probabilities are the generator's own, given who controls whom, the state of
the circle, the true lane and every sign of the trip; calibrated by construction, and tested.
"""

import numpy as np
import pyarrow as pa

from experiments.synthetic.config import Ints
from experiments.synthetic.records import data_errors
from experiments.synthetic.records.crossing_tables import CrossingRows, crossing_ids, names, text
from experiments.synthetic.unfolding import inspections
from experiments.synthetic.unfolding.world_simulation import World
from experiments.synthetic.world.concealment import WAYS
from experiments.synthetic.world.smuggling_rings import FRONTS, SUBSTANCES
from experiments.synthetic.world.trips import RUN

ROLES = ("ordinary", "run", "escort")
WRONGS = tuple(inspections.KINDS[kind] for kind in range(1, 5))


def truth(world: World, kept: CrossingRows) -> pa.Table:
    """Return one row a crossing; propensities stand on entries alone."""
    plan, trip = world.plan, kept.trip
    carries = plan.loads.carries[trip]
    front = plan.front[trip]
    wrong = plan.cargo.discrepancy[trip].astype(np.int64)
    hiding = world.hiding[trip]
    propensity = np.where(kept.is_entry, world.propensity[trip], np.nan)
    return pa.table(
        {
            "crossing_id": crossing_ids(world, np.arange(len(trip))),
            "trip": text(trip, "t", 8),
            "carries": pa.array(carries.astype(np.int8)),
            "discrepancy": pa.array((wrong > 0).astype(np.int8)),
            "p_seizure": pa.array(np.round(world.p_seizure[trip], 8)),
            "p_discrepancy": pa.array(np.round(world.p_discrepancy[trip], 8)),
            "propensity": pa.array(propensity, from_pandas=True),
            "basis": names(("random", "score", "officer", "counterpart"), _basis(world, kept)),
            "circle": data_errors.blank(text(np.maximum(front, 0) // FRONTS, "c", 4), front < 0),
            "role": names(ROLES, plan.calls.role[trip].astype(np.int64)),
            "is_lone": pa.array(carries & (plan.calls.role[trip] != RUN)),
            "place": names([way.place for way in WAYS], hiding),
            "concealment": names([way.code for way in WAYS], hiding),
            "substance": names(
                [name for name, _, _ in SUBSTANCES],
                np.where(carries, plan.loads.substance[trip], -1),
            ),
            "quantity_g": pa.array(
                np.where(carries, plan.loads.quantity_g[trip], np.nan), from_pandas=True
            ),
            "wrong": names(WRONGS, wrong - 1),
        }
    )


def _basis(world: World, kept: CrossingRows) -> Ints:
    """Return why each entry was searched; -1 where it was not, and for exits."""
    basis = np.full(len(world.plan.calls.vehicle), -1)
    basis[world.acts.row] = world.acts.basis
    return np.where(kept.is_entry, basis[kept.trip], -1)
