"""The synthetic world itself: rates in their ranges, honest truth, circles that react."""

import numpy as np
import pytest

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic import trips as trip_signals
from experiments.synthetic.config import Ints, pick_within
from experiments.synthetic.inspections import Choice, HistoricalPolicy, Results
from experiments.synthetic.posts import PAIRS, TRUCK
from experiments.synthetic.smuggling import FRONTS
from experiments.synthetic.trips import ESCORT, RUN
from experiments.synthetic.world_plan import draw_plan
from experiments.synthetic.world_simulation import simulate_world
from tests.integration.experiments.synthetic.cached_worlds import config, deviation, world


class SearchesNone:
    """A policy that searches no vehicle."""

    def choose(self, rows: Ints) -> Choice:
        return Choice(np.full(len(rows), -1, np.int8), np.zeros(len(rows)))

    def learn(self, results: Results) -> None:
        """Learn nothing."""


class SearchesAll(SearchesNone):
    """A policy that searches every vehicle."""

    def choose(self, rows: Ints) -> Choice:
        return Choice(np.zeros(len(rows), np.int8), np.ones(len(rows)))


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


def test_volumes_and_vehicles_are_heavy_tailed() -> None:
    of = world()
    trips = np.sort(np.bincount(of.plan.calls.vehicle[of.happens]))[::-1]
    posts = np.sort(np.bincount(of.plan.calls.pair[of.happens]))[::-1]

    assert trips[: len(trips) // 10].sum() > 0.3 * trips.sum()
    assert posts[0] > 5 * posts[-1]


def test_exit_records_are_absent_at_the_rate_of_their_pair() -> None:
    of = world()
    lawful = of.happens & (of.plan.front < 0)
    for index, pair in enumerate(PAIRS):
        mine = lawful & (of.plan.calls.pair == index)
        absent = 1 - of.plan.habits.has_mirror[mine].mean()
        assert absent == pytest.approx(pair.mirror_absent, abs=0.06), pair
    both = lawful & of.plan.habits.has_mirror
    hours = (of.plan.habits.entry_at - of.plan.habits.exit_at)[both] / HOUR
    assert hours.min() > 0
    assert 1.5 < np.median(hours) < 7


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


def test_circles_go_quiet_lose_vehicles_and_carry_less_when_everybody_is_searched() -> None:
    drafted = world().plan
    free, caught = simulate_world(drafted, SearchesNone()), simulate_world(drafted, SearchesAll())
    runs = drafted.calls.role == RUN

    assert (caught.happens & runs).sum() < 0.5 * (free.happens & runs).sum()
    seized = caught.seizures.row[caught.seizures.act >= 0]
    for row in seized[:200].tolist():
        same = caught.happens & (drafted.calls.vehicle == drafted.calls.vehicle[row])
        assert drafted.habits.entry_at[same].max() < drafted.habits.entry_at[row] + 2 * DAY
    fronts = {int(f) for f in drafted.front[caught.happens & runs]}
    assert any({c * FRONTS, c * FRONTS + 1} <= fronts for c in range(drafted.circles.count))


def test_a_run_replaces_its_ordinary_trip_and_brings_its_escort() -> None:
    of = world()
    calls, happens = of.plan.calls, of.happens
    runs = np.flatnonzero((calls.role == RUN) & happens)
    escorts = np.flatnonzero((calls.role == ESCORT) & happens)

    assert not happens[calls.partner[runs]].any()
    assert calls.dry[runs].any()
    assert len(escorts) > 0
    lead = of.plan.habits.entry_at[calls.partner[escorts]] - of.plan.habits.entry_at[escorts]
    assert lead.min() >= 3 * 60 * 10**6
    assert lead.max() <= 25 * 60 * 10**6


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


def test_vehicles_stay_apart_in_a_world_of_any_size() -> None:
    vehicle = np.repeat(np.array([0, 1, 2_000_000]), 3)
    at = np.tile(np.array([0, HOUR, 300 * DAY]), 3)
    gap = np.full(9, 5.0)
    moved = trip_signals._apart(at, vehicle, gap).reshape(3, 3)

    assert (moved == [0, 5 * HOUR, 300 * DAY]).all()


def test_options_are_drawn_within_their_group() -> None:
    weights, groups = np.array([1.0, 3.0, 2.0]), np.array([0, 0, 2])
    u = np.linspace(0, 0.999, 1000)

    first = pick_within(weights, groups, group=np.zeros(1000, np.int64), u=u)
    assert (np.bincount(first) / 1000).tolist() == pytest.approx([0.25, 0.75], abs=0.002)
    assert set(pick_within(weights, groups, group=np.full(1000, 2), u=u).tolist()) == {2}
    assert pick_within(weights, groups, group=np.array([1, 3]), u=np.zeros(2)).tolist() == [2, 2]
