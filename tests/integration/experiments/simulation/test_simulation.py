"""The simulation counts what happens; its features are those of the bulk kernel, bit for bit."""

from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from experiments.simulation.capacity import (
    LOOK,
    LOT,
    SEARCH,
    Setting,
    SimulatedDesk,
    Span,
    draw_setting,
    draw_trips,
    expected_minutes,
)
from experiments.simulation.comparison import (
    AIMS,
    END,
    POLICIES,
    Aim,
    Year,
    compare_pairs,
    compare_policies,
    miss_rate,
    simulate_policy,
)
from experiments.simulation.policies import Exploit, Profiles, Random
from experiments.simulation.world_records import Candidates
from experiments.synthetic import inspections
from experiments.synthetic.inspections import RANDOM, SCORE
from experiments.synthetic.posts import Floats, Ints
from experiments.synthetic.world_simulation import simulate_world
from features.offline.compact_columns import Facts, Keys
from features.offline.encoded_history import EncodedHistory, Events, derive
from features.offline.feature_matrix import matrix
from tests.support.sizes import PROOF

LONG = Span(crossings=24_000, days=84, past_days=14, capacity=0.4)
"""Fewest random checks for an estimate."""
SPAN = LONG if PROOF else Span(crossings=8_000, days=28, past_days=14, capacity=0.2)


@cache
def world(span: Span = SPAN) -> Setting:
    return draw_setting(draw_trips(1, span, end=END), span)


@cache
def years() -> dict[str, Year]:
    return {name: simulate_policy(world(), maker) for name, maker in POLICIES.items()}


@cache
def by_random() -> Year:
    return simulate_policy(world(LONG), Random)


def test_figures_add_up() -> None:
    made = compare_policies(
        {name: [one] for name, one in years().items()}, list(POLICIES), span=SPAN
    )
    by_name = {one["name"]: one for one in made["policies"]}

    assert made["synthetic"] and "SYNTHETIC" in made["notice"]
    assert list(by_name) == list(POLICIES)
    assert by_name["random"]["lift"] == pytest.approx(1.0)
    for name, one in by_name.items():
        aims, minutes = one["aims"], years()[name].minutes
        assert aims["loads"]["hits"] + aims["papers"]["hits"] <= one["hits"] <= one["searches"]
        assert one["hits"] == aims["all"]["hits"] == sum(made["hits_by_shift"][name])
        for aim, found in aims.items():
            spent = minutes[cast("Aim", aim)].sum()
            assert found["hits_per_hour"] == pytest.approx(60 * found["hits"] / spent)
            assert found["low"] <= found["hits_per_hour"] <= found["high"]
        assert minutes["all"].sum() == pytest.approx((minutes["loads"] + minutes["papers"]).sum())
        assert one["minutes"] == pytest.approx(
            sum(roster.spent for roster in years()[name].rosters), abs=0.1
        )
        assert 0 < one["looks"] < one["searches"]
        if name in ("officer", "exploit"):
            assert one["miss_rate"] is None and not one["covered"]
    assert len(made["paired"]) == 15 * len(AIMS)
    assert all(pair["low"] <= pair["difference"] <= pair["high"] for pair in made["paired"])


def test_all_policies_start_from_one_past_and_have_the_same_minutes() -> None:
    budgets = [{roster.post: roster.minutes for roster in one.rosters} for one in years().values()]
    shared = set.intersection(*(set(budget) for budget in budgets))

    assert shared
    assert all(budget[post] == budgets[0][post] for budget in budgets for post in shared)
    assert {one.is_random.sum() > 0 for name, one in years().items() if name == "ours"} == {True}


class HindsightPolicy(Exploit):
    """Negative control: ranks by the hidden truth: loads for searches, wrong papers for looks."""

    lists = 2

    def rank_by_model(self, rows: Ints) -> Floats:
        trips = self.setting.trips
        return np.array([trips.loads.carries[rows], trips.cargo.discrepancy[rows] > 0], float)

    def refit(self, now: int) -> None:
        self.is_fitted = True


class OneListPolicy(HindsightPolicy):
    """Ranks by the same truth in one list for both."""

    lists = 1

    def rank_by_model(self, rows: Ints) -> Floats:
        return np.asarray(super().rank_by_model(rows).max(axis=0, keepdims=True))


class SwappedPolicy(HindsightPolicy):
    """Seeded bug: searches who has wrong papers, and looks at the papers of who has a load."""

    def rank_by_model(self, rows: Ints) -> Floats:
        return super().rank_by_model(rows)[::-1]


def test_a_policy_that_peeks_wins() -> None:
    peeking = simulate_policy(world(LONG), HindsightPolicy)

    for aim in AIMS:
        assert peeking.hits_per_hour(aim) > 1.5 * by_random().hits_per_hour(aim)
    found = compare_pairs({"random": [by_random()], "peeking": [peeking]})
    assert [pair["aim"] for pair in found] == list(AIMS)
    assert found[0]["low"] > 0


def test_each_aim_is_counted_at_its_own_minutes() -> None:
    """One list spends minutes of search on wrong papers; lists that are swapped find no load."""
    two, one, swapped = (
        simulate_policy(world(LONG), policy)
        for policy in (HindsightPolicy, OneListPolicy, SwappedPolicy)
    )

    assert two.hits_per_hour("loads") > 1.5 * one.hits_per_hour("loads")
    assert swapped.hits_per_hour("loads") < 0.5 * one.hits_per_hour("loads")
    assert swapped.hits_per_hour("papers") < 0.5 * two.hits_per_hour("papers")


