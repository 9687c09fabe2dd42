"""The synthetic world: rates, truth, circles, hidden loads, and the policy of the past."""

import numpy as np
import pytest

from engine.domain.records import PLACES
from engine.domain.time_units import DAY, HOUR
from experiments.synthetic import inspections
from experiments.synthetic.inspections import (
    RANDOM,
    RANDOM_SHARE,
    SCORE,
    Choice,
    HistoricalPolicy,
    Results,
)
from experiments.synthetic.posts import TRUCK, Ints
from experiments.synthetic.smuggling import HIDING_PLACE, WAYS
from experiments.synthetic.trips import RUN
from experiments.synthetic.world_plan import WorldPlan, draw_plan
from experiments.synthetic.world_simulation import World, simulate_world
from tests.integration.experiments.synthetic.cached_worlds import (
    config,
    deviation,
    deviations,
    world,
)


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


BOUND = 4.5
"""Standard deviations; one in 300,000 fair draws lies outside."""


def list_draws(of: World) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Ints]:
    """Return for each entry whether the engine's draws chose it, and the entries' rows."""
    chosen = np.zeros(len(of.happens), dtype=np.bool_)
    chosen[of.acts.row[np.isin(of.acts.basis, (RANDOM, SCORE))]] = True
    rows = np.flatnonzero(of.happens & (of.plan.entry_post >= 0))
    return chosen[rows], rows


def test_propensities_are_inclusion_frequencies() -> None:
    of = world()
    chosen, rows = list_draws(of)
    propensity = of.propensity[rows]

    assert propensity.min() >= RANDOM_SHARE
    assert max(map(abs, deviations(chosen, propensity))) < BOUND
    for kind in range(5):
        mine = of.plan.vehicles.vehicle_class[of.plan.calls.vehicle[rows]] == kind
        assert abs(deviation(chosen[mine], propensity[mine])) < BOUND


class Careless(HistoricalPolicy):
    """Seeded bug: logs the score's probability alone, as if there were no random stream."""

    def choose(self, rows: Ints) -> Choice:
        choice = super().choose(rows)
        return Choice(choice.basis, 1 - (1 - choice.propensity) / (1 - RANDOM_SHARE))


class SteeredStream(HistoricalPolicy):
    """Seeded bug: the random stream is drawn where the score is high."""

    def __init__(self, of: WorldPlan) -> None:
        super().__init__(of)
        self.u_random = 1.0 - (np.argsort(np.argsort(self.looks)) + 0.5) / len(self.looks)


def small() -> WorldPlan:
    return draw_plan(config(30_000), 18_750)


def test_wrong_propensities_are_noticed() -> None:
    drafted = small()
    of = simulate_world(drafted, Careless(drafted))
    chosen, rows = list_draws(of)

    assert max(map(abs, deviations(chosen, of.propensity[rows]))) > BOUND


def bias(of: World) -> float:
    """Return how far the random stream is from a fair sample of the entries, at its worst."""
    _, rows = list_draws(of)
    picked = np.zeros(len(of.happens), dtype=np.bool_)
    picked[of.acts.row[of.acts.basis == RANDOM]] = True
    worst = abs(deviation(picked[rows], np.full(len(rows), RANDOM_SHARE)))
    score = 1 - (1 - of.propensity) / (1 - RANDOM_SHARE)
    facts = (
        of.plan.loads.carries,
        of.p_seizure,
        of.plan.cargo.discrepancy > 0,
        score,
        of.plan.vehicles.vehicle_class[of.plan.calls.vehicle] == 3,
        of.plan.habits.has_mirror,
    )
    for fact in facts:
        all_, sample = fact[rows].astype(float), fact[rows][picked[rows]].astype(float)
        gap = (sample.mean() - all_.mean()) / (all_.std() / np.sqrt(len(sample)))
        worst = max(worst, abs(float(gap)))
    return worst


def test_the_random_stream_is_a_fair_sample() -> None:
    assert bias(world()) < BOUND


def test_a_steered_random_stream_is_noticed() -> None:
    drafted = small()

    assert bias(simulate_world(drafted, SteeredStream(drafted))) > BOUND


def test_random_checks_are_thorough_and_finds_lie_where_officers_looked() -> None:
    of = world()
    acts, loads = of.acts, of.plan.loads
    full = np.asarray(acts.methods[:, inspections.XRAY :].any(axis=1))
    found = acts.outcome == inspections.SEIZURE
    place = HIDING_PLACE[of.hiding[acts.row]]

    assert full[acts.basis == RANDOM].all()
    assert not full[acts.basis == SCORE].all()
    assert loads.carries[acts.row[found]].all()
    assert acts.places[np.flatnonzero(found), place[found]].all()
    assert (loads.carries[acts.row] & full & ~found).any(), "a search may miss"
    assert acts.places.shape[1] == len(PLACES)
