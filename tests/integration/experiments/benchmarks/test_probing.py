"""The measure of probing finds what can be learnt, and nothing where there is nothing to learn."""

from dataclasses import replace

import numpy as np
import pytest

from engine.selection import Policy
from experiments.benchmarks import probing
from experiments.benchmarks.probing import (
    ObservedProbes,
    ScoredEntries,
    apart,
    by_class,
    by_secret,
    by_subject,
    levels,
    merits,
    probe_service,
    send_probes,
)
from tests.support.sizes import PROOF

ALL_BY_LOT = Policy(red_share=0.0, yellow_share=0.0, random_share=0.1)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ObservedProbes:
    """Entries whose first declared column tells where they stand, and whose second does not."""
    monkeypatch.setattr(probing, "DRAWS", 20 if PROOF else 8)
    monkeypatch.setattr(probing, "SURROGATES", probing.SURROGATES[2:])
    rng = np.random.default_rng(1)
    level = rng.random(1500)
    declared = np.column_stack([level + rng.normal(0, 0.05, 1500), rng.random(1500)])
    kind = np.where(level > 0.5, "truck", "car").astype(object)
    about = rng.random((1500, 3)) < 0.5  # words that tell nothing
    return ObservedProbes(declared, kind, level, about)


def test_a_score_that_shows_in_what_is_declared_is_found_out(world: ObservedProbes) -> None:
    assert probe_service(world, Policy(), 300) > 0.9


def test_a_random_check_tells_nothing(world: ObservedProbes) -> None:
    assert abs(probe_service(world, ALL_BY_LOT, 300) - 0.5) < 0.3
    hidden = replace(world, declared=world.declared[:, 1:])
    assert probe_service(hidden, Policy(), 300) < 0.6


def test_referrals_are_those_of_the_policy(world: ObservedProbes) -> None:
    where = send_probes(world, Policy(), np.random.default_rng(1))
    assert where.to_officers[world.level > 0.98].all()
    assert where.to_officers[world.level < 0.8].mean() == pytest.approx(0.03, abs=0.02)
    assert not where.by_score[world.level < 0.8].any()


MOSTLY_LOT = Policy(red_share=0.02, yellow_share=0.02, random_share=0.1)


@pytest.fixture
def noisy(world: ObservedProbes, monkeypatch: pytest.MonkeyPatch) -> ObservedProbes:
    """The same, and the declared column tells little."""
    monkeypatch.setattr(probing, "DRAWS", 3)
    noise = np.random.default_rng(2).normal(0, 0.4, world.declared.shape)
    return replace(world, declared=world.declared + noise)


def test_words_that_tell_nothing_add_nothing(noisy: ObservedProbes) -> None:
    alone = probe_service(noisy, MOSTLY_LOT, 300)
    assert probe_service(noisy, MOSTLY_LOT, 300, insider=by_subject) - alone < 0.02


def test_words_that_tell_are_found_out(noisy: ObservedProbes) -> None:
    """Negative control: a word that the reasons of high risks alone have."""
    telling = replace(noisy, subjects=(noisy.level > 0.9)[:, None])
    alone = probe_service(telling, MOSTLY_LOT, 300)
    assert probe_service(telling, MOSTLY_LOT, 300, insider=by_subject) - alone > 0.02
    assert probe_service(telling, MOSTLY_LOT, 300, insider=by_secret) - alone > 0.02


def entries(count: int) -> ScoredEntries:
    """Entries of one post, whose trucks stand higher in risk than its cars."""
    rng = np.random.default_rng(3)
    kind = np.where(rng.random(count) < 0.5, "truck", "car").astype(object)
    risk = rng.random(count) ** np.where(kind == "truck", 2.0, 4.0)
    posts = np.full(count, "a", object)
    return ScoredEntries(posts, kind, risk, levels(risk, posts))


def test_drawn_places_do_not_tell_and_own_ones_do() -> None:
    """Negative control: every vehicle by its own risk, random checks would come last."""
    drawn = apart([merits(entries(12_000), np.random.default_rng(1))])
    assert max(one.auc for one in drawn.values()) <= 0.55
    assert min(one.pairs for one in drawn.values()) >= 2000
    own = apart([merits(entries(12_000), np.random.default_rng(1), all_own=True)])
    assert own["random from score"].auc > 0.8 and own["profile from score"].auc > 0.8


def test_a_class_tells_as_much_as_it_does(world: ObservedProbes) -> None:
    assert by_class(world) == pytest.approx(0.5 + 0.5 * 0.5 / 0.875, abs=0.05)


def test_risks_stand_among_those_of_their_post() -> None:
    risks = np.concatenate([np.linspace(0, 0.1, 200), np.linspace(0.5, 0.9, 200)])
    posts = np.repeat(np.array(["a", "b"], object), 200)
    found = levels(risks, posts)
    assert found[:200] == pytest.approx(found[200:], abs=0.01)
    assert found.min() == 0.0 and found.max() == 1.0
