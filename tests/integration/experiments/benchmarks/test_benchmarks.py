"""Benchmarks measure what they say: features, quality, scale, serving."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.domain.time_units import DAY
from engine.errors import NotEnoughDataError
from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks import features as bench
from experiments.benchmarks import scale
from experiments.benchmarks.quality import kcs, networks, peers
from experiments.benchmarks.quality.known_truth import bound_gain, leave_out
from experiments.benchmarks.scale import SizedHome, describe, fit_powers
from experiments.benchmarks.serving import (
    MLFLOW,
    OURS,
    PLAINLY,
    Setting,
    Start,
    Turn,
    batch_ratio,
    ratios,
    start_rows,
)
from experiments.support.deployment import Deployment, deploy
from experiments.support.processes import CommandCost, HomeCommands
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from models.data.build_dataset import assemble
from tests.support.sizes import PROOF
from tests.unit.features.random_histories import history, tables


def test_all_contestants_agree_and_one_that_does_not_is_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = bench.columns(tables(history(1, 300)), 200)
    assert len(table["t"]) == 200
    assert (np.diff(table["t"]) > 0).all()
    bench.agree(table, bench.contestants_of(table))
    honest = bench.by_kernel
    monkeypatch.setattr(bench, "by_kernel", lambda given, added: honest(given, added * 2))
    with pytest.raises(AssertionError, match="pandas"):
        bench.agree(table, bench.contestants_of(table))


def test_windows_are_those_of_the_catalogue_and_the_shape_is_said() -> None:
    table = bench.columns(tables(history(1, 300)), 200)
    assert {30, 365} <= set(bench.DAYS)
    assert max(bench.DAYS) * DAY < 2 * 365 * DAY
    assert f"200 crossings of {len(set(table['key'].tolist()))} plates" in bench.shape(table)


FOUND = tables(history(3, 400))


def test_hidden_outcomes_move_no_feature_of_a_held_out_crossing() -> None:
    """With its labels hidden, turning them round changes nothing that anybody sees."""
    inspected = FOUND.inspections["crossing_id"].to_pylist()
    held = pa.array(sorted(set(inspected))[::3], pa.string())
    hidden = kcs._hidden(FOUND, held)

    assert not set(hidden.inspections["crossing_id"].to_pylist()) & set(held.to_pylist())
    known = labels(hidden)
    rows = np.isin(np.array(FOUND.crossings["crossing_id"].to_pylist()), held.to_pylist())
    assert (known.discrepancy[rows] == -1).all()
    # Negative control: without hiding, the features of others do depend on these labels.
    plan = Plan({name: CATALOGUE[name] for name in ("hs2_hit_rate", "post_hit_rate")})
    assert (assemble(hidden, plan).values != assemble(FOUND, plan).values).any()


def test_shuffled_outcomes_are_the_same_ones_elsewhere() -> None:
    mixed = kcs._shuffle_outcomes(FOUND)
    before, after = (t.inspections["outcome"].to_pylist() for t in (FOUND, mixed))
    assert sorted(before) == sorted(after)
    assert before != after
    assert mixed.seizures.num_rows == 0


def test_raw_columns_follow_the_rows_and_say_nothing_of_inspections() -> None:
    ids = np.array(FOUND.crossings["crossing_id"].to_pylist(), object)[::-1]
    columns, codes = peers.raw(FOUND, ids)
    there = FOUND.crossings["weighed_mass_kg"].to_numpy()[::-1]
    assert len(columns) == len(ids)
    assert any(np.array_equal(column, there, equal_nan=True) for column in columns.T)
    assert all((columns[:, code] % 1 == 0)[~np.isnan(columns[:, code])].all() for code in codes)
    fewer, _ = peers.raw(kcs._shuffle_outcomes(FOUND), ids)
    np.testing.assert_array_equal(columns, fewer)


def test_without_history_no_feature_knows_an_inspection_or_a_link() -> None:
    plan = Plan(CATALOGUE)
    left = leave_out(assemble(FOUND, plan), networks.uses_history)
    assert 40 < len(left.names) < len(CATALOGUE)
    assert not any("hit" in name or "seizure" in name or "finds" in name for name in left.names)
    assert left.values.shape == (FOUND.crossings.num_rows, len(left.names))


def test_the_low_end_of_a_gain_tells_a_gain_from_luck() -> None:
    draw = np.random.default_rng(1)
    found = draw.random(4000) < 0.2
    better = found & (draw.random(4000) < 0.4)
    chance = draw.random(4000) < 0.08
    assert bound_gain(found, better, chance)[0] > 0
    assert bound_gain(found, chance, draw.random(4000) < 0.08)[0] < 0


def test_each_peer_learns_what_is_there() -> None:
    draw = np.random.default_rng(2)
    rows = draw.normal(size=(600, 4))
    rows[:, 3] = np.nan
    label = (rows[:, 0] + 0.3 * draw.normal(size=600) > 0).astype(np.int8)
    for peer in peers.numeric().values():
        result = peer(rows[:500], label[:500], rows[500:])
        assert result[label[500:] == 1].mean() > result[label[500:] == 0].mean() + 0.4


COST = CommandCost(
    2.0, 3 << 20, {"accepted": {"crossings.csv": 90_000, "declarations.csv": 30_000}}
)


def make_home(crossings: int, load: CommandCost = COST) -> SizedHome:
    return SizedHome(
        crossings=crossings,
        made=Deployment(HomeCommands(Path()), {}, [], Path(), load),
        password="",
        features=COST,
        train=CommandCost(9.0, 1 << 30, {}),
        input_bytes=2 << 20,
        disk_bytes=1500 * crossings,
    )


def test_figures_are_by_crossing_and_by_input() -> None:
    home = make_home(60_000)
    seen = {line["name"].partition(": ")[2]: line for line in describe(home)}
    assert seen["load"]["seen"] == 30_000
    assert seen["load, rows of all files"]["seen"] == 60_000
    assert seen["disk"]["seen"] == 1.5
    assert seen["load, peak 3 MB over input 2 MB"]["seen"] == 1.5
    assert seen["train, over one pass of features"]["seen"] == 4.5
    assert seen["train, 9 s, peak"]["seen"] == 1.0
    assert [line["holds"] for line in seen.values()] == [True, True, False, True, True, True]


def test_growth_in_proportion_is_a_power_of_one_and_steeper_growth_fails() -> None:
    large = make_home(600_000, CommandCost(2.0 * 10**1.3, 30 << 20, {}))
    found = fit_powers(make_home(60_000), large)
    seen = {line["name"].partition(": ")[2]: (line["seen"], line["holds"]) for line in found}
    assert seen["load, s"] == (1.3, False)
    assert seen["load, MB of memory"] == seen["disk, MB"] == (1.0, True)
    assert seen["features, s"] == seen["train, MB of memory"] == (0.0, True)


if PROOF:

    def test_two_small_homes_are_measured() -> None:
        rows = scale.measure(crossings=(6_000, 12_000))
        decisions = [line["name"] for line in rows if line["name"].startswith("decision ")]
        assert len(decisions) == (2 if os.environ.get(DATABASE_VARIABLE) else 4)
        assert len([line["name"] for line in rows if line["name"].startswith("page of")]) == 9
        assert all(line["seen"] > 0 for line in rows if line["unit"] != "power")


SETTING = Setting("16 connections", 16, 1, {})


def turn(times: float) -> Turn:
    return Turn(rate=100.0 * times, cpu=0.01 / times, p50=0.1 / times, p99=0.2 / times)


def list_ratios(ours: float) -> dict[str, tuple[float, bool]]:
    """Return the ratios of a service that is so many times as fast as its peers."""
    turns = {OURS: [turn(ours), turn(ours), turn(ours * 0.1)]}
    turns[MLFLOW] = [turn(1.0), turn(1.0), turn(0.1)]
    turns[PLAINLY] = [turn(4.0), turn(4.0), turn(0.4)]
    return {found["name"]: (found["seen"], found["holds"]) for found in ratios(SETTING, turns)}


def test_ratios_are_medians_of_turns_and_bars_hold_from_their_value_on() -> None:
    found = list_ratios(16.0)
    assert found[f"throughput against {MLFLOW}, 16 connections"] == (16.0, True)
    assert found[f"throughput against {PLAINLY}, 16 connections"] == (4.0, True)
    assert found[f"processor time against {MLFLOW}, 16 connections"] == (0.062, True)
    slower = list_ratios(6.0)
    assert slower[f"throughput against {MLFLOW}, 16 connections"] == (6.0, False)
    assert slower[f"throughput against {PLAINLY}, 16 connections"] == (1.5, True)
    assert slower[f"processor time against {MLFLOW}, 16 connections"] == (0.167, False)


def test_a_start_that_is_ready_before_it_can_decide_is_seen() -> None:
    starts = {OURS: Start(1.4, 2.2), MLFLOW: Start(8.0, 8.1), PLAINLY: Start(2.0, 2.0)}
    found = {one["name"]: (one["seen"], one["must"]) for one in start_rows(starts)}
    assert found[f"cold start against {MLFLOW}"] == (0.175, "<= 0.2")
    assert found[f"start to the first decision against {MLFLOW}"] == (0.272, ">= 0")
    assert found["first decision, once ready"] == (0.8, ">= 0")


def test_batches_are_compared_with_single_decisions_of_the_same_turn() -> None:
    slow_machine = [turn(0.45), turn(0.1)]
    found = batch_ratio([[turn(5.0), turn(1.0)], [turn(3.0), turn(1.0)], slow_machine])
    assert (found["seen"], found["must"], found["holds"]) == (4.5, ">= 2", True)
    assert not batch_ratio([[turn(1.9), turn(1.0)]])["holds"]


@pytest.mark.parametrize("missing", ["crossings.csv", "network.toml"])
def test_a_folder_that_cannot_be_served_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    for name in {"crossings.csv", "network.toml"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(NotEnoughDataError, match=missing):
        deploy(tmp_path / "scratch", tmp_path, latest=0, entries=1)
