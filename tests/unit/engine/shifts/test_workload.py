"""The cut follows the roster; sums kept up with the journal are those that are added up again."""

import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.decision.inspection_minutes import PRIOR, LearnedMinutes, Minutes
from engine.domain.network import ShiftPeriod
from engine.domain.records import VehicleClass
from engine.domain.time_units import HOUR
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, REVIEW, TICK
from engine.queue.projection import project_queue
from engine.queue.reviews import project_reviews
from engine.selection import Channel, Policy, ramp
from engine.shifts.workload import (
    MOST_TOGETHER,
    ChannelCapacity,
    ExpectedRemainder,
    HourlyBaseline,
    MinutesUsed,
    OpenShiftLoad,
    Picks,
    Tally,
    adapt_policy,
)
from engine.storage.database import Store
from tests.support.sizes import PROOF
from tests.unit.engine.journal.test_journal import NOON, Clock

SHIFTS = 200 if PROOF else 30
POLICY = Policy(random_share=0.03)
SHIFT = ShiftPeriod("OYB", 0, 12 * HOUR)
CLASSES: tuple[VehicleClass, ...] = ("truck", "truck", "van", "car")


def usual(rng: Random, arrivals: int) -> HourlyBaseline:
    """Twenty-eight days of the same hours, busier towards noon."""
    drawn = np.random.default_rng(rng.getrandbits(32)).beta(2, 2, 28 * arrivals)
    offsets = np.sort(np.rint(drawn * 12 * HOUR)).astype(int).tolist()
    mean = statistics.mean(PRIOR[kind] for kind in CLASSES)
    zero = dict.fromkeys((Channel.RED, Channel.YELLOW), 0.0)
    means = {Channel.RED: mean, Channel.YELLOW: mean / 3}
    mandated = zero | {Channel.RED: 0.02 * mean}
    return HourlyBaseline(SHIFT, offsets, 28.0, means, mandated, LearnedMinutes(()))


def shift(seed: int, *, budget: float, halved_at: int | None = None) -> tuple[float, float]:
    """Return (minutes of score and random picks, minutes that profiles left) of one shift."""
    rng = Random(seed)
    count = rng.randrange(150, 260)
    running = OpenShiftLoad(usual(rng, count), {Channel.RED: budget}, 0, 0)
    busy = rng.uniform(0.7, 1.3)
    times = sorted(round(rng.betavariate(2, 2) * 12 * HOUR) for _ in range(round(count * busy)))
    spent: dict[bool, float] = defaultdict(float)
    for at in times:
        running.now = at
        if halved_at is not None and at >= halved_at:
            running.minutes = {Channel.RED: budget / 2}
        expected = running.expect_minutes(rng.choice(CLASSES))
        policy = running.policy(POLICY, expected)
        mandated = rng.random() < 0.02
        picked = rng.random() < ramp(rng.random(), policy.red_share, blur=policy.blur)
        drawn = rng.random() < policy.random_share
        if mandated or picked or drawn:
            spent[not mandated] += expected.red
            running.spent[Channel.RED, not mandated] += expected.red
        running.decisions += 1
    there = budget if halved_at is None else budget / 2
    return spent[True], there - spent[False]


def test_shifts_spend_what_profiles_leave() -> None:
    used = [ours / left for ours, left in (shift(seed, budget=1500) for seed in range(SHIFTS))]
    assert 0.9 <= statistics.median(used) <= 1.1
    assert max(used) <= 1.15


def test_a_half_closed_post_adapts_within_its_shift() -> None:
    halves = [shift(seed, budget=3000, halved_at=4 * HOUR) for seed in range(SHIFTS)]
    used = [ours / left for ours, left in halves]
    assert 0.9 <= statistics.median(used) <= 1.1
    # Random checks after the halving cannot be stopped: the random stream is never switched off.
    assert statistics.quantiles(used, n=20)[-1] <= 1.15


minutes = st.floats(0, 1000)


@given(minutes, minutes, minutes, st.floats(0, 500), st.floats(1, 90))
def test_more_minutes_never_pick_less(
    budget: float, more: float, ours: float, coming: float, mean: float
) -> None:
    side = ChannelCapacity(budget, MinutesUsed(ours=ours), ExpectedRemainder(coming, mean, 0.0))
    richer = replace(side, minutes=budget + more)
    one = Minutes(red=mean, yellow=mean)
    shares = [adapt_policy(POLICY, {Channel.RED: s}, one).red_share for s in (side, richer)]
    assert 0.0 <= shares[0] <= shares[1]


@given(minutes, minutes, st.floats(0, 500), st.floats(1, 90))
def test_both_channels_together_leave_the_lower_part_of_the_arrivals_alone(
    red: float, yellow: float, coming: float, mean: float
) -> None:
    rest = ExpectedRemainder(coming, mean, 0.0)
    sides = {
        Channel.RED: ChannelCapacity(red, MinutesUsed(), rest),
        Channel.YELLOW: ChannelCapacity(yellow, MinutesUsed(), rest),
    }
    policy = adapt_policy(POLICY, sides, Minutes(red=mean, yellow=mean))
    assert policy.red_share + policy.yellow_share <= MOST_TOGETHER + 1e-12
    alone = adapt_policy(POLICY, {Channel.RED: sides[Channel.RED]}, Minutes(red=mean, yellow=mean))
    assert policy.red_share == alone.red_share, "red picks come first"