def test_the_random_checks_cover_the_miss_rate() -> None:
    interval, truth = miss_rate([by_random()])

    assert interval is not None
    assert interval[0] <= truth <= interval[1]


def test_a_steered_random_check_does_not_cover() -> None:
    """Seeded bug: nothing that hides is ever drawn, whatever the propensities say."""
    long = world(LONG)
    hides = long.trips.loads.carries | (long.trips.cargo.discrepancy > 0)
    given = replace(long, u_random=np.where(hides, 1.0, long.u_random))
    interval, truth = miss_rate([simulate_policy(given, Random)])

    assert interval is None or not interval[0] <= truth <= interval[1]


def test_propensities_that_are_wrong_claim_nothing() -> None:
    made = by_random()
    doubled = replace(made, p_random=np.minimum(1.0, 2.0 * made.p_random))

    assert miss_rate([made])[0] is not None
    assert miss_rate([doubled])[0] is None


FEATURE_SPAN = Span(crossings=40_000 if PROOF else 30_000, days=14, past_days=28)


class Chosen(Keys):
    """The keys of some rows."""

    def __init__(self, given: Candidates, rows: Ints) -> None:
        self._whole, self._rows = given.log.keys, rows

    def __getitem__(self, at: object) -> Ints:
        if isinstance(at, tuple):
            found: Ints = self._whole[at[0]][self._rows][at[1]]
            return found
        return np.asarray(self._whole[at][self._rows])


def bulk(given: Candidates, policy: Profiles) -> tuple[NDArray[np.float32], Ints]:
    """Return the bulk kernel's features of every row that is there, and those rows."""
    seen = policy.records
    rows = np.flatnonzero(seen._there)
    place = np.full(len(given.log), -1)
    place[rows] = np.arange(len(rows))
    known_at = given.log.known_at[rows]

    def make_events(stream: str, names: tuple[str, ...]) -> Events:
        events = seen._events[stream]
        amounts = np.array([event[2] for event in events], np.int64).reshape(-1, len(names)).T
        return Events(
            np.array([event[0] for event in events], np.int64),
            place[np.array([event[1] for event in events], np.int64)],
            dict(zip(names, amounts, strict=True)),
        )

    own = {k: v[rows] for k, v in given.measures.items() if k not in given.plan.derived}
    log = EncodedHistory(
        given.log.crossing_id[rows],
        given.log.post[rows],
        known_at,
        given.log.as_of[rows],
        Chosen(given, rows),
        cast("Facts", given.log.facts[:, rows]),
        given.log.plate_key[rows],
        {
            "crossings": Events(known_at, np.arange(len(rows)), own),
            "inspections": make_events("inspections", ("n", "hit", "seizure")),
            "finds": make_events("finds", ("grams", "n", "load")),
        },
    )
    return matrix(derive(log, given.plan), given.plan).values, rows


@cache
def without_exits() -> Setting:
    """A world whose exits are not recorded: each day's rows are then all known in its order."""
    made = draw_setting(draw_trips(3, FEATURE_SPAN, end=END), FEATURE_SPAN)
    none = np.full(len(made.records.exit_row), -1)
    return replace(made, records=replace(made.records, exit_row=none))


class KeptFeatures(Profiles):
    """Keeps every row's features as they were when it arrived."""

    def score(self, rows: Ints) -> Floats:
        return np.asarray(self.see(rows)[:, 0], np.float64)[None]


def test_features_are_those_of_the_bulk_kernel() -> None:
    given = without_exits()
    policy = KeptFeatures(given)
    simulate_world(given.trips, SimulatedDesk(given, policy))
    expected, rows = bulk(given.records, policy)
    trip = np.full(len(given.records.log), -1)
    trip[given.records.entry_row] = np.arange(len(given.records.entry_row))
    seen = policy.values[trip[rows]]

    assert len(rows) > 2000
    assert policy.records._events["inspections"] and policy.records._passed
    same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
    # A record that came after its day saw, in the bulk kernel, what became known in between.
    in_time = given.records.log.as_of[rows] // DAY == given.trips.habits.entry_at[trip[rows]] // DAY
    wrong = [name for at, name in enumerate(policy.names) if not same[in_time, at].all()]
    assert in_time.mean() > 0.99
    assert not wrong


def test_searches_take_the_minutes_expected() -> None:
    given = without_exits()
    trips = given.trips
    rows = np.flatnonzero((trips.entry_post >= 0) & ~trips.loads.carries)
    expected = expected_minutes(trips)
    for at, basis in ((SEARCH, SCORE), (LOT, RANDOM), (LOOK, SCORE)):
        asked = (np.full(len(rows), basis, np.int8), np.ones(len(rows)))
        done = inspections.search(
            trips,
            np.random.default_rng(1),
            rows=rows,
            given=asked,
            hiding=trips.loads.hiding,
            is_look=np.full(len(rows), at == LOOK),
        )
        apart = done.minutes - expected[at, rows]
        assert abs(apart.mean()) < 4.5 * apart.std() / np.sqrt(len(rows))
