"""Benchmarks measure what they say: features, quality, scale, serving."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import NotEnoughDataError
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE
from experiments.benchmarks import features as bench
from experiments.benchmarks import scale, serving
from experiments.benchmarks.quality import kcs
from experiments.benchmarks.quality.known_truth import bound_gain
from experiments.benchmarks.scale import SizedHome, describe
from experiments.support.deployment import Deployment, deploy
from experiments.support.postgres import Cluster
from experiments.support.processes import CommandCost, HomeCommands
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.labels import labels
from models.data.build_dataset import assemble
from tests.support.clocks import wait_for
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


def test_the_low_end_of_a_gain_tells_a_gain_from_luck() -> None:
    draw = np.random.default_rng(1)
    found = draw.random(4000) < 0.2
    better = found & (draw.random(4000) < 0.4)
    chance = draw.random(4000) < 0.08
    assert bound_gain(found, better, chance)[0] > 0
    assert bound_gain(found, chance, draw.random(4000) < 0.08)[0] < 0


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


if PROOF:

    def test_two_small_homes_are_measured() -> None:
        rows = scale.measure(crossings=(6_000, 12_000))
        decisions = [line["name"] for line in rows if line["name"].startswith("decision ")]
        assert len(decisions) == (2 if os.environ.get(DATABASE_VARIABLE) else 4)
        assert len([line["name"] for line in rows if line["name"].startswith("page of")]) == 9
        assert all(line["seen"] > 0 for line in rows if line["unit"] != "power")


@pytest.mark.parametrize("missing", ["crossings.csv", "network.toml"])
def test_a_folder_that_cannot_be_served_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    for name in {"crossings.csv", "network.toml"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(NotEnoughDataError, match=missing):
        deploy(tmp_path / "scratch", tmp_path, latest=0, entries=1)


@pytest.mark.parametrize("is_held", [True, False])
def test_connections_that_wait_for_the_journals_lock_are_counted(
    cluster: Cluster, is_held: bool
) -> None:
    with cluster.database() as url, Store(url) as store, ThreadPoolExecutor(1) as threads:
        with store.write() if is_held else nullcontext():
            other = threads.submit(take_lock, url)
            with serving._count_waiting(cluster.url()) as found:
                assert wait_for(lambda: len(found) > 5, seconds=30)
        other.result()
    assert max(found) == int(is_held)


def take_lock(url: str) -> None:
    with Store(url) as store, store.write():
        pass
