"""The serving benchmark claims ratios of turns, and runs on histories that ended long ago."""

from pathlib import Path

import pytest

from engine.errors import NotEnoughDataError
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
from experiments.support.deployment import deploy

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
