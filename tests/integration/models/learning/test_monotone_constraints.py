"""The signs that the field gives are kept, are about features there are, and steady few finds."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier as Grown

from features.catalogue.catalogue import CATALOGUE
from models.config import Trees
from models.learning import fit_tasks
from models.learning.base_learners import grow, grow_with_field
from models.learning.scikit_trees import read_trees

WIDTH, SIGNED = 60, 12
SIGNS = np.repeat(np.array([1, 0], np.int8), (SIGNED, WIDTH - SIGNED))
TREES = Trees(
    iterations=10,
    learning_rate=0.1,
    depth=3,
    leaves=8,
    smallest_leaf=10,
    share_of_features=0.3,
    seeds=2,
)


def rows(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 60 features, of which the 12 that are signed speak a little each."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(n, WIDTH)).astype(np.float32)
    logit = 0.45 * values[:, :SIGNED].sum(axis=1) - 4.0
    return values, (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)


VALUES, LABEL = rows(1000, seed=3)


@pytest.fixture(scope="module")
def grown_trees() -> Grown:
    return grow_with_field(VALUES, LABEL, trees=TREES, signs=SIGNS, seed=1)


def auc(score: np.ndarray, label: np.ndarray) -> float:
    rank = np.argsort(np.argsort(score)) + 1.0
    found = int(label.sum())
    return float(
        (rank[label == 1].sum() - found * (found + 1) / 2) / (found * (len(label) - found))
    )


def test_every_sign_is_of_a_feature_there_is_and_no_feature_has_two() -> None:
    assert set(fit_tasks.RISING) | set(fit_tasks.FALLING) <= set(CATALOGUE)
    assert not set(fit_tasks.RISING) & set(fit_tasks.FALLING)
    named = dict(zip(CATALOGUE, fit_tasks.list_signs(tuple(CATALOGUE), {}).tolist(), strict=True))
    assert named["driver_recent_seizure_rate"] == named["hits_passed_from_driver_to_plate"] == 1
    assert named["value_over_usual"] == -1
    assert named["net_mass_kg"] == named["plate_inspections_365d"] == 0


def test_signs_are_kept_and_features_without_one_still_speak(
    grown_trees: Grown,
) -> None:
    asked = np.repeat(VALUES[:50], 2, axis=0)
    asked[1::2, :SIGNED] += 1.0
    raised = grown_trees.decision_function(asked)
    assert (raised[1::2] >= raised[::2]).all()
    feature = read_trees(grown_trees).feature
    used = set(feature[feature >= 0].tolist())
    assert used & set(range(SIGNED, WIDTH))


def test_few_finds_are_ranked_better_than_without_the_field(
    grown_trees: Grown,
) -> None:
    later, truth = rows(6000, seed=4)
    free = grow(VALUES, LABEL, trees=TREES, signs=SIGNS * 0, seed=1)
    gain = auc(grown_trees.decision_function(later), truth) - auc(
        free.decision_function(later), truth
    )
    assert gain > 0.02


def test_too_few_signs_change_nothing() -> None:
    few = SIGNS * (np.arange(WIDTH) < 3)
    one = replace(TREES, iterations=3, seeds=1)
    held = grow_with_field(VALUES, LABEL, trees=one, signs=few, seed=1)
    plain = grow(VALUES, LABEL, trees=one, signs=few, seed=1)
    np.testing.assert_array_equal(held.decision_function(VALUES), plain.decision_function(VALUES))
