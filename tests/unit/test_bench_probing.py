"""The measure of probing finds what can be learnt, and nothing where there is nothing to learn."""

from dataclasses import replace

import numpy as np
import pytest

from engine.selection import Policy
from experiments import bench_probing
from experiments.bench_probing import Watched, by_class, levels, probed, referred

ALL_BY_LOT = Policy(red_share=0.0, yellow_share=0.0, random_share=0.1)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Entries whose first declared column tells where they stand, and whose second does not."""
    monkeypatch.setattr(bench_probing, "DRAWS", 20)
    monkeypatch.setattr(bench_probing, "SURROGATES", bench_probing.SURROGATES[2:])
    rng = np.random.default_rng(1)
    level = rng.random(1500)
    declared = np.column_stack([level + rng.normal(0, 0.05, 1500), rng.random(1500)])
    kind = np.where(level > 0.5, "truck", "car").astype(object)
    return Watched(declared, kind, level)


def test_a_score_that_shows_in_what_is_declared_is_found_out(world: Watched) -> None:
    assert probed(world, Policy(), 300) > 0.9


def test_the_lot_tells_nothing(world: Watched) -> None:
    assert abs(probed(world, ALL_BY_LOT, 300) - 0.5) < 0.3
    hidden = replace(world, declared=world.declared[:, 1:])
    assert probed(hidden, Policy(), 300) < 0.6


def test_referrals_are_those_of_the_policy(world: Watched) -> None:
    sent = referred(world, Policy(), np.random.default_rng(1))
    assert sent[world.level > 0.98].all()
    assert sent[world.level < 0.8].mean() == pytest.approx(0.03, abs=0.02)


def test_a_class_tells_as_much_as_it_does(world: Watched) -> None:
    assert by_class(world) == pytest.approx(0.5 + 0.5 * 0.5 / 0.875, abs=0.05)


def test_risks_stand_among_those_of_their_post() -> None:
    risks = np.concatenate([np.linspace(0, 0.1, 200), np.linspace(0.5, 0.9, 200)])
    posts = np.repeat(np.array(["a", "b"], object), 200)
    found = levels(risks, posts)
    assert found[:200] == pytest.approx(found[200:], abs=0.01)
    assert found.min() == 0.0 and found.max() == 1.0
