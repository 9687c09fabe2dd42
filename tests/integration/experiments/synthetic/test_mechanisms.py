"""Small networks of other mechanisms: valid, repeatable, with groups that are never caught."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from sklearn.metrics import roc_auc_score

from engine.domain.time_units import micros
from engine.errors import InputError
from engine.ports import Scores
from experiments.benchmarks.quality import networks, plain_learner
from experiments.benchmarks.quality.known_truth import bound_gain, leave_out, read_known_truth
from experiments.synthetic import network_year
from experiments.synthetic.folder import DEFAULT_DAYS, DEFAULT_END
from experiments.synthetic.hidden_risks import (
    CARRYING,
    KINDS,
    NEVER_CAUGHT,
    QUARTER,
    GroupKind,
    HiddenRisks,
    Mechanism,
    Trips,
    draw_risks,
    draw_trips,
)
from experiments.synthetic.network_year import WRONG, NetworkYear, simulate_year
from experiments.synthetic.posts import Config
from features.intake.load import read_folder

MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)


def year(mechanism: Mechanism, crossings: int, seed: int = 3) -> tuple[Trips, NetworkYear]:
    config = Config(crossings, seed, micros(DEFAULT_END), DEFAULT_DAYS)
    trips = draw_trips(config)
    return trips, simulate_year(trips, draw_risks(mechanism, trips, config), config)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_row_is_valid_and_the_network_says_that_it_is_synthetic(
    mechanism: Mechanism, tmp_path: Path
) -> None:
    network_year.write(tmp_path, mechanism=mechanism, crossings=1_500, seed=3)
    read = read_folder(tmp_path)
    assert not read.quarantine
    assert read.tables.network.synthetic
    assert read.tables.inspections.num_rows > 20
    assert abs(read.tables.crossings.num_rows / 1_500 - 1) < 0.1
    truth = pa_csv.read_csv(tmp_path / "truth.csv")
    entries = int((read.tables.crossings["direction"].to_numpy() == "entry").sum())
    assert truth.num_rows == entries


def test_the_same_words_give_the_same_bytes_and_others_do_not(tmp_path: Path) -> None:
    network_year.write(tmp_path / "a", mechanism="rings", crossings=800, seed=3)
    network_year.write(tmp_path / "b", mechanism="rings", crossings=800, seed=3)
    network_year.write(tmp_path / "c", mechanism="repeat", crossings=800, seed=3)
    first, again, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"
    )
    assert first == again
    assert first["truth.csv"] != other["truth.csv"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_chances_come_true_and_order_what_they_are_about(mechanism: Mechanism) -> None:
    """The generator's chances are the best that a ranking could do, so they must be right."""
    _, course = year(mechanism, 30_000)
    for chance, truth, usual in (
        (course.p_load, course.carries, 0.02 if mechanism in ("circles", *KINDS) else 0.008),
        (course.p_wrong, course.is_wrong, WRONG),
    ):
        spread = np.sqrt(float((chance * (1 - chance)).sum()))
        assert abs(float(chance.sum()) - truth.sum()) < 4 * spread
        assert abs(truth.mean() / usual - 1) < 0.5
        assert roc_auc_score(truth, chance) > 0.7
        # Negative control: the chances of other trips order nothing.
        assert abs(roc_auc_score(truth, np.roll(chance, 1_000)) - 0.5) < 0.1


def test_searches_find_more_than_the_random_stream_and_log_their_chance() -> None:
    _, course = year("rings", 30_000)
    found = course.outcome > 0
    random, score, officer = (course.basis == basis for basis in range(3))
    assert found[score].mean() > found[random].mean()
    assert np.isnan(course.propensity[officer]).all()
    assert (
        (course.propensity[random | score] > 0) & (course.propensity[random | score] <= 1)
    ).all()
    assert not found[course.basis < 0].any()


def test_figures_tell_the_best_ranking_from_its_reverse() -> None:
    with networks.open_network("signs", crossings=2_000, seed=3) as path:
        network = read_known_truth(path)
    best = networks.measure(network, network.best)
    turned = Scores(
        p_seizure=1 - network.best.p_seizure, p_discrepancy=1 - network.best.p_discrepancy
    )
    worst = networks.measure(network, turned)
    assert best.hits > worst.hits
    # Of all entries, not of each post's day: that is rounded to none or one vehicle by chance.
    assert best.loads > network.carries[best.chosen].sum()
    assert best.loads > network.carries.sum() / 3 > worst.loads == 0
    assert best.auc > 0.6 > 0.4 > worst.auc
    assert best.average_precision > worst.average_precision
    # A load is a find: who ranks loads first among the finds is not worse for it.
    chances = np.maximum(network.carries, network.holds / 2)
    loads_first = replace(network.best, p_discrepancy=chances)
    assert networks.measure(network, loads_first).average_precision == 1
    rows = list(networks._rows("SYNTHETIC signs", replace(best, hits=best.hits // 2), best))
    assert rows[1]["seen"] == pytest.approx(best.hits // 2 / best.hits, abs=1e-3)
    assert all(row["name"].startswith("SYNTHETIC") for row in rows)
    # Features that turn the best ranking into its reverse do harm, and the rows say so.
    truth = {"holds": network.holds, "carries": network.carries}
    harm = list(networks._state_gain("SYNTHETIC signs", worst, best, **truth))
    assert [row["holds"] for row in harm if "high end" not in row["name"]] == [False] * 6
    assert all(row["holds"] for row in networks._state_gain("", best, worst, **truth))

    # A family's worth: the paired gain of the better ranking, and fewer columns of the same rows.
    low, high = bound_gain(network.holds, best.chosen, worst.chosen)
    assert 0 <= low < best.hits - worst.hits < high
    assert bound_gain(network.carries, best.chosen, best.chosen) == (0.0, 0.0)
    fewer = leave_out(network.seen, lambda name: "_spread_" in name)
    assert len(network.seen.names) - len(fewer.names) == 18
    assert fewer.values.shape == (len(network.seen.values), len(fewer.names))


def test_a_pattern_that_no_feature_fits_is_refused() -> None:
    with pytest.raises(InputError, match="no feature is named like"):
        networks.run(["signs"], without=["*_sprd_*"])


def draw_group_year(kind: GroupKind) -> tuple[Trips, HiddenRisks, NetworkYear]:
    config = Config(20_000, 3, micros(DEFAULT_END), DEFAULT_DAYS)
    trips = draw_trips(config)
    risks = draw_risks(kind, trips, config)
    return trips, risks, simulate_year(trips, risks, config)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_carry_and_half_of_them_are_never_caught(kind: GroupKind) -> None:
    trips, risks, course = draw_group_year(kind)
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
