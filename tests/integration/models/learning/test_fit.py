"""A fit: what a model learns, what it leaves out, and data that cannot carry it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.domain.time_units import DAY
from engine.errors import NotEnoughDataError
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning.fit import FittedModel, fit
from models.learning.fit_tasks import screen_features, thin_clear
from models.training.trainer import train
from tests.support import small_dataset
from tests.support.sizes import PROOF
from tests.support.small_dataset import START

SMALL = TrainConfig(
    discrepancy=Trees(
        iterations=30, learning_rate=0.15, depth=3, leaves=8, share_of_features=0.5, seeds=1
    ),
    seizure=Trees(
        iterations=20, learning_rate=0.15, depth=2, leaves=4, share_of_features=0.5, seeds=2
    ),
    folds=3,
    jobs=1,
)
CUT = START + 180 * DAY


def small_world(n: int, **more: Any) -> Dataset:
    """Return a world of n crossings at full size, of half as many otherwise."""
    return small_dataset.small_world(n if PROOF else n // 2, **more)


def fit_model(data: Dataset, *, config: TrainConfig = SMALL, cut: int = CUT) -> FittedModel:
    return fit(data, config, until=cut, known_before=cut)


def without_random_checks(data: Dataset) -> Dataset:
    """Leave no random check, whose level would stray as a hundred of them do."""
    data.basis[data.basis == "random"] = "score"
    return data


def test_it_learns_what_is_there_and_its_chances_are_right() -> None:
    data = without_random_checks(small_world(12_000, seed=1))
    later = data.take(data.evidence("discrepancy") & (data.arrived_at >= CUT))
    scores = fit_model(data).score(later.values)

    assert roc_auc_score(later.discrepancy, scores.p_discrepancy) > 0.7
    assert roc_auc_score(later.seizure, scores.p_seizure) > 0.65
    assert scores.p_discrepancy.mean() == pytest.approx(later.discrepancy.mean(), abs=0.03)
    assert scores.p_seizure.mean() == pytest.approx(later.seizure.mean(), abs=0.015)


def test_shuffled_labels_give_flat_chances() -> None:
    """Calibration on later data owns up: trees fitted to noise end with hardly any spread."""
    data = small_world(8000, seed=2)
    rows = np.flatnonzero(data.is_inspected)
    mixed = data.discrepancy.copy()
    mixed[rows] = np.random.default_rng(0).permutation(mixed[rows])
    model = fit_model(replace(data, discrepancy=mixed, seizure=np.minimum(data.seizure, mixed)))
    asked = data.values[data.arrived_at >= CUT]

    assert model.score(asked).p_discrepancy.std() < 0.03
    assert fit_model(data).score(asked).p_discrepancy.std() > 0.08


def test_what_comes_after_the_cut_changes_no_bit() -> None:
    """Later rows, and labels that became known later, are invisible."""
    data = small_world(6000, seed=3)
    late = (data.arrived_at >= CUT) | ((data.label_known_at >= CUT) & (data.discrepancy >= 0))
    other = data.discrepancy.copy()
    other[late & data.is_inspected] = 1 - other[late & data.is_inspected]
    seizure = np.where(late & data.is_inspected, 0, data.seizure).astype(np.int8)
    changed = replace(data, discrepancy=other, seizure=seizure)
    asked = data.values[:500]

    before, after = fit_model(data).score(asked), fit_model(changed).score(asked)
    np.testing.assert_array_equal(before.p_discrepancy, after.p_discrepancy)
    np.testing.assert_array_equal(before.p_seizure, after.p_seizure)

    # Negative control: a label known in time does move the model.
    early = np.flatnonzero(data.is_inspected & (data.label_known_at < CUT))[:300]
    other[early] = 1 - other[early]
    moved = fit_model(replace(changed, discrepancy=other)).score(asked)
    assert (moved.p_discrepancy != after.p_discrepancy).any()


def test_processes_change_no_bit() -> None:
    data = small_world(8_000, seed=4, features=12)
    with threadpool_limits(2):  # other processes have one thread each
        one = fit_model(data).score(data.values[:200])
    two = fit_model(data, config=replace(SMALL, jobs=2)).score(data.values[:200])
    np.testing.assert_array_equal(one.p_seizure, two.p_seizure)


def test_few_seizures_lean_on_discrepancies() -> None:
    data = small_world(6000, seed=5)
    grave = np.flatnonzero(data.seizure == 1)
    fewer = data.seizure.copy()
    fewer[grave[5:]] = 0
    model = fit_model(replace(data, seizure=fewer))

    assert model.heads["seizure"].blend == model.heads["discrepancy"].blend
    assert set(model.ensembles) == {"discrepancy"}


def test_without_a_seizure_the_level_is_small_and_the_order_kept() -> None:
    data = without_random_checks(small_world(6000, seed=6))
    model = fit_model(replace(data, seizure=np.minimum(data.seizure, 0)))
    scores = model.score(data.values[:1000])

    # Half a seizure among the 432 rows that calibrate; more on rows that taught.
    assert 0 < scores.p_seizure.mean() < 0.003
    order = np.argsort(scores.p_discrepancy, kind="stable")
    assert (np.diff(scores.p_seizure[order]) >= 0).all()


def test_linked_finds_do_not_reward_being_released() -> None:
    """Released rows with a find come with companions, so a mark of selection teaches nothing."""
    data = small_world(16_000, seed=7)
    marked = data.values.copy()
    marked[:, 7] = data.basis.astype(bool)
    model = fit_model(replace(data, values=marked))
    asked = marked[:2000].copy()
    asked[:, 7] = 0
    released = model.score(asked).p_seizure.mean()
    asked[:, 7] = 1
    assert released == pytest.approx(model.score(asked).p_seizure.mean(), rel=0.5)


def test_a_history_that_cannot_teach_is_refused() -> None:
    data = small_world(120, seed=8)
    with pytest.raises(NotEnoughDataError, match="discrepancies"):
        fit_model(data)


def mean_margins(data: Dataset, config: TrainConfig) -> dict[str, float]:
    """Return the mean log-odds that each part states, before anything is calibrated."""
    model = fit_model(data, config=config)
    return {part: float(margin.mean()) for part, margin in model.margins(data.values).items()}


def test_a_sample_of_the_clear_rows_states_the_odds_of_all() -> None:
    data = small_dataset.small_world(6_000, seed=11)
    every = mean_margins(data, SMALL)
    few = replace(SMALL, most_clear=int(data.is_inspected.sum()) // 4)
    sampled = mean_margins(data, few)
    assert sampled == pytest.approx(every, abs=0.35)
    assert sampled != every


def test_no_find_is_left_out_and_a_sample_is_drawn_by_the_seed() -> None:
    label = (np.arange(1_000) % 50 == 0).astype(np.int8)
    first, again, other = (thin_clear(label, most=100, seed=seed) for seed in (1, 1, 2))
    assert set(np.flatnonzero(label)) < set(first)
    assert len(first) == 120
    assert (np.diff(first) > 0).all()
    assert (first == again).all()
    assert set(first) != set(other)
    for most in (0, 980, 5_000):  # without a bound, or within it, nothing is drawn
        assert len(thin_clear(label, most=most, seed=1)) == len(label)


def test_many_finds_get_the_rich_trees() -> None:
    data = small_world(3000, seed=10)
    rich = replace(SMALL.discrepancy, iterations=7, seeds=1)

    def count_grown_trees(many: int) -> int:
        config = replace(SMALL, rich=rich, many_discrepancies=many, folds=1)
        grown: Any = fit_model(data, config=config).ensembles["discrepancy"]
        return int(grown.n_iter_)

    assert count_grown_trees(100_000) == SMALL.discrepancy.iterations
    assert count_grown_trees(10) == rich.iterations


def test_an_empty_column_does_no_harm() -> None:
    data = small_world(4000, seed=9)
    data.values[:, 5] = np.nan
    assert np.isfinite(fit_model(data).score(data.values[:50]).p_seizure).all()


def test_a_challenger_learns_from_the_last_days_alone() -> None:
    data = small_dataset.small_world(2_000, seed=4)
    late = data.take(data.arrived_at >= CUT - 90 * DAY)
    config = replace(SMALL, last_days=90.0)
    found, expected = (train(one, config, cutoff=CUT) for one in (data, late))
    assert found.data_digest == expected.data_digest
    assert (
        found.model.score(late.values).p_discrepancy
        == expected.model.score(late.values).p_discrepancy
    ).all()
    assert found.data_digest != train(data, SMALL, cutoff=CUT).data_digest


DRAW = np.random.default_rng(5)
VALUES = DRAW.normal(size=(8000, 12)).astype(np.float32)
VALUES[DRAW.random(VALUES.shape) < 0.1] = np.nan
VALUES[:, 11] = np.nan
LOGIT = 1.2 * np.nan_to_num(VALUES[:, 2]) + np.isnan(VALUES[:, 7]) - 1.5
LABEL = (DRAW.random(8000) < 1 / (1 + np.exp(-LOGIT))).astype(np.int8)


def test_what_foretells_later_finds_is_kept_and_noise_is_not() -> None:
    kept = screen_features(VALUES, LABEL)
    assert {2, 7} <= set(kept.tolist()), "by its value, and by being unknown"
    assert len(kept) <= 4


def test_what_held_once_but_not_later_does_not_speak() -> None:
    values = VALUES.copy()
    values[:4000, 5] += 2 * LABEL[:4000]
    assert 5 not in screen_features(values, LABEL)
    values[4000:, 5] += 2 * LABEL[4000:]
    assert 5 in screen_features(values, LABEL)
