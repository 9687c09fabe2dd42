"""An insider's ways replace runs and nothing else, and he takes what costs him least."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from engine.domain.time_units import DAY
from experiments.simulation.capacity import (
    Chooser,
    Setting,
    SimulatedDesk,
    Span,
    draw_setting,
    draw_trips,
)
from experiments.simulation.comparison import END
from experiments.simulation.defences import DEFENCES, Defence, Defended, count_campaign
from experiments.simulation.insider import PLAIN, WAYS, Insider, Schemes, plan_schemes
from experiments.synthetic.posts import Floats, Ints
from experiments.synthetic.trips import ESCORT, RUN
from experiments.synthetic.world_simulation import World, simulate_world

SPAN = Span(crossings=30_000, days=56, past_days=28)
NAMES = list(WAYS)
EVERY = range(len(WAYS))


@cache
def schemes() -> Schemes:
    return plan_schemes(draw_trips(2, SPAN, end=END))


class LetGo(Chooser):
    """Searches nobody but on a hint."""

    def chance(self, place: object, share: float) -> float:
        return 0.0


class KnowsFronts(LetGo):
    """Searches every vehicle of a front, whatever it carries."""

    def mandate(self, rows: Ints) -> Floats:
        trips = self.setting.trips
        is_front = trips.circles.vehicle_front[trips.calls.vehicle[rows]] >= 0
        return np.maximum(super().mandate(rows), is_front)


@cache
def play(policy: Callable[[Setting], Chooser]) -> tuple[World, Insider, SimulatedDesk]:
    given = draw_setting(schemes().plan, SPAN, is_tipped=schemes().is_rival)
    desk = SimulatedDesk(given, policy(given))
    insider = Insider(schemes(), EVERY, begins=given.begins)
    return simulate_world(schemes().plan, desk, circles=insider), insider, desk


def rows_of(way: str) -> Ints:
    """Return the trips that a way makes of runs."""
    made = schemes()
    replaces = (made.way == NAMES.index(way)) & (made.plan.calls.role == RUN)
    return np.flatnonzero(replaces & ~made.is_rival & (made.plan.event != np.arange(len(made.way))))


def test_trips_keep_pointing_at_one_another() -> None:
    plan = schemes().plan
    runs = np.flatnonzero(schemes().way >= 0)
    run = plan.event[runs]

    assert (np.diff(plan.habits.entry_at) >= 0).all() and (np.diff(plan.items.trip) >= 0).all()
    assert (plan.front[runs] == plan.front[run]).all()
    assert (np.abs(plan.habits.entry_at[runs] - plan.habits.entry_at[run]) <= 2 * DAY).all()
    assert set(plan.calls.role[runs].tolist()) <= {RUN, ESCORT}
    declared = np.bincount(plan.items.trip, minlength=len(plan.front)) > 0
    assert (declared == plan.cargo.is_declared).all()


def test_each_way_changes_what_it_says() -> None:
    plan, loads = schemes().plan, schemes().plan.loads
    front = plan.circles.vehicle_front[plan.calls.vehicle]
    weight = {
        way: loads.quantity_g[rows_of(way)] / loads.quantity_g[plan.event[rows_of(way)]]
        for way in NAMES[1:]
    }

    assert all(len(rows_of(way)) for way in NAMES[1:])
    assert (front[rows_of("swap_parties")] < 0).all()
    assert (front[rows_of("buy_trusted_firm")] < 0).all()
    assert (front[rows_of("hide_behind_importer")] >= 0).all()
    assert np.allclose(weight["split_load"], 1 / 3)
    assert not plan.habits.has_mirror[rows_of("keep_exit_away")].any()
    decoys = rows_of("send_decoys")
    is_early = plan.habits.entry_at[decoys] < plan.habits.entry_at[plan.event[decoys]]
    assert is_early.mean() == 0.5 and not loads.carries[decoys[is_early]].any()
    parcels = np.flatnonzero(schemes().is_rival)
    replaced = np.flatnonzero(schemes().replaced_by >= 0)
    assert len(parcels) and loads.carries[parcels].all() and (plan.front[replaced] < 0).all()


@pytest.mark.parametrize("policy", [LetGo, KnowsFronts])
def test_one_way_of_a_run_takes_place(policy: Callable[[Setting], Chooser]) -> None:
    world, insider, _ = play(policy)
    made = schemes()
    there = np.flatnonzero(world.happens & (made.way >= 0))

    assert (made.way[there] == insider.taken[made.plan.event[there]]).all()
    replaced = np.flatnonzero(world.happens & (made.replaced_by >= 0))
    assert not world.happens[made.replaced_by[replaced]].any()


def test_he_takes_the_cheapest_way_past_who_does_not_look() -> None:
    world, insider, desk = play(LetGo)
    campaign = count_campaign(world, desk, insider)

    assert set(np.flatnonzero(insider.spent).tolist()) == {PLAIN}
    assert campaign.passed.sum() == campaign.sent.sum() > 10


def test_he_leaves_the_fronts_that_are_known() -> None:
    """Negative control of the figures too: who knows every front stops whoever stays with them."""
    world, insider, desk = play(KnowsFronts)
    campaign = count_campaign(world, desk, insider)
    hired = [NAMES.index(way) for way in ("swap_parties", "buy_trusted_firm")]

    others = np.delete(campaign.tried, hired)
    assert campaign.tried[hired].sum() > 3 * others.max()
    assert campaign.passed[hired].sum() == campaign.sent[hired].sum() > 5
    assert campaign.passed[PLAIN] < campaign.sent[PLAIN]


@pytest.mark.parametrize("without", DEFENCES)
def test_a_defence_that_is_left_out_sends_nobody(without: Defence) -> None:
    given = draw_setting(schemes().plan, SPAN, is_tipped=schemes().is_rival)
    rows = np.flatnonzero(given.records.entry_row >= 0)[:500]
    policies = {name: Defended(given, name) for name in (None, without)}
    sent = {}
    for name, policy in policies.items():
        policy.see(rows)
        sent[name] = policy.mandate(rows)

    assert (sent[without] <= sent[None]).all()
    assert (sent[without].sum() < sent[None].sum()) == (without in ("facts", "profiles"))
    assert (policies[without].random_share == 0.0) == (without == "random")
