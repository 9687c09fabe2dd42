"""What the field knows: signs of features, and precedents of parties."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier as Grown
from sklearn.metrics import roc_auc_score

from engine.domain.time_units import DAY
from features.catalogue.catalogue import CATALOGUE
from models.config import TrainConfig, Trees
from models.learning import fit_tasks
from models.learning.base_learners import (
    HIGH,
    RATES,
    WORTH,
    grow,
    grow_with_field,
    precedents,
    straight_part,
)
from models.learning.fit import fit
from models.learning.scikit_trees import read_trees
from tests.support.small_dataset import START, small_world

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
    held, plain = (
        roc_auc_score(truth, one.decision_function(later)) for one in (grown_trees, free)
    )
    assert held > plain + 0.02


def test_too_few_signs_change_nothing() -> None:
    few = SIGNS * (np.arange(WIDTH) < 3)
    one = replace(TREES, iterations=3, seeds=1)
    held = grow_with_field(VALUES, LABEL, trees=one, signs=few, seed=1)
    plain = grow(VALUES, LABEL, trees=one, signs=few, seed=1)
    np.testing.assert_array_equal(held.decision_function(VALUES), plain.decision_function(VALUES))


NAMES = ("hour", "driver_recent_seizure_rate", "carrier_recent_seizure_rate", "finds")
FIND_LABEL = np.repeat(np.array([1, 0], np.int8), (20, 980))
BASE = 0.02
FIND_VALUES = np.full((1000, 4), (12.0, BASE, BASE, 0.0), np.float32)


def compute_difference(*row: float) -> float:
    """Return what a row says next to one without any precedent."""
    made = precedents(FIND_VALUES, FIND_LABEL, names=NAMES)
    assert made is not None
    rows = np.array([row, (12.0, BASE, BASE, 0.0)], np.float32)
    return float(np.subtract(*made.margin(rows)))


def test_rates_count_from_the_base_rate_on_and_add_up() -> None:
    worth = pytest.approx(WORTH, abs=1e-6)
    assert compute_difference(3.0, HIGH * BASE, BASE, 0.0) == worth
    assert compute_difference(12.0, 0.9, BASE, 0.0) == worth
    assert compute_difference(12.0, HIGH * BASE, HIGH * BASE, 0.0) == pytest.approx(
        2 * WORTH, abs=1e-6
    )
    assert compute_difference(12.0, 0.0, np.nan, 0.0) == pytest.approx(0.0, abs=1e-6)
    assert compute_difference(12.0, BASE, BASE, 3.0) == 0.0, "no rate: no precedent"


def test_a_sample_of_the_clear_rows_gives_the_base_rate_of_all() -> None:
    whole = precedents(FIND_VALUES, FIND_LABEL, names=NAMES)
    part = precedents(FIND_VALUES[:118], FIND_LABEL[:118], names=NAMES, kept=98 / 980)
    raised = precedents(
        FIND_VALUES[:118], FIND_LABEL[:118], names=NAMES
    )  # what a forgotten share would say
    assert whole is not None
    assert part is not None
    assert raised is not None
    rows = np.array([(3.0, HIGH * BASE, BASE, 1.0), FIND_VALUES[0]], np.float32)
    assert part.margin(rows) == pytest.approx(whole.margin(rows), abs=1e-6)
    assert (raised.margin(rows) - whole.margin(rows) > 0.1).all()


def test_few_finds_are_ranked_better_with_precedents() -> None:
    """Seven parties speak alike, among forty columns that do not; thirty finds are known."""
    draw = np.random.default_rng(5)
    names = (*RATES, *(f"f{at}" for at in range(40)))
    values = draw.normal(size=(20_000, len(names))).astype(np.float32)
    found = draw.poisson(0.08, (20_000, len(RATES)))
    values[:, : len(RATES)] = (found + 0.1) / (found + 10.0)
    logit = 1.2 * np.log1p(found).sum(axis=1) - 4.8
    label = (draw.random(20_000) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    taught, asked = slice(0, 2500), slice(2500, None)
    line = straight_part(values[taught], label[taught], strength=0.002)
    result = precedents(values[taught], label[taught], names=names)
    assert result is not None
    alone = line.margin(values[asked])
    blended = 0.6 * alone + 0.4 * result.margin(values[asked])
    assert roc_auc_score(label[asked], blended) > roc_auc_score(label[asked], alone) + 0.02


def test_they_are_blended_where_there_are_such_features() -> None:
    data = small_world(8000, seed=11)
    names = ("driver_recent_seizure_rate", *data.names[1:])
    config = TrainConfig(
        discrepancy=Trees(iterations=5, share_of_features=0.5, seeds=1),
        seizure=Trees(iterations=5, depth=2, share_of_features=0.5, seeds=1),
        folds=2,
        jobs=1,
    )
    cut = START + 180 * DAY
    fields = {}
    for kept in (replace(data, names=names), data):
        model = fit(kept, config, until=cut, known_before=cut)
        fields[kept.names] = {part for losses in model.alone.values() for part in losses}
        used = {name for head in model.heads.values() for name, _ in head.blend}
        assert set(model.lines) == {name for name in used if name not in model.ensembles}
    more = fields[names] - fields[data.names]
    assert more == {"seizure_precedents"}
