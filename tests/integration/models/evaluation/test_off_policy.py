"""Off-policy estimates cover a known truth as often as they say, and say when they cannot."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from models.data.propensity_log import PropensityLog, ReferralState, read_log, read_random_stream
from models.evaluation.off_policy import PolicyValue, advantage, policy_value
from models.statistics.intervals import weighted_sum
from tests.support.sizes import PROOF
from tests.support.small_dataset import small_world

REPLICATIONS = 1200 if PROOF else 300
METHODS = ("inverse_propensity", "self_normalised", "doubly_robust")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Day:
    """One draw of a world in which the chance of a find is known."""

    log: PropensityLog
    chance: Floats
    wanted: Floats
    """The riskiest 8 % by another score than the one that drew."""
    red: Floats
    """Propensity of the stricter of two channels: the wrong one for being searched at all."""

    @property
    def truth(self) -> float:
        return float(self.wanted @ self.chance / self.wanted.sum())


def day(seed: int, *, n: int = 5000) -> Day:
    draw = np.random.default_rng(seed)
    seen, unseen = draw.normal(size=n), draw.normal(size=n)
    chance = 1 / (1 + np.exp(3.4 - 1.2 * seen - 0.8 * unseen))
    old = 0.8 * seen + 0.8 * unseen + draw.normal(size=n)
    score = np.clip((old - 1.0) / 1.5, 0.0, 0.9)
    propensity, red = 1 - 0.95 * (1 - score), 1 - 0.95 * (1 - score * 0.4)
    drawn = draw.random(n) < propensity
    found = np.where(drawn, draw.random(n) < chance, -1).astype(np.int8)
    wanted = (seen >= np.quantile(seen, 0.92)).astype(np.float64)
    return Day(
        PropensityLog(drawn, np.where(drawn, propensity, np.nan), found), chance, wanted, red
    )


def covers_truth(value: PolicyValue, truth: float, method: str) -> bool:
    made = getattr(value, method)
    assert made.low is not None and made.high is not None
    return bool(made.low <= truth <= made.high)


def within(hits: int, n: int) -> bool:
    """Whether so many of n 95 % intervals may cover, if each does in 91 to 99 %."""
    return bool(binom.cdf(hits, n, 0.91) > 0.001 and binom.sf(hits - 1, n, 0.99) > 0.001)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    counts = dict.fromkeys(METHODS, 0)
    errors: dict[str, list[float]] = {method: [] for method in METHODS}
    content = 0
    for seed in range(REPLICATIONS):
        one = day(seed)
        value = policy_value(one.log, one.wanted, chance=np.clip(one.chance * 1.3, 0, 1))
        if value.diagnostics.faults:
            continue
        content += 1
        for method in METHODS:
            counts[method] += covers_truth(value, one.truth, method)
            errors[method].append(getattr(value, method).value - one.truth)
    assert content > 0.95 * REPLICATIONS
    for method in METHODS:
        assert within(counts[method], content), (method, counts[method], content)
        assert abs(np.mean(errors[method])) < 4 * np.std(errors[method]) / content**0.5 + 0.002


@pytest.mark.parametrize("bug", ["weights ignored", "propensity of the wrong channel"])
def test_a_seeded_bug_misses_the_truth_or_is_found_out(bug: str) -> None:
    missed = suspected = 0
    for seed in range(40):
        one = day(seed)
        wrong = np.ones(len(one.red)) if bug == "weights ignored" else one.red
        log = replace(one.log, propensity=np.where(one.log.drawn, wrong, np.nan))
        value = policy_value(log, one.wanted)
        missed += not covers_truth(value, one.truth, "inverse_propensity")
        fits = value.diagnostics.covered_low <= 1.0 <= value.diagnostics.covered_high
        suspected += not fits
    assert missed + suspected > 30
    assert missed > 10


def test_draws_that_do_not_fit_their_propensities_are_seldom_suspected_when_they_do() -> None:
    values = [policy_value(one.log, one.wanted) for one in map(day, range(100))]
    assert sum("do not fit" in " ".join(value.diagnostics.faults) for value in values) <= 1


def test_a_vehicle_that_no_draw_could_reach_is_found_out() -> None:
    one = day(1, n=40_000)
    unreachable = one.wanted.astype(bool) & (np.arange(len(one.wanted)) % 2 == 0)
    log = PropensityLog(
        one.log.drawn & ~unreachable, one.log.propensity, np.where(unreachable, -1, one.log.found)
    )
    value = policy_value(log, one.wanted)
    assert any("do not reach" in fault for fault in value.diagnostics.faults)
    assert not value.self_normalised.knowable


def test_draws_not_carried_out_widen_the_interval_both_ways_and_many_forbid_an_answer() -> None:
    """Officers skip what they know to be loaded: that misleads the estimate, not its bounds."""
    for share, content in ((0.05, True), (0.6, False)):
        one = day(3, n=40_000)
        full = policy_value(one.log, one.wanted, chance=one.chance)
        skipped = (one.log.found == 1) & (np.random.default_rng(1).random(40_000) < share)
        log = replace(one.log, found=np.where(skipped, -1, one.log.found).astype(np.int8))
        value = policy_value(log, one.wanted, chance=one.chance)
        assert value.diagnostics.not_carried_out > 0
        assert value.doubly_robust.knowable is content
        assert value.doubly_robust.high is not None and full.doubly_robust.high is not None
        if content:
            assert value.doubly_robust.high >= full.doubly_robust.high - 0.002
            assert covers_truth(value, one.truth, "doubly_robust")
        else:
            assert "not carried out" in value.doubly_robust.why


def test_chances_make_the_estimate_sharper_and_wrong_ones_do_not_bias_it() -> None:
    widths: dict[str, list[float]] = {"none": [], "right": [], "wrong": []}
    errors = []
    for seed in range(60):
        one = day(seed)
        for name, chance in (
            ("none", np.zeros(5000)),
            ("right", one.chance),
            ("wrong", np.full(5000, 0.2)),
        ):
            made = policy_value(one.log, one.wanted, chance=chance).doubly_robust
            assert made.value is not None and made.low is not None and made.high is not None
            widths[name].append(made.high - made.low)
            if name == "wrong":
                errors.append(made.value - one.truth)
    assert np.mean(widths["right"]) < np.mean(widths["none"])
    assert abs(np.mean(errors)) < 4 * np.std(errors) / 60**0.5


def test_an_advantage_has_the_right_sign_and_covers() -> None:
    hits = 0
    for seed in range(100):
        one = day(seed)
        other = np.zeros(5000)
        other[np.random.default_rng(seed).permutation(5000)[: int(one.wanted.sum())]] = 1.0
        made = advantage(one.log, one.wanted, other, chance=one.chance)
        truth = float((one.wanted - other) @ one.chance / one.wanted.sum())
        assert made.low is not None and made.high is not None
        hits += made.low <= truth <= made.high
    assert within(hits, 100)
    same = advantage(one.log, one.wanted, one.wanted, chance=one.chance)
    assert (same.value, same.low, same.high, same.knowable) == (0.0, 0.0, 0.0, True)
    assert not advantage(one.log, np.zeros(5000), one.wanted, chance=one.chance).knowable
    swapped = advantage(one.log, other, one.wanted, chance=one.chance)
    assert swapped.value == pytest.approx(-made.value)  # type: ignore[operator]


def test_minutes_give_finds_an_hour() -> None:
    one = day(5, n=20_000)
    minutes = np.where(one.log.drawn, 30.0, np.nan)
    value = policy_value(replace(one.log, minutes=minutes), one.wanted)
    assert value.hits_per_hour.value == pytest.approx(2 * value.self_normalised.value)  # type: ignore[operator]
    assert not policy_value(one.log, one.wanted).hits_per_hour.knowable
    half = np.where(np.arange(20_000) % 2 == 0, minutes, np.nan)
    assert not policy_value(replace(one.log, minutes=half), one.wanted).hits_per_hour.knowable


def test_nothing_found_still_has_an_upper_end() -> None:
    low, high = weighted_sum(0.0, 0.0, widest=20.0)
    assert low == 0.0
    assert high == pytest.approx(20 * 3.0, rel=0.01)


@settings(max_examples=300, deadline=None)
@given(st.floats(-300, 6), st.floats(-12, 7), st.floats(-6, 6))
@example(-9.0, 5.0, 1.3)
def test_a_weighted_sum_always_has_an_interval_with_itself_inside(
    total: float, variance: float, widest: float
) -> None:
    """Also where a gamma of its mean and variance has all its mass nearer 0 than a float can be."""
    low, high = weighted_sum(10**total, 10**variance, widest=10**widest)
    assert 0 <= low <= 10**total * (1 + 1e-9)
    assert high >= 10**total
    assert high >= 10**total + 1.9 * 10 ** (variance / 2)


def test_a_draw_needs_its_propensity() -> None:
    one = day(6)
    with pytest.raises(ValueError, match="propensity"):
        replace(one.log, propensity=np.full(5000, np.nan))


def test_only_draws_of_the_engine_count() -> None:
    data = small_world(3000, seed=1)
    data.basis[data.basis == "score"] = "officer"
    log = read_log(data, "discrepancy")
    assert set(data.basis[log.drawn]) == {"random"}
    sent = np.where(data.basis == np.array(None, object), 0.05, np.nan)
    known = ReferralState(sent, np.zeros(len(data), np.bool_), np.full(len(data), np.nan))
    result = read_log(data, "discrepancy", sent=known)
    assert (result.found[~np.isnan(sent)] == -1).all()
    assert result.drawn.sum() == log.drawn.sum() + (~np.isnan(sent)).sum()


def test_the_random_stream_is_weighted_by_its_share_at_each_post() -> None:
    data = small_world(6000, seed=2)
    data.basis[(data.post == "OYB") & (np.arange(6000) % 2 == 0) & (data.basis == "random")] = None
    log = read_random_stream(data, "discrepancy")
    shares = {post: set(log.propensity[log.drawn & (data.post == post)]) for post in ("OYB", "FOT")}
    assert all(len(found) == 1 for found in shares.values())
    value = policy_value(log, np.ones(6000))
    assert value.diagnostics.covered == pytest.approx(1.0)
