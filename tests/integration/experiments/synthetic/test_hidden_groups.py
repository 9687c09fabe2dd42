"""Groups that are never caught before the last quarter: what they keep, change and carry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from engine.domain.time_units import micros
from experiments.benchmarks.quality import groups, plain_learner
from experiments.benchmarks.quality.known_truth import read_known_truth
from experiments.synthetic.config import Config
from experiments.synthetic.folder import DEFAULT_DAYS, DEFAULT_END
from experiments.synthetic.mechanisms import network_year
from experiments.synthetic.mechanisms.hidden_risks import (
    CARRYING,
    KINDS,
    NEVER_CAUGHT,
    QUARTER,
    GroupKind,
    HiddenRisks,
    Trips,
    draw_risks,
    draw_trips,
)
from experiments.synthetic.mechanisms.network_year import NetworkYear, simulate_year


def year(kind: GroupKind) -> tuple[Trips, HiddenRisks, NetworkYear]:
    config = Config(20_000, 3, micros(DEFAULT_END), DEFAULT_DAYS)
    trips = draw_trips(config)
    risks = draw_risks(kind, trips, config)
    return trips, risks, simulate_year(trips, risks, config)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_carry_and_half_of_them_are_never_caught(kind: GroupKind) -> None:
    trips, risks, course = year(kind)
    group = risks.group
    assert group is not None
    carrying, lawful = (group >= 0) & (group < CARRYING), group >= CARRYING
    assert course.carries[carrying].mean() > 10 * course.carries[lawful].mean()
    before = trips.entry_at < micros(DEFAULT_END) - QUARTER
    hidden = (group >= 0) & (group < NEVER_CAUGHT)
    found = (course.outcome == 2) | (course.inland_at >= 0)
    assert course.carries[hidden & before].sum() > 20
    assert not found[hidden & before].any()
    assert not (course.basis[found] < 0)[course.outcome[found] == 2].any()
    # Negative control: the other groups that carry were caught, in the same time.
    assert found[carrying & ~hidden & before].sum() >= 3


def test_the_plain_learner_reads_the_past_alone(tmp_path: Path) -> None:
    network_year.write(tmp_path, mechanism="fronts", crossings=2_000, seed=3)
    tables = read_known_truth(tmp_path).tables
    ids = tables.crossings["crossing_id"].to_pylist()
    half = len(ids) // 2
    cut = tables.crossings["known_at"][half].as_py()
    early = [key for key, at in zip(ids, _arrivals(tables.crossings), strict=True) if at < cut]
    whole = plain_learner.columns(tables, early)
    past = tables.crossings.slice(0, half)
    np.testing.assert_array_equal(
        whole, plain_learner.columns(replace(tables, crossings=past), early)
    )
    # An earlier record moves later rows.
    later = plain_learner.columns(replace(tables, crossings=tables.crossings.slice(20)), ids[-50:])
    assert not np.array_equal(later, plain_learner.columns(tables, ids[-50:]), equal_nan=True)


def _arrivals(crossings: pa.Table) -> list[int]:
    times: list[int] = crossings["arrived_at"].to_pylist()
    return times


def quarter(score: NDArray[np.float64], *, hidden: int) -> groups.Quarter:
    n = len(score)
    is_hidden = np.arange(n) < hidden
    parties = [np.array(["A", None] * (n // 2), object)]
    rankings = dict.fromkeys((groups.P_SEIZURE, groups.RISK, groups.BEST), score)
    rankings[groups.PLAIN] = -score
    return groups.Quarter("plates", 1, rankings, is_hidden, is_hidden, np.full(n, 0.5), parties)


def test_figures_tell_a_right_ranking_from_its_reverse() -> None:
    one = quarter(np.linspace(1, 0, 1_000), hidden=40)
    assert one.find(groups.P_SEIZURE, 0.02).sum() == 20
    assert one.find(groups.P_SEIZURE, 0.05).sum() == 40
    assert not one.find(groups.PLAIN, 0.05).any()
    assert one.largest_share(groups.P_SEIZURE) == 0.5
    seen = {row["name"]: row for row in groups._compare("SYNTHETIC plates", [one])}
    assert seen["SYNTHETIC plates: within 5%, p_seizure over the plain learner"]["holds"]
    stated = seen["SYNTHETIC plates: stated over true chance in the likeliest 1%"]
    assert stated["seen"] == 0.5
    turned = quarter(np.linspace(0, 1, 1_000), hidden=40)
    rows = {row["name"]: row for row in groups._compare("SYNTHETIC plates", [turned])}
    assert not rows["SYNTHETIC plates: within 5%, p_seizure over the plain learner"]["holds"]
