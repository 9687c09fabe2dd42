"""The historical policy: its logged propensities are exact, its random stream is a fair sample."""

import numpy as np

from engine.domain.records import PLACES
from experiments.synthetic import inspections
from experiments.synthetic.config import Ints
from experiments.synthetic.inspections import (
    RANDOM,
    RANDOM_SHARE,
    SCORE,
    Choice,
    HistoricalPolicy,
)
from experiments.synthetic.world_plan import WorldPlan, draw_plan
from experiments.synthetic.world_simulation import World, simulate_world
from tests.integration.experiments.synthetic.cached_worlds import (
    config,
    deviation,
    deviations,
    world,
)

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
    place = inspections.HIDING_PLACE[of.hiding[acts.row]]

    assert full[acts.basis == RANDOM].all()
    assert not full[acts.basis == SCORE].all()
    assert loads.carries[acts.row[found]].all()
    assert acts.places[np.flatnonzero(found), place[found]].all()
    assert (loads.carries[acts.row] & full & ~found).any(), "a search may miss"
    assert acts.places.shape[1] == len(PLACES)