def test_what_a_roster_sets_fits_beside_the_fixed_shares_of_other_lists() -> None:
    rich = ChannelCapacity(6000, MinutesUsed(), ExpectedRemainder(100.0, 10.0, 0.0))
    one = Minutes(red=10.0, yellow=10.0)
    papers, audits = replace(POLICY, red_share=0.1, yellow_share=0.4), Policy(0.05, 0.05, 0.45)
    assert adapt_policy(papers, {Channel.RED: rich}, one).red_share == pytest.approx(0.1)
    assert adapt_policy(audits, {Channel.YELLOW: rich}, one).yellow_share == pytest.approx(0.05)
    free = replace(POLICY, blue_share=0.0)
    assert adapt_policy(free, {Channel.YELLOW: rich}, one).yellow_share > 0.2, "negative control"


def test_without_a_roster_the_fixed_shares_hold() -> None:
    assert adapt_policy(POLICY, {}, Minutes(red=1.0, yellow=1.0)) == POLICY


def test_minutes_are_learnt_and_one_long_search_does_not_decide() -> None:
    one = LearnedMinutes([("truck", True, 1, 600.0)]).expect_minutes("truck")
    many = LearnedMinutes([("truck", True, 500, 500 * 95.0)]).expect_minutes("truck")
    assert PRIOR["truck"] < one.red < 90
    assert 90 < many.red < 95
    assert LearnedMinutes(()).expect_minutes("car") == Minutes(
        red=PRIOR["car"], yellow=PRIOR["car"] / 3
    )


POSTS = ("OYB", "DUS")
STEPS = 60
Seen = list[tuple[list[Picks], list[int]]]


def decision(dice: random.Random, number: int, *, amends: str | None = None) -> Draft:
    channel = dice.choice((0, 2, 3))
    queue = {
        "decision_id": f"dec-{number}",
        "crossing_id": amends or f"c-{number}",
        "channel": channel,
        "place": channel * 10**12 + dice.randrange(50),
        "p_seizure": None,
        "p_discrepancy": None,
        "basis": dice.choice((None, "score", "random", "profile")),
        "minutes": dice.choice((0.0, 12.5, 45.0)),
        "model_version": None,
        "waiting": channel > 1,
        "amends": amends and f"dec-{amends[2:]}",
        "plate": "",
        "vehicle_class": "truck",
    }
    arrival = {"crossing": {"arrived_at": "2026-10-14T07:00:00Z"}}
    body = {"queue": queue, "arrival": arrival, "inputs": {"matches": []}}
    body |= {"crossing_id": queue["crossing_id"]}
    return Draft(DECISION, f"dec-{number}", dice.choice(POSTS), body)


def act(dice: random.Random, number: int, decided: Sequence[int]) -> Draft:
    """Something that moves an earlier decision."""
    earlier = dice.choice(decided)
    kind = dice.choice((INSPECTION, RELEASE, REVIEW, DECISION))
    if kind == DECISION:
        return decision(dice, number, amends=f"c-{earlier}")
    review = {"verdict": "override", "channel": dice.choice(("green", "red")), "reason_code": "x"}
    body = {"crossing_id": f"c-{earlier}", "person": "one", "review": review, "answers": "red"}
    return Draft(kind, f"dec-{earlier}", dice.choice(POSTS), body)


def night(store: Store, tally: Tally, *, seed: int) -> tuple[Seen, Seen]:
    """Record a night; return what the tally said after each batch, and what a new one said."""
    dice, clock = random.Random(seed), Clock()
    journal = Journal(store, (project_queue, project_reviews), clock)
    kept: Seen = []
    recounted: Seen = []
    number, decided = 0, list[int]()
    for _ in range(STEPS):
        batch = []
        for _ in range(dice.randrange(4)):
            number += 1
            moves = decided and dice.random() < 0.15
            batch.append(act(dice, number, decided) if moves else decision(dice, number))
            if batch[-1].kind == DECISION:
                decided.append(number)
        journal.append(batch or [Draft(TICK, "", "", {})])
        clock.time += dice.choice((0, HOUR, 2 * HOUR))
        since = NOON + (clock.time - NOON) // (12 * HOUR) * 12 * HOUR
        with store.read() as snapshot:
            head = journal.head(snapshot)
            tally.catch_up(snapshot, head.seq)
            for found, one in ((kept, tally), (recounted, Tally())):
                for post in POSTS:
                    spent = sorted(one.spent(snapshot, post, since), key=repr)
                    places = one.places(snapshot, post, as_of=head.as_of)
                    found.append((spent, list(places)))
    return kept, recounted


def test_a_tally_is_what_is_added_up_again(store: Store) -> None:
    kept, recounted = night(store, Tally(), seed=1)
    assert kept == recounted
    assert any(places for _, places in kept) and any(spent for spent, _ in kept)
