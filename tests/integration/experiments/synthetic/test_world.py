"""The synthetic world itself: rates in their ranges, honest truth, circles that react."""

import numpy as np
import pytest

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.inspections import HistoricalPolicy
from experiments.synthetic.posts import TRUCK
from experiments.synthetic.trips import RUN
from experiments.synthetic.world_plan import draw_plan
from experiments.synthetic.world_simulation import simulate_world
from tests.integration.experiments.synthetic.cached_worlds import config, deviation, world


def test_rates_are_in_their_documented_ranges() -> None:
    of = world()
    rows = np.flatnonzero(of.happens & (of.plan.entry_post >= 0))
    kind = of.plan.vehicles.vehicle_class[of.plan.calls.vehicle[rows]]

    assert 0.003 < of.plan.loads.carries[rows].mean() < 0.01
    assert 0.03 < (of.plan.cargo.discrepancy[rows] > 0).mean() < 0.08
    assert 0.34 < (kind == TRUCK).mean() < 0.44
    assert 0.04 < len(of.acts.row) / len(rows) < 0.10
    at_post = (of.seizures.act >= 0).sum()
    assert 1 < 10_000 * at_post / len(rows) < 9
    assert 0.1 < 1 - at_post / len(of.seizures.act) < 0.6


def test_every_sign_of_a_run_has_innocent_look_alikes() -> None:
    ways, calls = world().plan.habits, world().plan.calls
    run, seen = calls.role == RUN, ways.has_mirror
    sealed = seen & ways.is_sealed
    towed = seen & (ways.trailer >= 0)
    for sign, where in (
        (ways.seal_changed, sealed),
        (ways.trailer != ways.exit_trailer, towed),
        (ways.entry_at - ways.exit_at > 10 * HOUR, seen),
        (~seen, np.ones(len(run), dtype=np.bool_)),
    ):
        assert 0.005 < sign[where & ~run].mean() < sign[where & run].mean()
        assert sign[where & ~run].sum() > sign[where & run].sum()


@pytest.mark.parametrize("seed", [3, 4])
def test_true_probabilities_are_calibrated(seed: int) -> None:
    of = world(seed)
    rows = of.happens
    wrong = of.plan.cargo.discrepancy > 0
    for p, event in ((of.p_seizure, of.plan.loads.carries), (of.p_discrepancy, wrong)):
        for low, high in ((0, 0.01), (0.01, 0.2), (0.2, 0.5), (0.5, 0.75), (0.75, 1.01)):
            mine = rows & (p >= low) & (p < high)
            assert abs(deviation(event[mine], p[mine])) < 4.5, (low, high)


def test_part_of_the_risk_cannot_be_learnt() -> None:
    of = world()
    carrying = of.happens & of.plan.loads.carries
    lone = carrying & (of.plan.calls.role != RUN)

    assert 0.15 < lone.sum() / carrying.sum() < 0.5
    assert np.median(of.p_seizure[lone]) < 0.005


def test_inland_seizures_come_before_the_vehicle_is_on_the_road_again() -> None:
    found = 0
    for of in (world(3), world(4)):
        inland = (of.seizures.act < 0) & (of.seizures.row >= 0)
        rows, when = of.seizures.row[inland], of.seizures.seized_at[inland]
        at = of.plan.habits.entry_at
        found += len(rows)

        assert ((when > at[rows]) & (when - at[rows] < 30 * DAY)).all()
        assert (of.seizures.recorded_at[inland] - when > 2 * DAY).all()
        for row, instant in zip(rows.tolist(), when.tolist(), strict=True):
            same = of.happens & (of.plan.calls.vehicle == of.plan.calls.vehicle[row])
            assert not (same & (at > at[row]) & (at < instant)).any()
    assert found > 5


def test_the_same_policy_unfolds_the_same_plan_the_same_way() -> None:
    drafted = draw_plan(config(5_000), 3_000)
    one, two = (
        simulate_world(drafted, HistoricalPolicy(drafted)),
        simulate_world(drafted, HistoricalPolicy(drafted)),
    )

    assert (one.happens == two.happens).all()
    assert (one.acts.row == two.acts.row).all()
    assert (one.p_seizure == two.p_seizure).all()
