"""Every benchmark that the command offers declares itself; options that it lacks are refused."""

from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from api.cli.experiments import Bench, Network
from api.cli.main import app
from experiments.benchmarks import runner
from experiments.benchmarks.quality.networks import Make
from experiments.benchmarks.runner import BENCHES, find_bench, row, take_turns


def test_every_benchmark_declares_itself() -> None:
    assert set(get_args(Bench)) == set(BENCHES)
    assert all(find_bench(name).name == name for name in BENCHES)


def test_every_make_can_be_named() -> None:
    assert {str(network) for network in Network} == {
        name for one in get_args(Make) for name in get_args(one)
    }


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["scale"], {}),
        (["scale", "--picture", "out.svg"], {"picture": Path("out.svg")}),
        (["scale", "--untrained"], {"untrained": True}),
        (["scale", "--crossings", "2000", "--crossings", "5000"], {"crossings": [2000, 5000]}),
        (
            ["quality", "--network", "rings", "--network", "signs", "--seed", "0"],
            {"network": ["rings", "signs"], "seed": 0},
        ),
        (
            ["quality", "--network", "rings", "--without", "*_spread_*"],
            {"network": ["rings"], "without": ["*_spread_*"]},
        ),
    ],
)
def test_options_reach_the_benchmark(
    words: list[str], given: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    options = find_bench(words[0]).options

    def measure(**options: object) -> list[runner.Row]:
        asked.append(options)
        return [row("a figure", "times", 2.0, ">= 3")]

    monkeypatch.setattr(runner, "find_bench", lambda name: runner.Bench(name, measure, options))
    result = CliRunner().invoke(app, ["bench", *words, "--json"])
    assert result.exit_code == 1, "the figure does not hold"
    assert asked == [given]


@pytest.mark.parametrize(
    "words",
    [
        ["scale", "--crossings", "10"],
        ["quality", "--picture", "out.svg"],
        ["lookup", "--untrained"],
        ["lookup", "--crossings", "2000"],
        ["lookup", "--network", "rings"],
    ],
)
def test_other_options_are_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", *words]).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--crossings", "2000"],
        ["--without", "*_spread_*"],
        ["--network", "rings", "--data", "folder"],
        ["--network", "rings", "--crossings", "2000", "--crossings", "5000"],
    ],
)
def test_options_that_do_not_go_together_are_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", "quality", *words]).exit_code != 0


def test_ratios_are_medians_over_rounds_and_the_first_rounds_may_warm_up() -> None:
    now, times = [0.0], iter([9.0, 9.0, 1.0, 4.0, 2.0, 4.0, 1.0, 9.0])

    def work() -> None:
        now[0] += next(times)

    turns = take_turns({"ours": work, "peer": work}, 3, warming=1, clock=lambda: now[0])
    assert turns.seconds == {"ours": [1.0, 2.0, 1.0], "peer": [4.0, 4.0, 9.0]}
    assert turns.ratio("peer", "ours") == 4.0
    assert turns.median("ours") == 1.0
