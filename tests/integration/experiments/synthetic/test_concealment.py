"""Where loads are hidden: what fits, what can be got at, habits that last until they are found."""

import numpy as np

from experiments.synthetic.config import Ints
from experiments.synthetic.inspections import Choice, Results
from experiments.synthetic.smuggling import WAYS
from experiments.synthetic.world_simulation import simulate_world
from tests.integration.experiments.synthetic.cached_worlds import world


def test_every_load_lies_in_a_place_that_its_vehicle_has() -> None:
    of = world()
    rows = np.flatnonzero(of.happens & of.plan.loads.carries)
    kind = of.plan.vehicles.vehicle_class[of.plan.calls.vehicle[rows]]
    laden = of.plan.habits.lane[rows] >= 0
    ways = of.hiding[rows]
    assert (ways >= 0).all()
    for one, way in zip(kind.tolist(), ways.tolist(), strict=True):
        assert "CVBTW"[one] in WAYS[way].classes
    place = np.array([way.place for way in WAYS])[ways]
    assert not np.char.startswith(place[~laden].astype(str), "cargo.").any()


class Everybody:
    """A policy that searches every vehicle."""

    def choose(self, rows: Ints) -> Choice:
        return Choice(np.zeros(len(rows), np.int8), np.ones(len(rows)))

    def learn(self, results: Results) -> None:
        """Learn nothing."""


def test_careful_traders_send_nothing_wrong() -> None:
    drafted = world().plan
    caught = simulate_world(drafted, Everybody())
    careful = caught.happens & (caught.p_discrepancy == 0.0)
    assert careful.any() and not (drafted.cargo.discrepancy[careful] > 0).any()
    wrong = drafted.cargo.discrepancy > 0
    assert (caught.happens & wrong).sum() < 0.95 * (world().happens & wrong).sum()
