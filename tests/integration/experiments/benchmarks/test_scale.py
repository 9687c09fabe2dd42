"""Sizes are taken as asked for, and what a command took is its own."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks.scale import run as scale
from experiments.benchmarks.scale.growth_laws import fit_powers
from experiments.benchmarks.scale.sized_home import SizedHome
from experiments.support.processes import CommandCost, HomeCommands
from tests.support.sizes import PROOF

COST = CommandCost(2.0, 3 << 20, {})


def make_home(crossings: int, load: CommandCost = COST) -> SizedHome:
    return SizedHome(
        crossings=crossings,
        commands=HomeCommands(Path()),
        keys={},
        password="",
        bodies=[],
        load=load,
        features=COST,
        train=CommandCost(9.0, 1 << 30, {}),
        input_bytes=2 << 20,
        disk_bytes=1500 * crossings,
    )


def test_figures_are_by_crossing_and_by_input() -> None:
    home = make_home(60_000)
    seen = {line["name"].partition(": ")[2]: line for line in scale._describe(home)}
    assert seen["load"]["seen"] == 30_000
    assert seen["disk"]["seen"] == 1.5
    assert seen["load, peak 3 MB over input 2 MB"]["seen"] == 1.5
    assert seen["train, over one pass of features"]["seen"] == 4.5
    assert seen["train, 9 s, peak"]["seen"] == 1.0
    assert [line["holds"] for line in seen.values()] == [True, False, True, True, True]


def test_growth_in_proportion_is_a_power_of_one_and_steeper_growth_fails() -> None:
    large = make_home(600_000, CommandCost(2.0 * 10**1.3, 30 << 20, {}))
    found = fit_powers(make_home(60_000), large)
    seen = {line["name"].partition(": ")[2]: (line["seen"], line["holds"]) for line in found}
    assert seen["load, s"] == (1.3, False)
    assert seen["load, MB of memory"] == seen["disk, MB"] == (1.0, True)
    assert seen["features, s"] == seen["train, MB of memory"] == (0.0, True)


@pytest.mark.parametrize(
    "words",
    [
        ["growth", "--crossings", "2000"],
        ["scale", "--crossings", "10"],
        ["growth", "--picture", "out.svg"],
        ["lookup", "--untrained"],
        ["lookup", "--crossings", "2000"],
        ["quality", "--crossings", "2000"],
        ["lookup", "--network", "rings"],
        ["quality", "--network", "rings", "--data", "folder"],
        ["quality", "--network", "rings", "--crossings", "2000", "5000"],
    ],
)
def test_other_sizes_are_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", *words]).exit_code == 2


if PROOF:

    def test_two_small_homes_are_measured() -> None:
        rows = scale.run(None, crossings=(1_500, 3_000))
        decisions = [line["name"] for line in rows if line["name"].startswith("decision ")]
        assert len(decisions) == (2 if os.environ.get(DATABASE_VARIABLE) else 4)
        assert len([line["name"] for line in rows if line["name"].startswith("page of")]) == 4
        assert all(line["seen"] > 0 for line in rows if line["unit"] != "power")
