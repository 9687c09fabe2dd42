"""Drift of what the service decided against a reference as training makes it: of entries alone."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import DAY
from models.monitoring import drift_monitor
from models.statistics.drift import Reference
from models.training.trainer import train
from tests.integration.models.learning.test_fit import SMALL
from tests.integration.service.drift.test_drift import PLAN, measure_drift, papers, values
from tests.support.running_service import World, arrival, serving
from tests.support.small_dataset import START, small_world

ENTRIES, EXITS = 60, 25
SMALLEST = replace(
    SMALL,
    discrepancy=replace(SMALL.discrepancy, iterations=8),
    seizure=replace(SMALL.seizure, iterations=8, seeds=1),
    folds=2,
)
"""Of the training the reference alone is asked for, which no tree changes."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home that decided on entries, and on some exits too."""
    for made in serving(tmp_path_factory.mktemp("home")):
        for number in range(1, ENTRIES + EXITS + 1):
            way = "entry" if number <= ENTRIES else "exit"
            assert made.decide(arrival(number, direction=way)).status_code == 201
        yield made


@pytest.fixture(scope="module")
def taught(world: World) -> Reference:
    """Train on the service's own traffic many times over: its network is a stationary one."""
    data, seen = small_world(3000, seed=5), values(world)
    is_entry = seen[:, PLAN.names.index("is_entry")] == 1
    assert is_entry.sum() == ENTRIES
    draw = np.random.default_rng(6)
    rows = np.where(
        data.direction == "entry",
        draw.choice(np.flatnonzero(is_entry), len(data)),
        draw.choice(np.flatnonzero(~is_entry), len(data)),
    )
    data = replace(data, names=PLAN.names, definitions=PLAN.digest, values=seen[rows])
    return train(data, SMALLEST, cutoff=START + 200 * DAY).reference


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_monitor, "FEWEST", ENTRIES // 2)


def test_a_stationary_network_has_not_moved_though_exits_are_decided_too(
    world: World, taught: Reference
) -> None:
    found = measure_drift(world, papers(taught))
    assert found["decisions"] == found["sampled"] == ENTRIES + EXITS and not found["left_out"]
    assert found["all"]["rows"] == found["posts"]["OYB"]["rows"] == ENTRIES
    assert found["all"]["moved"] == 0


def test_exits_held_against_entries_are_found(world: World, taught: Reference) -> None:
    """Negative control.

    A reading that takes every decision for an entry sees a network that moved.
    """
    found = measure_drift(world, papers(replace(taught, of_entries=False)))
    assert found["all"]["rows"] == ENTRIES + EXITS
    assert found["all"]["moved"] > 0
