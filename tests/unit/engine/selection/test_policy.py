"""Percentiles rise with the risk; shares hold; a channel never gets milder with a higher risk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.selection import (
    INSPECTED,
    PAPERS,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    TABLE_LEVELS,
    Chance,
    Channel,
    Levels,
    Policy,
    blend_tables,
    level_among_picks,
    percentile,
    picked_levels,
    place_among_picks,
    propensity,
    ramp,
    random_chances,
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
PURPOSES = ("rule.a", "rule.b", SCORE, PAPERS, RANDOM, RANDOM_PAPERS)
draws = st.fixed_dictionaries(dict.fromkeys(PURPOSES, number))


def test_channels_are_ordered_and_named() -> None:
    assert min(Channel) is Channel.GREEN and max(Channel) is Channel.RED
    assert [Channel.of(c.code) for c in Channel] == list(Channel)


def selected(
    policy: Policy, seizure: float, discrepancy: float, drawn: dict[str, float]
) -> Channel:
    chances = (*score_chances(policy, Levels(seizure, discrepancy)), *random_chances(policy))
    return select(chances, drawn).channel


@given(policies, st.tuples(share, share), share, draws)
def test_a_higher_percentile_of_either_list_never_gets_a_milder_channel(
    policy: Policy, levels: tuple[float, float], other: float, drawn: dict[str, float]
) -> None:
    low, high = sorted(levels)
    assert selected(policy, low, other, drawn) <= selected(policy, high, other, drawn)
    assert selected(policy, other, low, drawn) <= selected(policy, other, high, drawn)


@given(policies, share, draws)
def test_a_doubt_about_papers_alone_sends_nobody_to_a_search(
    policy: Policy, discrepancy: float, drawn: dict[str, float]
) -> None:
    drawn = drawn | {RANDOM: 0.999}
    assert selected(policy, 0.0, discrepancy, drawn) <= Channel.YELLOW


@given(policies, share, draws)
def test_a_load_alone_is_searched_and_no_paper_looked_at(
    policy: Policy, seizure: float, drawn: dict[str, float]
) -> None:
    drawn = drawn | {RANDOM: 0.999, RANDOM_PAPERS: 0.999}
    assert selected(policy, seizure, 0.0, drawn) in (Channel.GREEN, Channel.RED)


def test_blue_lies_below_yellow() -> None:
    policy = Policy(yellow_share=0.1, blue_share=0.1, blur=0.0)
    never = dict.fromkeys(PURPOSES, 0.999)
    found = [selected(policy, 0.0, level, never) for level in (0.79, 0.81, 0.89, 0.91)]
    assert found == [Channel.GREEN, Channel.BLUE, Channel.BLUE, Channel.YELLOW]


@given(policies, share, draws)
def test_everybody_is_covered_by_the_random_stream(
    policy: Policy, level: float, drawn: dict[str, float]
) -> None:
    chances = (*score_chances(policy, Levels(level, level)), *random_chances(policy))
    made = select(chances, drawn)
    assert policy.random_share - 1e-12 <= made.propensities[Channel.RED] <= 1
    assert made.propensities[Channel.RED] <= made.propensities[Channel.YELLOW] <= 1
    assert made.is_random == (drawn[RANDOM] < policy.random_share)
    assert (made.basis == "random") == made.is_random


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
    own = 0.04 if channel is Channel.RED else 0.08
    weights = np.array([ramp(q, own, blur=0.5) for q in levels])
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
        {"yellow_share": 0.6},
        {"blue_share": 0.45},
        {"random_yellow_share": 0.2},
        {"blur": 2.0},
    ],
)
def test_impossible_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Policy(**wrong)
