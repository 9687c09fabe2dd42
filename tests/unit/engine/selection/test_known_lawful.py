"""What known lawful trade changes in a decision, and what it leaves as it is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.match import KNOWN_LAWFUL, Match
from engine.decision.decision import AMENDED, Decision, Rank, decide
from engine.decision.role_views import BLIND, outcome, view
from engine.queue.lawful_trade import LaneCounts
from engine.selection import (
    LAWFUL_CHECK,
    LAWFUL_SHARES,
    MOST_DRAWN,
    PAPERS,
    RANDOM,
    SCORE,
    Channel,
    Policy,
    lower_factor,
    propensity,
    ramp,
    random_chances,
)
from models.statistics.intervals import clopper_pearson
from tests.unit.engine.decision.test_decision import (
    NEVER,
    WITHOUT,
    chance,
    draws,
    inputs,
    make_scored_arrival,
)
from tests.unit.engine.journal.example_receipt import RECEIPT

ENTRY = Match(
    source="known_lawful", code="lawful-1", sequence=9, channel="red", share=0.0, words="carrier c"
)
NEVER_DRAWN = NEVER | {
    LAWFUL_CHECK: 0.999999,
    AMENDED: 0.1,
    "watchlist": 0.5,
    "profile:P": 0.5,
    "counterpart": 0.5,
}
LISTED = Match(source="watchlist", code="w", sequence=1, channel="red", share=1.0)
NOTICED = replace(LISTED, channel="yellow", is_of_counterpart=True)
PROFILED = Match(source="profile", code="P", sequence=2, channel="red", share=0.8, words="x")


def decide_lane(drawn: dict[str, float], *matches: Match, p: float = 0.5, **more: Any) -> Decision:
    return decide(inputs(NEVER_DRAWN | drawn, matches=matches, **more), make_scored_arrival(p, p))


policies = st.builds(
    Policy,
    red_share=st.floats(0.001, 0.25),
    random_share=st.floats(0.03, 0.10),
    lawful_factor=st.floats(*LAWFUL_SHARES["lawful_factor"]),
    lawful_floor=st.floats(*LAWFUL_SHARES["lawful_floor"]),
)


@given(policies)
def test_random_and_scored_picks_of_the_lane_stay_mixed(policy: Policy) -> None:
    """At least one search in five is by score, at scores spread as those of all vehicles."""
    factor = lower_factor(policy)
    assert policy.lawful_factor <= factor <= 1.0
    drawn = 1.0 - (1.0 - policy.random_share) * (1.0 - policy.lawful_floor)
    assert factor == 1.0 or drawn <= MOST_DRAWN * factor * policy.red_share * (1 + 1e-9)


def test_the_score_counts_less_and_never_nothing() -> None:
    for p in (0.955, 0.96, 0.97, 1.0):
        plain, lane = decide_lane({}, p=p), decide_lane({}, ENTRY, p=p)
        policy = Policy()
        scored = ramp(p, policy.red_share, blur=policy.blur)
        drawn = propensity(random_chances(policy), Channel.RED)
        lowered = lower_factor(policy) * scored
        for found, each in (
            (plain, 1 - (1 - scored) * (1 - drawn)),
            (lane, 1 - (1 - lowered) * (1 - drawn) * (1 - policy.lawful_floor)),
        ):
            assert found.selection.propensities[Channel.RED] == pytest.approx(each)
        assert lane.selection.propensities[Channel.RED] > drawn


@given(draws, chance, chance)
def test_a_higher_chance_never_gets_a_milder_channel_in_the_lane(
    drawn: dict[str, float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert decide_lane(drawn, ENTRY, p=low).channel <= decide_lane(drawn, ENTRY, p=high).channel


@given(draws, st.floats(0, 0.9))
def test_an_entry_alone_never_makes_a_drawn_or_listed_vehicle_milder(
    drawn: dict[str, float], p: float
) -> None:
    """What random checks, lists, profiles, notices or a changed declaration do is untouched."""
    score = {SCORE: 0.999999, PAPERS: 0.999999}
    for matches in ((), (LISTED,), (NOTICED,), (PROFILED,)):
        for amendment in (0, 1):
            plain = decide_lane(drawn | score, *matches, p=p, amendment=amendment)
            lane = decide_lane(drawn | score, *matches, ENTRY, p=p, amendment=amendment)
            assert lane.channel >= plain.channel
            assert set(plain.selection.fired) <= {*lane.selection.fired, SCORE, PAPERS}


def test_propensities_without_the_score_are_those_of_any_vehicle_and_the_floor() -> None:
    """A profile's and a list's part of the propensity is the same in the lane."""
    plain, lane = decide_lane({}, PROFILED, p=0.5), decide_lane({}, PROFILED, ENTRY, p=0.5)
    missed = [1 - one.selection.propensities[Channel.RED] for one in (plain, lane)]
    assert missed[1] == pytest.approx(missed[0] * (1 - Policy().lawful_floor))


def test_without_a_model_rules_count_in_full_and_the_floor_is_drawn() -> None:
    seen = make_scored_arrival(None, None)
    plain = decide(inputs(NEVER_DRAWN, **WITHOUT), seen)
    lane = decide(inputs(NEVER_DRAWN | {LAWFUL_CHECK: 0.0}, matches=(ENTRY,), **WITHOUT), seen)
    assert (plain.channel, lane.channel) == (Channel.GREEN, Channel.RED)
    assert lane.selection.basis == LAWFUL_CHECK and not lane.selection.is_random


def test_a_drawn_search_counts_as_drawn_whatever_else_selects() -> None:
    both = decide_lane({LAWFUL_CHECK: 0.0, SCORE: 0.0}, ENTRY, LISTED, p=1.0)
    assert both.selection.basis == LAWFUL_CHECK
    random = decide_lane({LAWFUL_CHECK: 0.0, RANDOM: 0.0}, ENTRY)
    assert random.selection.basis == "random" and random.selection.is_random
    assert decide_lane({LAWFUL_CHECK: 0.0}, p=0.5).selection.basis is None, (
        "without an entry: no check"
    )


def blind(decision: Decision) -> dict[str, Any]:
    found = outcome(replace(decision, rank=Rank(1, 1)))
    return view(found, decided_at=0, receipt=RECEIPT, is_blind=True)


def test_a_checkpoint_sees_the_same_with_and_without_an_entry() -> None:
    """To the byte, wherever the channel is the same; the list of matches itself would differ."""
    scored = {SCORE: 0.0, PAPERS: 0.0}
    pairs = (
        (decide_lane(scored, p=1.0), decide_lane(scored, ENTRY, p=1.0)),
        (decide_lane({RANDOM: 0.0}), decide_lane({RANDOM: 0.0}, ENTRY)),
        (decide_lane({RANDOM: 0.0}), decide_lane({LAWFUL_CHECK: 0.0}, ENTRY)),
        (decide_lane({}), decide_lane({}, ENTRY)),
    )
    for plain, lane in pairs:
        assert plain.channel is lane.channel
        assert blind(plain) == blind(lane)
        assert set(blind(lane)) == {*BLIND, "decided_at", "receipt"}
    drawn = pairs[2]
    assert drawn[0].selection.basis != drawn[1].selection.basis, "the supervisor's view differs"


@pytest.mark.parametrize(
    ("counts", "is_beyond"),
    [
        (LaneCounts(), False),
        (LaneCounts(vehicles=1, searched=1, loads=1), True),
        (LaneCounts(vehicles=199, searched=20, loads=1, drawn=10), True),
        (LaneCounts(vehicles=201, searched=20, loads=1, drawn=10), False),
        (LaneCounts(vehicles=5000, searched=300, loads=3, drawn=200, drawn_loads=3), False),
        (LaneCounts(vehicles=5000, searched=300, loads=5, drawn=200, drawn_loads=5), True),
        (LaneCounts(vehicles=5000, searched=300, loads=26), True),
    ],
)
def test_an_entry_is_beyond_its_bound_for_certain_or_nearly_so(
    counts: LaneCounts, *, is_beyond: bool
) -> None:
    assert counts.is_beyond(0.005) is is_beyond


@given(st.integers(1, 2000), st.integers(0, 30), st.sampled_from((0.001, 0.005, 0.02, 0.05)))
def test_beyond_by_drawn_searches_is_an_interval_above_the_bound(
    drawn: int, loads: int, bound: float
) -> None:
    found = min(loads, drawn)
    counts = LaneCounts(vehicles=10**9, drawn=drawn, drawn_loads=found)
    assert counts.is_beyond(bound) is (clopper_pearson(found, drawn)[0] > bound)


def test_shares_out_of_bounds_are_refused() -> None:
    for wrong in ({"lawful_factor": 0.0}, {"lawful_factor": 1.1}, {"lawful_floor": 0.0}):
        with pytest.raises(ValueError, match="lawful_"):
            Policy(**wrong)
    assert ENTRY.source == KNOWN_LAWFUL
