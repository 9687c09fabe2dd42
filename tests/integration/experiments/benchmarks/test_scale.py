"""What a command took is stated by crossing, and costs by the power of their growth."""

import os
from pathlib import Path

from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks import scale
from experiments.benchmarks.scale import SizedHome, describe, fit_powers
from experiments.support.deployment import Deployment
from experiments.support.processes import CommandCost, HomeCommands
from tests.support.sizes import PROOF

COST = CommandCost(2.0, 3 << 20, {"rows": {"crossings.csv": 90_000, "declarations.csv": 30_000}})


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
