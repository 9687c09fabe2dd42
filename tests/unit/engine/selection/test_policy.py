"""Percentiles rise with the risk; shares hold; a channel never gets milder with a higher risk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.selection import (
    INSPECTED,
    RANDOM,
    SCORE,
    TABLE_LEVELS,
    Chance,
    Channel,
    Policy,
    blend_tables,
    level_among_picks,
    percentile,
    picked_levels,
    place_among_picks,
    propensity,
    ramp,
    random_chance,
    risk,
    risk_at,
    score_chances,
    select,
)

tables = st.lists(st.floats(0, 1), min_size=TABLE_LEVELS, max_size=TABLE_LEVELS).map(sorted)
UNIFORM = tuple(np.linspace(0, 1, TABLE_LEVELS).tolist())


@given(tables, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_higher_risk_never_has_a_lower_percentile(
    table: list[float], risks: tuple[float, float]
) -> None:
    low, high = (percentile(table, value) for value in sorted(risks))
    assert 0 <= low <= high <= 1


@given(tables, st.floats(0, 1))
def test_a_share_and_its_risk_belong_together(table: list[float], share: float) -> None:
    value = risk_at(table, share)
    assert table[0] <= value <= table[-1]
    if len(set(table)) == TABLE_LEVELS and min(np.diff(table)) > 1e-6:
        assert percentile(table, value) == pytest.approx(share, abs=1e-6)


def test_a_step_counts_by_its_middle() -> None:
    table = [0.0] * 51 + [1.0] * 50
    assert percentile(table, 0.0) == 0.25
    assert percentile(table, 1.0) == 0.755
    assert percentile(table, 0.5) == pytest.approx(0.505)
    assert (percentile(table, -1), percentile(table, 2)) == (0, 1)


def test_without_decisions_the_models_own_table_stands() -> None:
    assert np.allclose(blend_tables(UNIFORM, []), UNIFORM, atol=3e-3)


def test_decisions_outweigh_the_models_table() -> None:
    recent = np.random.default_rng(3).random(20_000) * 0.1
    table = blend_tables(UNIFORM, recent)
    assert percentile(table, 0.09) > 0.8
    assert list(table) == sorted(table)


share = st.floats(0, 1)
number = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    Policy,
    red_share=st.floats(0.001, 0.2),
    yellow_share=st.floats(0.001, 0.3),
    random_share=st.floats(0.03, 0.1),
    blur=share,
)
draws = st.fixed_dictionaries(dict.fromkeys(["rule.a", "rule.b", SCORE, RANDOM], number))


def test_channels_are_ordered_and_named() -> None:
    assert min(Channel) is Channel.GREEN and max(Channel) is Channel.RED
    assert [Channel.of(c.code) for c in Channel] == list(Channel)


@given(policies, st.tuples(share, share), draws)
def test_a_higher_percentile_never_gets_a_milder_channel(
    policy: Policy, levels: tuple[float, float], drawn: dict[str, float]
) -> None:
    mild, severe = (
        select([*score_chances(policy, q), random_chance(policy)], drawn).channel
        for q in sorted(levels)
    )
    assert mild <= severe


@given(st.tuples(share, share), share, st.floats(0.1, 100))
def test_risk_rises_with_each_probability(
    p: tuple[float, float], other: float, weight: float
) -> None:
    low, high = sorted(p)
    assert risk(low, other, severity=weight) <= risk(high, other, severity=weight)
    assert risk(other, low, severity=weight) <= risk(other, high, severity=weight)
    assert 0 <= risk(low, high, severity=weight) <= 1


@given(policies, share, draws)
def test_everybody_is_covered_by_the_random_stream(
    policy: Policy, level: float, drawn: dict[str, float]
) -> None:
    made = select([*score_chances(policy, level), random_chance(policy)], drawn)
    assert policy.random_share - 1e-12 <= made.propensities[Channel.RED] <= 1
    assert made.propensities[Channel.RED] <= made.propensities[Channel.YELLOW] <= 1
    assert made.is_random == (drawn[RANDOM] < policy.random_share)
    assert (made.basis == "random") == made.is_random


def test_membership_of_the_random_stream_is_kept_next_to_a_certain_hit() -> None:
    found = [Chance("rule.a", Channel.RED, 1.0), Chance(RANDOM, Channel.RED, 0.03)]
    made = select(found, {"rule.a": 0.9, RANDOM: 0.01})
    assert (made.basis, made.is_random, made.fired) == ("random", True, ("rule.a", RANDOM))
    assert made.propensities[Channel.RED] == 1.0


def test_propensity_multiplies_over_purposes_and_nests_within_one() -> None:
    found = [
        Chance(SCORE, Channel.RED, 0.2),
        Chance(SCORE, Channel.YELLOW, 0.5),
        Chance("rule.a", Channel.YELLOW, 0.4),
        Chance(RANDOM, Channel.RED, 0.03),
    ]
    assert propensity(found, Channel.RED) == pytest.approx(1 - 0.8 * 0.97)
    assert propensity(found, Channel.YELLOW) == pytest.approx(1 - 0.5 * 0.6 * 0.97)


@given(st.floats(0.001, 0.5), share)
def test_a_blurred_cut_selects_its_share(of: float, blur: float) -> None:
    level = (np.arange(20_000) + 0.5) / 20_000
    mean = np.mean([ramp(q, of, blur=blur) for q in level])
    assert mean == pytest.approx(of, abs=1e-4)


def test_a_random_pick_queues_where_scored_picks_do() -> None:
    of, blur = 0.04, 0.25
    drawn = (np.arange(4000) + 0.5) / 4000
    places = np.array([place_among_picks(u, of, blur=blur) for u in drawn])
    levels = np.linspace(0.9, 1, 200_001)
    weights = np.array([ramp(q, of, blur=blur) for q in levels])
    expected = np.interp(drawn, np.cumsum(weights) / weights.sum(), levels)
    assert np.abs(places - expected).max() < 1e-4


@pytest.mark.parametrize("channel", INSPECTED)
def test_a_drawn_level_is_one_that_the_score_picks_for_its_channel(channel: Channel) -> None:
    policy = Policy(red_share=0.04, yellow_share=0.08, blur=0.5)
    drawn = (np.arange(2000) + 0.5) / 2000
    found = np.array([level_among_picks(u, policy, channel) for u in drawn])
    levels = np.linspace(0.8, 1, 100_001)
    red = np.array([ramp(q, 0.04, blur=0.5) for q in levels])
    both = np.array([ramp(q, 0.12, blur=0.5) for q in levels])
    weights = red if channel is Channel.RED else both - red
    expected = np.interp(drawn, np.cumsum(weights) / weights.sum(), levels)
    assert np.abs(found - expected).max() < 1e-4
    low, high = picked_levels(policy, channel)
    assert low <= found.min() and found.max() <= high


@pytest.mark.parametrize(
    "wrong",
    [
        {"random_share": 0.0},
        {"random_share": 0.2},
        {"red_share": -0.1},
        {"yellow_share": 0.5},
        {"blur": 2.0},
    ],
)
def test_impossible_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Policy(**wrong)
